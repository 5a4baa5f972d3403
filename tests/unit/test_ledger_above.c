/* SPDX-License-Identifier: Apache-2.0 */
/* What the groups above the slice leave guests, on a tree of plain files that stands for the host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "files.h"
#include "ledger/ledger.h"

#define MIB   (UINT64_C(1) << 20)
#define TOP   "cg/user.slice"
#define USER  TOP "/hand"
#define SLICE USER "/lodge.slice"

static void write_mib(const char *group, const char *file, unsigned mib)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)(mib * MIB));
	files_write_in(group, file, text);
}

static void make_group(const char *group)
{
	files_dir(group);
	files_write_in(group, "memory.max", "max\n");
	files_write_in(group, "memory.min", "0\n");
	files_write_in(group, "memory.swap.max", "max\n");
	files_write_in(group, "memory.swap.current", "0\n");
	files_write_in(group, "memory.current", "0\n");
	files_write_in(group, "memory.stat", "file 0\n");
}

/* A host of 4 GiB with 2 GiB of swap; the slice is two groups below the root of all, with a guest
 * of 256 MiB that has no guarantee and found no protection. */
static int make_host(void **state)
{
	(void)state;
	if (files_make() < 0)
		return -1;
	files_dir("proc");
	files_write("proc/meminfo", "MemTotal: 4194304 kB\nMemAvailable: 4194304 kB\n");
	files_write("proc/swaps", "Filename\n/dev/vda partition 2097152 0 -2\n");
	files_dir("cg");
	make_group(TOP);
	make_group(USER);
	make_group(SLICE);
	write_mib(SLICE, "memory.max", 3072);
	make_group(SLICE "/web");
	files_write(SLICE "/web/cgroup.events", "populated 1\n");
	write_mib(SLICE "/web", "memory.max", 260);
	write_mib(SLICE "/web", "memory.swap.max", 260);
	files_write(SLICE "/web/memory.oom.group", "1\n");
	return 0;
}

static int remove_host(void **state)
{
	(void)state;
	return files_remove();
}

static struct ledger read_ledger(void)
{
	_cleanup_err_ struct err *err = NULL;
	struct ledger ledger;

	if (ledger_read(files_root_fd, SLICE, &ledger, &err) < 0)
		fail_msg("%s", err_message(err));
	return ledger;
}

static uint64_t ram_now(void)
{
	struct ledger ledger = read_ledger();

	return promise_ram(&ledger.capital);
}

static uint64_t swap_now(void)
{
	struct ledger ledger = read_ledger();

	return promise_swap(&ledger.capital);
}

static uint64_t protection_now(void)
{
	struct ledger ledger = read_ledger();

	return promise_protection(&ledger.capital);
}

static void groups_without_limits_bound_protection_alone(void **state)
{
	struct ledger ledger = read_ledger();

	(void)state;
	assert_true(ledger.capital.bound.there);
	assert_int_equal(promise_ram(&ledger.capital), 3072 * MIB);
	assert_int_equal(promise_swap(&ledger.capital), 2048 * MIB);
	assert_int_equal(promise_protection(&ledger.capital), 0);
	assert_int_equal(ledger.n_above, 2);
	assert_string_equal(ledger.slice, SLICE);
}

static void ram_is_what_the_least_limit_above_leaves_beside_others(void **state)
{
	(void)state;
	write_mib(TOP, "memory.max", 2000);
	assert_int_equal(ram_now(), 2000 * MIB);
	/* 700 MiB in use, 100 of them droppable; of the guests 250, 50 of them droppable. */
	write_mib(USER, "memory.max", 1500);
	write_mib(USER, "memory.current", 700);
	files_write_in(USER, "memory.stat", "file 104857600\n");
	write_mib(SLICE, "memory.current", 250);
	files_write_in(SLICE, "memory.stat", "file 52428800\n");
	assert_int_equal(ram_now(), (1500 - 400) * MIB);
}

static void swap_is_what_the_least_limit_leaves_beside_others(void **state)
{
	(void)state;
	write_mib(USER, "memory.swap.max", 1000);
	write_mib(USER, "memory.swap.current", 300);
	write_mib(SLICE, "memory.swap.current", 200);
	assert_int_equal(swap_now(), 900 * MIB);
	/* In the slice there's nobody else. */
	write_mib(SLICE, "memory.swap.max", 700);
	assert_int_equal(swap_now(), 700 * MIB);
}

static void a_kernel_without_swap_files_bounds_no_swap(void **state)
{
	(void)state;
	files_unlink(USER "/memory.swap.max");
	files_unlink(TOP "/memory.swap.max");
	files_unlink(SLICE "/memory.swap.max");
	assert_int_equal(swap_now(), 2048 * MIB);
}

