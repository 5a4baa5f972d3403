/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of promises, on hosts that exist only as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ledger/promise.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* 4 GiB of RAM, of which guests may have 3 GiB, and 2 GiB of swap. */
static const struct promise_capital host = {
	.ram = 4 * GIB, .limit = 3 * GIB, .others = 300 * MIB, .swap = 2 * GIB
};

static struct promise promise(uint64_t memory, uint64_t guarantee)
{
	return (struct promise){
		.memory = memory * MIB,
		.limit = memory * MIB,
		.guarantee = guarantee * MIB,
		.overhead = 8 * MIB,
	};
}

static void add(struct promise_sum *sum, struct promise p, int n)
{
	for (int i = 0; i < n; i++)
		promise_add(sum, &p);
}

static void assert_kept(const struct promise_capital *capital, const struct promise_sum *sum,
			struct promise p)
{
	_cleanup_err_ struct err *err = NULL;

	if (promise_check(capital, sum, &p, NULL, &err) < 0)
		fail_msg("%s", err_message(err));
}

static void assert_refused(const struct promise_capital *capital, const struct promise_sum *sum,
			   struct promise p, const char *message)
{
	_cleanup_err_ struct err *err = NULL;

	assert_int_equal(promise_check(capital, sum, &p, NULL, &err), -1);
	assert_int_equal(err_code(err), ERR_REFUSED);
	assert_string_equal(err_message(err), message);
}

static void ram_is_what_the_limit_allows_or_what_others_leave(void **state)
{
	struct promise_capital capital = host;

	(void)state;
	assert_int_equal(promise_ram(&capital), 3 * GIB);
	capital.others = 1100 * MIB + 1;
	/* Down to whole MiB. */
	assert_int_equal(promise_ram(&capital), (4096 - 1101) * MIB);
	capital.others = 5 * GIB;
	assert_int_equal(promise_ram(&capital), 0);
}

static void swap_is_what_others_leave(void **state)
{
	struct promise_capital capital = host;

	(void)state;
	capital.swap_other = 100 * MIB;
	assert_int_equal(promise_swap(&capital), 1948 * MIB);
	capital.swap_other = 3 * GIB;
	assert_int_equal(promise_swap(&capital), 0);
}

static void groups_above_leave_less_of_both(void **state)
{
	struct promise_capital capital = host;

	(void)state;
	capital.bound = (struct promise_bound){ .ram = 0, .swap = 0, .protection = 0 };
	assert_int_equal(promise_ram(&capital), 3 * GIB);
	assert_int_equal(promise_protection(&capital), UINT64_MAX);
	capital.bound = (struct promise_bound){
		.there = true, .ram = GIB + 1, .swap = 100 * MIB + 1, .protection = 5
	};
	assert_int_equal(promise_ram(&capital), GIB);
	assert_int_equal(promise_swap(&capital), 100 * MIB);
	assert_int_equal(promise_protection(&capital), 5);
	capital.bound.ram = capital.bound.swap = UINT64_MAX;
	assert_int_equal(promise_ram(&capital), 3 * GIB);
	assert_int_equal(promise_swap(&capital), 2 * GIB);
	assert_refused(&capital, &(struct promise_sum){ 0 }, promise(6 * 1024, 0),
		       "its memory can't be promised: 6144M memory + 8M overhead = 6152M, of "
		       "3072M of RAM (4096M less 1024M kept for the host) and 2048M of swap; "
		       "1032M more swap or RAM would do, or a memory of 5112M");
	capital.bound.ram = GIB;
	capital.bound.swap = 0;
	assert_refused(&capital, &(struct promise_sum){ 0 }, promise(1017, 0),
		       "its memory can't be promised: 1017M memory + 8M overhead = 1025M, of "
		       "1024M of RAM (4096M less 3072M by the limits of groups above and what "
		       "others use of them) and 0M of swap (2048M less 2048M by limits of groups); "
		       "1M more swap or RAM would do, or a memory of 1016M");
}

static void assert_unprotected(const struct promise_capital *capital, const struct promise_sum *sum,
			       struct promise p, const char *message)
{
	_cleanup_err_ struct err *err = NULL;

	assert_int_equal(promise_check_protection(capital, sum, &p, NULL, "do it", &err), -1);
	assert_int_equal(err_code(err), ERR_REFUSED);
	assert_string_equal(err_message(err), message);
}

