/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger on a tree of plain files that stands for the host: what is added up, and what is
 * written. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "files.h"
#include "ledger/ledger.h"
#include "ledger/shares.h"

#define MIB   (UINT64_C(1) << 20)
#define SLICE "slice"

/* A group as it is when somebody runs in it; sizes in MiB, "max", or empty files to be written. */
static void make_group(const char *group, const char *min, const char *max, const char *swap_max)
{
	assert_int_equal(mkdirat(files_root_fd, group, 0755), 0);
	files_write_in(group, "cgroup.events", "populated 1\nfrozen 0\n");
	files_write_in(group, "memory.min", min);
	files_write_in(group, "memory.max", max);
	files_write_in(group, "memory.swap.max", swap_max);
	files_write_in(group, "memory.oom.group", "");
	files_write_in(group, "cpu.weight", "100\n");
	files_write_in(group, "io.weight", "");
}

/* A host of 4 GiB with 2 GiB of swap and 1 GiB on zram, and guests web and db. */
static int make_host(void **state)
{
	(void)state;
	if (files_make() < 0)
		return -1;
	mkdirat(files_root_fd, "proc", 0755);
	files_write("proc/meminfo",
		    "MemTotal: 4194304 kB\nMemAvailable: 3145728 kB\nHugePages_Total: 0\n"
		    "Hugepagesize: 2048 kB\n");
	files_write("proc/swaps", "Filename\n/dev/vda partition 2097152 102400 -2\n"
				  "/dev/zram0 partition 1048576 51200 -2\n");
	make_group(SLICE, "0\n", "3221225472\n", "max\n");
	files_write_in(SLICE, "memory.current", "838860800\n");
	files_write_in(SLICE, "memory.stat", "anon 629145600\nfile 104857600\nshmem 1048576\n");
	files_write_in(SLICE, "memory.swap.current", "62914560\n");
	make_group(SLICE "/web", "104857600\n", "541065216\n", "541065216\n");
	make_group(SLICE "/db", "4194304\n", "209715200\n", "272629760\n");
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

static const struct promise small = { .memory = 64 * MIB, .limit = 64 * MIB, .overhead = 3 * MIB };

static void what_guests_were_promised_is_in_their_groups(void **state)
{
	struct ledger ledger = read_ledger();

	(void)state;
	assert_int_equal(ledger.sum.n, 2);
	assert_int_equal(ledger.sum.guaranteed, (100 + 4) * MIB);
	assert_int_equal(ledger.sum.worst, (516 + 260) * MIB);
	/* db may have 200 of its 260 MiB in RAM. */
	assert_int_equal(ledger.sum.beyond, 60 * MIB);
	assert_int_equal(ledger.sum.protection, (100 + 4) * MIB);
	assert_string_equal(ledger.unlimited, "");
	assert_int_equal(ledger_read_without(files_root_fd, SLICE, "web", &ledger, NULL), 0);
	assert_int_equal(ledger.sum.n, 1);
	assert_int_equal(ledger.sum.worst, 260 * MIB);
}

static void the_host_is_what_others_leave_of_it(void **state)
{
	struct ledger ledger = read_ledger();

	(void)state;
	assert_int_equal(ledger.capital.ram, 4096 * MIB);
	assert_int_equal(ledger.capital.limit, 3072 * MIB);
	/* 1024 MiB can't be had; of guests' 800 MiB 99 can be dropped. */
	assert_int_equal(ledger.capital.others, (1024 - 701) * MIB);
	/* zram is RAM. Of guests' 60 MiB 50 may be there. */
	assert_int_equal(ledger.capital.swap, 2048 * MIB);
	assert_int_equal(ledger.capital.swap_other, (100 - 10) * MIB);
}

static void a_quick_look_asks_what_guests_have_only_where_it_matters(void **state)
{
	struct ledger ledger;

	(void)state;
	/* 1 GiB is in use, and as much is kept for the host. */
	assert_int_equal(ledger_read_quickly(files_root_fd, SLICE, &ledger, NULL), 0);
	assert_int_equal(ledger.capital.others, 1024 * MIB);
	assert_int_equal(promise_ram(&ledger.capital), 3072 * MIB);
	files_write_in(SLICE, "memory.max", "3222274048\n");
	assert_int_equal(ledger_read_quickly(files_root_fd, SLICE, &ledger, NULL), 0);
	assert_int_equal(ledger.capital.others, (1024 - 701) * MIB);
	assert_int_equal(promise_ram(&ledger.capital), 3073 * MIB);
}

static void huge_pages_that_are_set_aside_are_not_there(void **state)
{
	(void)state;
	files_write("proc/meminfo",
		    "MemTotal: 4194304 kB\nMemAvailable: 3145728 kB\nHugePages_Total: 128\n"
		    "Hugepagesize: 2048 kB\n");

	struct ledger ledger = read_ledger();

	assert_int_equal(ledger.capital.ram, (4096 - 256) * MIB);
	assert_int_equal(ledger.capital.others, (1024 - 256 - 701) * MIB);
}

static void a_group_without_a_process_counts_for_nothing(void **state)
{
	(void)state;
	files_write_in(SLICE "/web", "cgroup.events", "populated 0\nfrozen 0\n");
	assert_int_equal(read_ledger().sum.n, 1);
}

static void a_group_that_goes_meanwhile_counts_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(unlinkat(files_root_fd, SLICE "/web/cgroup.events", 0), 0);
	assert_int_equal(read_ledger().sum.n, 1);
}