static void protection_is_what_each_group_above_has_beside_those_in_it(void **state)
{
	(void)state;
	write_mib(TOP, "memory.min", 500);
	assert_int_equal(protection_now(), 0);
	write_mib(USER, "memory.min", 400);
	assert_int_equal(protection_now(), 400 * MIB);
	make_group(TOP "/other");
	write_mib(TOP "/other", "memory.min", 200);
	assert_int_equal(protection_now(), 300 * MIB);
	files_write_in(TOP "/other", "memory.min", "max\n");
	assert_int_equal(protection_now(), 0);
	files_write_in(TOP, "memory.min", "max\n");
	assert_int_equal(protection_now(), 400 * MIB);
	/* The slice's own isn't others'. */
	write_mib(SLICE, "memory.min", 400);
	assert_int_equal(protection_now(), 400 * MIB);
}

static void at_the_root_of_all_groups_nothing_bounds(void **state)
{
	struct ledger ledger;

	(void)state;
	assert_int_equal(ledger_read(files_root_fd, "cg/none", &ledger, NULL), 0);
	assert_false(ledger.capital.bound.there);
	assert_int_equal(promise_protection(&ledger.capital), UINT64_MAX);
	assert_int_equal(ledger.n_above, 0);
}

static const struct promise wanted = {
	.memory = 64 * MIB, .limit = 64 * MIB, .guarantee = 16 * MIB, .overhead = 3 * MIB
};

static void assert_remedy(const char *remedy)
{
	_cleanup_err_ struct err *err = NULL;
	struct ledger ledger = read_ledger();

	assert_int_equal(ledger_check(&ledger, &wanted, NULL, &err), -1);
	assert_int_equal(err_code(err), ERR_REFUSED);
	if (!strstr(err_message(err), remedy))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), remedy);
}

static void what_gives_a_guarantee_is_said_for_each_group_that_lacks_it(void **state)
{
	struct ledger ledger;

	(void)state;
	assert_remedy("; as root: systemctl set-property user.slice MemoryMin=19M && echo 19M > "
		      "/cg/user.slice/hand/memory.min");
	write_mib(TOP, "memory.min", 19);
	assert_remedy("; as root: echo 19M > /cg/user.slice/hand/memory.min");
	/* Others keep theirs. */
	make_group(USER "/other");
	write_mib(USER "/other", "memory.min", 10);
	assert_remedy("; as root: echo 29M > ");
	write_mib(USER, "memory.min", 28);
	assert_remedy("; as root: echo 29M > ");
	write_mib(USER, "memory.min", 29);
	ledger = read_ledger();
	assert_int_equal(ledger_check(&ledger, &wanted, NULL, NULL), 0);
}

static void a_guest_without_a_guarantee_runs_with_what_protection_is_left(void **state)
{
	struct promise p = wanted;
	struct ledger ledger;

	(void)state;
	p.guarantee = 0;
	make_group(SLICE "/new");
	files_write(SLICE "/new/memory.oom.group", "0\n");
	write_mib(TOP, "memory.min", 100);
	write_mib(USER, "memory.min", 2);
	ledger = read_ledger();
	assert_int_equal(ledger_check(&ledger, &p, NULL, NULL), 0);
	assert_int_equal(ledger_write(files_root_fd, SLICE, "new", &ledger, &p, NULL), 0);
	files_assert(SLICE "/new/memory.min", "2097152");
	files_assert(SLICE "/memory.min", "2097152");
	write_mib(USER, "memory.min", 100);
	ledger = read_ledger();
	assert_int_equal(ledger_write(files_root_fd, SLICE, "new", &ledger, &p, NULL), 0);
	files_assert(SLICE "/new/memory.min", "3145728");
}

static void an_overhead_that_isnt_protected_takes_its_ram_all_the_same(void **state)
{
	struct ledger ledger = read_ledger();

	(void)state;
	assert_int_equal(ledger.sum.n, 1);
	assert_int_equal(ledger.sum.protection, 0);
	assert_int_equal(ledger.sum.guaranteed, promise_overhead(1, 256 * MIB, false));
}

int main(void)
{
#define host_test(f) cmocka_unit_test_setup_teardown(f, make_host, remove_host)
	const struct CMUnitTest tests[] = {
		host_test(groups_without_limits_bound_protection_alone),
		host_test(ram_is_what_the_least_limit_above_leaves_beside_others),
		host_test(swap_is_what_the_least_limit_leaves_beside_others),
		host_test(a_kernel_without_swap_files_bounds_no_swap),
		host_test(protection_is_what_each_group_above_has_beside_those_in_it),
		host_test(at_the_root_of_all_groups_nothing_bounds),
		host_test(what_gives_a_guarantee_is_said_for_each_group_that_lacks_it),
		host_test(a_guest_without_a_guarantee_runs_with_what_protection_is_left),
		host_test(an_overhead_that_isnt_protected_takes_its_ram_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