static void a_guarantee_needs_protection_from_above_and_nothing_else_does(void **state)
{
	struct promise_capital capital = host;
	struct promise_sum sum = { 0 };
	struct promise old = promise(512, 92);
	struct promise p = promise(512, 93);

	(void)state;
	capital.bound = (struct promise_bound){
		.there = true, .ram = UINT64_MAX, .swap = UINT64_MAX, .protection = 200 * MIB
	};
	add(&sum, promise(512, 92), 1);
	add(&sum, promise(512, 0), 3);
	assert_int_equal(sum.protection, 100 * MIB);
	assert_int_equal(promise_check_protection(&capital, &sum, &old, NULL, "", NULL), 0);
	assert_unprotected(&capital, &sum, p,
			   "its guarantee can't be promised: 100M for 4 guests + 93M guarantee + "
			   "8M overhead = 201M, of 200M that the groups above lodge.slice protect "
			   "(memory.min); do it");
	/* Less than before is never refused, whatever there is. */
	capital.bound.protection = 0;
	p = promise(512, 91);
	assert_int_equal(promise_check_protection(&capital, &sum, &p, &old, "", NULL), 0);
	p = promise(512, 0);
	assert_int_equal(promise_check_protection(&capital, &sum, &p, NULL, "", NULL), 0);
	p = promise(512, 1);
	p.best_effort = true;
	assert_int_equal(promise_check_protection(&capital, &sum, &p, NULL, "", NULL), 0);
	assert_int_equal(promise_lack(&capital, &sum).protection, 100 * MIB);
}

static void what_is_left_of_protection_is_for_overheads(void **state)
{
	struct promise_capital capital = host;
	struct promise_sum sum = { .protection = 95 * MIB };
	struct promise p = promise(512, 0);

	(void)state;
	assert_int_equal(promise_protect(&capital, &sum, &p), 8 * MIB);
	capital.bound = (struct promise_bound){ .there = true, .protection = 100 * MIB };
	assert_int_equal(promise_protect(&capital, &sum, &p), 5 * MIB);
	capital.bound.protection = 0;
	assert_int_equal(promise_protect(&capital, &sum, &p), 0);
	p.guarantee = MIB;
	assert_int_equal(promise_protect(&capital, &sum, &p), 9 * MIB);
	p.best_effort = true;
	assert_int_equal(promise_protect(&capital, &sum, &p), 0);
}

static void guests_with_a_guarantee_fit_as_far_as_protection_goes(void **state)
{
	struct promise_capital capital = host;
	struct promise_sum sum = { 0 };
	struct promise p = promise(64, 12);

	(void)state;
	capital.bound = (struct promise_bound){
		.there = true, .ram = UINT64_MAX, .swap = UINT64_MAX, .protection = 59 * MIB
	};
	assert_int_equal(promise_fits(&capital, &sum, &p), 2);
	p.guarantee = 0;
	assert_int_equal(promise_fits(&capital, &sum, &p), 5 * 1024 / 72);
}

static void the_reserve_grows_with_the_host_and_leaves_small_ones_something(void **state)
{
	(void)state;
	assert_int_equal(promise_reserve(512 * MIB), 128 * MIB);
	assert_int_equal(promise_reserve(4 * GIB), 384 * MIB);
	assert_int_equal(promise_reserve(64 * GIB), (256 + 2048) * MIB);
	assert_int_equal(promise_reserve(1024 * GIB), (256 + 2048 + 7680) * MIB);
}

static void overhead_grows_with_vcpus_memory_and_merging(void **state)
{
	uint64_t plain = promise_overhead(1, GIB, false);

	(void)state;
	assert_true(promise_overhead(8, GIB, false) > plain);
	assert_true(promise_overhead(1, 2 * GIB, false) >= plain + 4 * MIB);
	assert_int_equal(promise_overhead(1, GIB, true), plain + 16 * MIB);
	assert_int_equal(plain % MIB, 0);
}