static void best_effort_is_known_by_having_no_swap(void **state)
{
	(void)state;
	files_write_in(SLICE "/web", "memory.swap.max", "0\n");
	files_write_in(SLICE "/web", "memory.min", "0\n");

	struct ledger ledger = read_ledger();

	assert_int_equal(ledger.sum.n, 1);
	assert_int_equal(ledger.sum.n_best_effort, 1);
	assert_int_equal(ledger.sum.worst, 260 * MIB);
}

static void nothing_is_promised_beside_a_group_without_a_limit(void **state)
{
	static const char *const files[] = { "memory.max", "memory.swap.max" };
	struct promise p = small;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_err_ struct err *err = NULL;

		files_write_in(SLICE "/web", files[i], "max\n");

		struct ledger ledger = read_ledger();

		assert_string_equal(ledger.unlimited, "web");
		p.best_effort = false;
		assert_int_equal(ledger_check(&ledger, &p, NULL, &err), -1);
		assert_int_equal(err_code(err), ERR_REFUSED);
		assert_non_null(strstr(err_message(err), "lodge.slice/web"));
		p.best_effort = true;
		assert_int_equal(ledger_check(&ledger, &p, NULL, NULL), 0);
		files_write_in(SLICE "/web", files[i], "541065216\n");
	}
}

static void absurd_limits_are_none(void **state)
{
	(void)state;
	files_write_in(SLICE "/web", "memory.swap.max", "9223372036854771712\n");
	assert_string_equal(read_ledger().unlimited, "web");
}

static void a_host_without_the_slice_has_its_ram_less_the_reserve(void **state)
{
	struct ledger ledger;

	(void)state;
	assert_int_equal(ledger_read(files_root_fd, "none", &ledger, NULL), 0);
	assert_int_equal(ledger.sum.n, 0);
	assert_int_equal(ledger.capital.limit, (4096 - 384) * MIB);
}

static void a_limit_that_somebody_set_stays(void **state)
{
	(void)state;
	assert_int_equal(ledger_limit_slice(files_root_fd, SLICE, NULL), 0);
	files_assert_in(SLICE, "memory.max", "3221225472\n");
	files_write_in(SLICE, "memory.max", "max\n");
	assert_int_equal(ledger_limit_slice(files_root_fd, SLICE, NULL), 0);
	files_assert_in(SLICE, "memory.max", "3892314112");
}

