/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of host/ on recorded hosts: trees/debian has everything, trees/bare next to nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/meminfo.h"
#include "host/process.h"
#include "host/psi.h"
#include "host/smaps.h"

enum { KIB = 1024 };

static int open_tree(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/trees/%s", TEST_SOURCE_DIR, name);

	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void memory_is_read_in_bytes(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_meminfo meminfo;

	(void)state;
	assert_int_equal(host_read_meminfo(root, &meminfo, NULL), 0);
	assert_int_equal(meminfo.total, UINT64_C(4015068) * KIB);
	assert_int_equal(meminfo.available, UINT64_C(3790844) * KIB);
}

static void memory_without_its_lines_is_an_error(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	_cleanup_err_ struct err *err = NULL;
	struct host_meminfo meminfo;

	(void)state;
	assert_int_equal(host_read_meminfo(root, &meminfo, &err), -1);
	assert_string_equal(err_message(err), "/proc/meminfo says nothing of memory");
}

static void swap_in_ram_is_counted_apart(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_swap swap;

	(void)state;
	assert_int_equal(host_read_swap(root, &swap, NULL), 0);
	assert_int_equal(swap.disk, (UINT64_C(1048572) + 524284) * KIB);
	assert_int_equal(swap.disk_used, 8192 * KIB);
	assert_int_equal(swap.zram, UINT64_C(2097148) * KIB);
}

static void a_host_without_swap_has_none(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	struct host_swap swap = { .disk = 1 };

	(void)state;
	assert_int_equal(host_read_swap(root, &swap, NULL), 0);
	assert_int_equal(swap.disk, 0);
}

static void controllers_of_version_2_are_found(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_cgroup cgroup;

	(void)state;
	assert_int_equal(host_read_cgroup(root, &cgroup, NULL), 0);
	assert_true(cgroup.mounted);
	assert_false(cgroup.v1_memory);
	assert_string_equal(cgroup.mount, "sys/fs/cgroup");
	/* "cpuset" alone wouldn't be "cpu". */
	assert_int_equal(cgroup.controllers, HOST_CONTROLLER_CPU | HOST_CONTROLLER_IO |
						 HOST_CONTROLLER_MEMORY | HOST_CONTROLLER_PIDS);
}

static void a_hybrid_host_has_version_2_without_controllers(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	struct host_cgroup cgroup;

	(void)state;
	assert_int_equal(host_read_cgroup(root, &cgroup, NULL), 0);
	assert_true(cgroup.mounted);
	assert_true(cgroup.v1_memory);
	assert_string_equal(cgroup.mount, "sys/fs/cgroup/unified");
	assert_int_equal(cgroup.controllers, 0);
}

static void pressure_is_read(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_psi psi;

	(void)state;
	assert_int_equal(host_read_psi(root, "memory", &psi, NULL), 0);
	assert_int_equal(psi.some_us, 123456);
	assert_int_equal(psi.full_us, 78);
}

static void a_file_that_is_not_there_carries_its_errno(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	_cleanup_err_ struct err *err = NULL;
	struct host_psi psi;

	(void)state;
	assert_int_equal(host_read_psi(root, "memory", &psi, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static void the_chosen_word_is_found(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	char mode[8] = "";
	char small[7] = "";

	(void)state;
	assert_int_equal(host_read_choice(root, "sys/kernel/mm/transparent_hugepage/enabled", mode,
					  sizeof(mode), NULL),
			 0);
	assert_string_equal(mode, "madvise");
	assert_int_equal(host_read_choice(root, "sys/kernel/mm/transparent_hugepage/enabled", small,
					  sizeof(small), &err),
			 -1);
	assert_string_equal(small, "");
}

static void what_is_no_number_is_refused(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	uint64_t value = 7;

	(void)state;
	assert_int_equal(host_read_number(root, "sys/kernel/mm/ksm/run", &value, NULL), 0);
	assert_int_equal(value, 1);
	assert_int_equal(
	    host_read_number(root, "sys/module/zswap/parameters/enabled", &value, &err), -1);
	assert_int_equal(value, 1);
	assert_string_equal(err_message(err),
			    "/sys/module/zswap/parameters/enabled holds no number");
}

static void numbers_that_overflow_are_no_numbers(void **state)
{
	const char *fits = "  18446744073709551615 kB";
	const char *overflows = "18446744073709551616";
	uint64_t value = 0;

	(void)state;
	assert_true(host_scan_number(&fits, &value));
	assert_true(value == UINT64_MAX);
	assert_string_equal(fits, " kB");
	assert_false(host_scan_number(&overflows, &value));
}

static void memory_of_a_vm_process_is_split_by_what_it_is(void **state)
{
	static const struct host_range ram = { 0x7f0000000000, 512 << 20 };
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_(host_vm_memory_clear) struct host_vm_memory memory = { 0 };

	(void)state;
	assert_int_equal(host_read_vm_memory(root, 4711, &ram, 1, &memory, NULL), 0);
	assert_int_equal(memory.ram.size, 512 << 20);
	assert_int_equal(memory.ram.rss, (2048 + 8192 + 64 + 512) * KIB);
	assert_int_equal(memory.ram.swap, 12 * KIB);
	assert_int_equal(memory.own.rss, (100 + 20) * KIB);
	assert_int_equal(memory.own.pss, (50 + 20) * KIB);
	assert_int_equal(memory.own.swap, 4 * KIB);
}

static void a_file_over_guest_ram_is_counted_over_its_mappings(void **state)
{
	static const struct host_range ram = { 0x7f0000000000, 512 << 20 };
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_(host_vm_memory_clear) struct host_vm_memory memory = { 0 };

	(void)state;
	assert_int_equal(host_read_vm_memory(root, 4711, &ram, 1, &memory, NULL), 0);
	assert_int_equal(memory.n_files, 1);
	assert_string_equal(memory.files[0].path, "/var/cache/lodge/kernels/a b");
	assert_int_equal(memory.files[0].smaps.rss, (8192 + 64) * KIB);
	/* 1 MiB of it was written to and is this process's own. */
	assert_int_equal(memory.files[0].smaps.file, (8192 - 1024 + 64) * KIB);
	assert_int_equal(memory.files[0].smaps.shared, (6144 + 64) * KIB);
	assert_int_equal(memory.ram_files.pss, (5120 + 32) * KIB);
}

static void without_ram_everything_is_the_process_s_own(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_(host_vm_memory_clear) struct host_vm_memory memory = { 0 };

	(void)state;
	assert_int_equal(host_read_vm_memory(root, 4711, NULL, 0, &memory, NULL), 0);
	assert_int_equal(memory.ram.rss, 0);
	assert_int_equal(memory.n_files, 0);
	assert_int_equal(memory.own.rss, (100 + 2048 + 8192 + 64 + 512 + 20) * KIB);
}

static void holders_of_a_file_are_found_by_the_file_and_not_its_name(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	pid_t pids[HOST_HOLDERS_MAX];
	size_t n = 0;

	(void)state;
	assert_int_equal(host_find_holders(root, "run/lock", pids, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], 4711);
	assert_int_equal(host_find_holders(root, "dev/kvm", pids, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(host_find_holders(root, "proc/meminfo", pids, &n, NULL), 0);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_read_in_bytes),
		cmocka_unit_test(memory_without_its_lines_is_an_error),
		cmocka_unit_test(swap_in_ram_is_counted_apart),
		cmocka_unit_test(a_host_without_swap_has_none),
		cmocka_unit_test(controllers_of_version_2_are_found),
		cmocka_unit_test(a_hybrid_host_has_version_2_without_controllers),
		cmocka_unit_test(pressure_is_read),
		cmocka_unit_test(a_file_that_is_not_there_carries_its_errno),
		cmocka_unit_test(the_chosen_word_is_found),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(numbers_that_overflow_are_no_numbers),
		cmocka_unit_test(memory_of_a_vm_process_is_split_by_what_it_is),
		cmocka_unit_test(a_file_over_guest_ram_is_counted_over_its_mappings),
		cmocka_unit_test(without_ram_everything_is_the_process_s_own),
		cmocka_unit_test(holders_of_a_file_are_found_by_the_file_and_not_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