static void memory_is_promised_up_to_the_last_mib(void **state)
{
	struct promise_sum sum = { 0 };

	(void)state;
	add(&sum, promise(1016, 0), 4);
	/* 3 GiB and 2 GiB: 1024 MiB are left, with its overhead. */
	assert_kept(&host, &sum, promise(1016, 0));
	assert_refused(&host, &sum, promise(1017, 0),
		       "its memory can't be promised: 4096M for 4 guests + 1017M memory + 8M "
		       "overhead = 5121M, of 3072M of RAM (4096M less 1024M kept for the host) and "
		       "2048M of swap; 1M more swap or RAM would do, or a memory of 1016M");
}

static void guarantees_are_promised_up_to_the_last_mib_and_leave_room_to_swap_through(void **state)
{
	struct promise_sum sum = { 0 };
	struct promise_capital capital = host;

	(void)state;
	add(&sum, promise(1024, 992), 2);
	/* 3072 - 2 * 1000 - 8 - 64. */
	assert_kept(&capital, &sum, promise(1024, 1000));
	assert_refused(&capital, &sum, promise(1024, 1001),
		       "its guarantee can't be promised: 2000M for 2 guests + 1001M guarantee + 8M "
		       "overhead + 64M to swap through = 3073M, of 3072M of RAM (4096M less 1024M "
		       "kept for the host); 1M more RAM would do, or a guarantee of 1000M");
	capital.others = 1500 * MIB;
	assert_refused(&capital, &sum, promise(1024, 600),
		       "its guarantee can't be promised: 2000M for 2 guests + 600M guarantee + 8M "
		       "overhead + 57M to swap through = 2665M, of 2596M of RAM (4096M less 1500M "
		       "that others use); 69M more RAM would do, or a guarantee of 531M");
}

static void a_host_without_swap_promises_no_more_than_its_ram(void **state)
{
	struct promise_capital capital = host;
	struct promise_sum sum = { 0 };

	(void)state;
	capital.swap = 0;
	assert_kept(&capital, &sum, promise(3064, 0));
	assert_refused(&capital, &sum, promise(4096, 0),
		       "its memory can't be promised: 4096M memory + 8M overhead = 4104M, of 3072M "
		       "of RAM (4096M less 1024M kept for the host) and no swap on a disk; 1032M "
		       "more swap or RAM would do, or a memory of 3064M");
}

static void swap_that_others_use_is_not_there(void **state)
{
	struct promise_capital capital = host;
	struct promise_sum sum = { 0 };

	(void)state;
	capital.swap_other = 600 * MIB;
	add(&sum, promise(3000, 0), 1);
	assert_refused(
	    &capital, &sum, promise(1600, 0),
	    "its memory can't be promised: 3008M for 1 guest + 1600M memory + 8M "
	    "overhead = 4616M, of 3072M of RAM (4096M less 1024M kept for the host) and "
	    "1448M of swap (2048M less 600M that others use); 96M more swap or RAM would "
	    "do, or a memory of 1504M");
}

static void what_a_limit_keeps_out_of_ram_needs_swap(void **state)
{
	struct promise_sum sum = { 0 };
	struct promise p = promise(2048, 0);

	(void)state;
	p.limit = 1024 * MIB;
	add(&sum, p, 1);
	p.memory = 1200 * MIB;
	p.limit = 176 * MIB;
	assert_kept(&host, &sum, p);
	p.limit = 175 * MIB;
	assert_refused(&host, &sum, p,
		       "its memory beyond its limit can't be promised: 1024M for 1 guest + 1025M = "
		       "2049M, of 2048M of swap; 1M more swap would do, or a limit of 176M");
	/* Others without a limit aren't concerned. */
	assert_kept(&host, &sum, promise(512, 0));
}

static void best_effort_is_never_refused_and_counts_for_nothing(void **state)
{
	struct promise_sum sum = { 0 };
	struct promise p = promise(1 << 20, 0);

	(void)state;
	p.best_effort = true;
	assert_kept(&host, &sum, p);
	add(&sum, p, 3);
	assert_int_equal(sum.n, 0);
	assert_int_equal(sum.n_best_effort, 3);
	assert_int_equal(sum.worst, 0);
	assert_true(promise_fits(&host, &sum, &p) == SIZE_MAX);
}