static void a_promise_is_written_with_the_protection_that_the_slice_needs_for_it(void **state)
{
	struct ledger ledger = read_ledger();
	struct ledger_entry entry;
	struct promise p = small;

	(void)state;
	make_group(SLICE "/new", "", "", "");
	p.guarantee = 32 * MIB;
	p.limit = 48 * MIB;
	assert_int_equal(ledger_write(files_root_fd, SLICE, "new", &ledger, &p, NULL), 0);
	files_assert_in(SLICE "/new", "memory.min", "36700160");
	files_assert_in(SLICE "/new", "memory.max", "53477376");
	files_assert_in(SLICE "/new", "memory.swap.max", "70254592");
	files_assert_in(SLICE "/new", "memory.oom.group", "1");
	files_assert_in(SLICE, "memory.min", "145752064");
	assert_int_equal(ledger_read_entry(files_root_fd, SLICE, "new", &entry, NULL), 0);
	assert_int_equal(entry.guaranteed, 35 * MIB);
	assert_int_equal(entry.in_ram, 51 * MIB);
	assert_int_equal(entry.worst, 67 * MIB);
}

static void a_weight_needs_the_cpu_controller_unless_it_is_the_default(void **state)
{
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	assert_int_equal(ledger_write_weight(files_root_fd, SLICE, "web", 300, NULL), 0);
	files_assert_in(SLICE "/web", "cpu.weight", "300\n");
	files_assert_in(SLICE "/web", "io.weight", "300");
	assert_int_equal(unlinkat(files_root_fd, SLICE "/web/cpu.weight", 0), 0);
	assert_int_equal(unlinkat(files_root_fd, SLICE "/web/io.weight", 0), 0);
	assert_int_equal(ledger_write_weight(files_root_fd, SLICE, "web", 100, NULL), 0);
	assert_int_equal(ledger_write_weight(files_root_fd, SLICE, "web", 300, &err), -1);
	assert_non_null(strstr(err_message(err), "no cpu controller"));
}

static void protection_of_who_is_gone_is_taken_back_and_never_below_nothing(void **state)
{
	_cleanup_close_ int fd = openat(files_root_fd, SLICE "/memory.min", O_RDWR | O_CLOEXEC);

	(void)state;
	files_write_in(SLICE, "memory.min", "500");
	ledger_unprotect(fd, 200);
	files_assert_in(SLICE, "memory.min", "300");
	files_write_in(SLICE, "memory.min", "3");
	ledger_unprotect(fd, 200);
	files_assert_in(SLICE, "memory.min", "0");
	ledger_unprotect(-1, 200);
}

static void sweeping_removes_what_is_empty_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(files_root_fd, SLICE "/left", 0755), 0);
	ledger_sweep(files_root_fd, SLICE);
	assert_int_equal(faccessat(files_root_fd, SLICE "/left", F_OK, 0), -1);
	assert_int_equal(faccessat(files_root_fd, SLICE "/web", F_OK, 0), 0);
	ledger_sweep(files_root_fd, "none");
}

static void a_group_without_the_memory_controller_cant_hold_a_promise(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct ledger ledger = read_ledger();

	(void)state;
	assert_int_equal(mkdirat(files_root_fd, SLICE "/new", 0755), 0);
	assert_int_equal(ledger_write(files_root_fd, SLICE, "new", &ledger, &small, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

int main(void)
{
#define host_test(f) cmocka_unit_test_setup_teardown(f, make_host, remove_host)
	const struct CMUnitTest tests[] = {
		host_test(what_guests_were_promised_is_in_their_groups),
		host_test(the_host_is_what_others_leave_of_it),
		host_test(a_quick_look_asks_what_guests_have_only_where_it_matters),
		host_test(huge_pages_that_are_set_aside_are_not_there),
		host_test(a_group_without_a_process_counts_for_nothing),
		host_test(a_group_that_goes_meanwhile_counts_for_nothing),
		host_test(best_effort_is_known_by_having_no_swap),
		host_test(nothing_is_promised_beside_a_group_without_a_limit),
		host_test(absurd_limits_are_none),
		host_test(a_host_without_the_slice_has_its_ram_less_the_reserve),
		host_test(a_limit_that_somebody_set_stays),
		host_test(a_promise_is_written_with_the_protection_that_the_slice_needs_for_it),
		host_test(a_weight_needs_the_cpu_controller_unless_it_is_the_default),
		host_test(protection_of_who_is_gone_is_taken_back_and_never_below_nothing),
		host_test(sweeping_removes_what_is_empty_and_nothing_else),
		host_test(a_group_without_the_memory_controller_cant_hold_a_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