/* As many as fits says get in, one after the other, and no more. */
static void assert_fits(const struct promise_capital *capital, struct promise p)
{
	struct promise_sum sum = { 0 };
	size_t n = promise_fits(capital, &sum, &p);

	for (size_t i = 0; i < n; i++) {
		assert_kept(capital, &sum, p);
		assert_int_equal(promise_fits(capital, &sum, &p), n - i);
		promise_add(&sum, &p);
	}
	assert_int_equal(promise_fits(capital, &sum, &p), 0);
	assert_int_equal(promise_check(capital, &sum, &p, NULL, NULL), -1);
}

static void as_many_as_fit_get_in(void **state)
{
	struct promise limited = promise(700, 100);

	(void)state;
	for (uint64_t memory = 1; memory < 6000; memory = memory * 3 + 1) {
		for (uint64_t guarantee = 0; guarantee <= memory; guarantee += memory / 3 + 1)
			assert_fits(&host, promise(memory, guarantee));
	}
	limited.limit = 200 * MIB;
	assert_fits(&host, limited);
}

static void a_host_that_lost_swap_lacks_what_it_promised(void **state)
{
	struct promise_capital capital = host;
	struct promise_sum sum = { 0 };
	struct promise_lack lack;

	(void)state;
	add(&sum, promise(1016, 300), 5);
	lack = promise_lack(&capital, &sum);
	assert_true(lack.ram == 0 && lack.total == 0 && lack.swap == 0);
	capital.swap = 1536 * MIB;
	lack = promise_lack(&capital, &sum);
	assert_int_equal(lack.total, 512 * MIB);
	assert_int_equal(lack.ram, 0);
	capital.others = 3 * GIB;
	lack = promise_lack(&capital, &sum);
	/* 5 * 308 + 32 - 1024. */
	assert_int_equal(lack.ram, 548 * MIB);
	/* A host without guests lacks nothing. */
	sum = (struct promise_sum){ 0 };
	lack = promise_lack(&capital, &sum);
	assert_int_equal(lack.ram, 0);
}

static void less_of_what_lacks_is_never_refused(void **state)
{
	struct promise_capital capital = host;
	struct promise_sum sum = { 0 };
	struct promise old = promise(1016, 1000);
	struct promise less = promise(1016, 900);
	struct promise more = promise(1016, 1001);

	(void)state;
	add(&sum, promise(1016, 1000), 3);
	capital.limit = 2048 * MIB;
	assert_int_equal(promise_check(&capital, &sum, &less, &old, NULL), 0);
	assert_int_equal(promise_check(&capital, &sum, &old, &old, NULL), 0);
	assert_int_equal(promise_check(&capital, &sum, &more, &old, NULL), -1);
	assert_int_equal(promise_check(&capital, &sum, &less, NULL, NULL), -1);
	/* A lower limit needs swap, which isn't what lacks. */
	less.limit = 900 * MIB;
	assert_int_equal(promise_check(&capital, &sum, &less, &old, NULL), 0);
	capital.swap = 100 * MIB;
	assert_int_equal(promise_check(&capital, &sum, &less, &old, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ram_is_what_the_limit_allows_or_what_others_leave),
		cmocka_unit_test(swap_is_what_others_leave),
		cmocka_unit_test(groups_above_leave_less_of_both),
		cmocka_unit_test(a_guarantee_needs_protection_from_above_and_nothing_else_does),
		cmocka_unit_test(what_is_left_of_protection_is_for_overheads),
		cmocka_unit_test(guests_with_a_guarantee_fit_as_far_as_protection_goes),
		cmocka_unit_test(the_reserve_grows_with_the_host_and_leaves_small_ones_something),
		cmocka_unit_test(overhead_grows_with_vcpus_memory_and_merging),
		cmocka_unit_test(memory_is_promised_up_to_the_last_mib),
		cmocka_unit_test(
		    guarantees_are_promised_up_to_the_last_mib_and_leave_room_to_swap_through),
		cmocka_unit_test(a_host_without_swap_promises_no_more_than_its_ram),
		cmocka_unit_test(swap_that_others_use_is_not_there),
		cmocka_unit_test(what_a_limit_keeps_out_of_ram_needs_swap),
		cmocka_unit_test(best_effort_is_never_refused_and_counts_for_nothing),
		cmocka_unit_test(as_many_as_fit_get_in),
		cmocka_unit_test(a_host_that_lost_swap_lacks_what_it_promised),
		cmocka_unit_test(less_of_what_lacks_is_never_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
