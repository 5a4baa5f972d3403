/* SPDX-License-Identifier: Apache-2.0 */
/* What host/ reads of memory, on recorded hosts: trees/debian has everything, trees/bare next to
 * nothing. Process 4711 is of a kernel 6.1, process 4712 of a newer one. */
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
#include "host/cgroup_bounds.h"
#include "host/cgroup_memory.h"
#include "host/fields.h"
#include "host/ksm.h"
#include "host/process.h"
#include "host/smaps.h"
#include "host/view.h"

enum { KIB = 1024 };

static int open_tree(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/trees/%s", TEST_SOURCE_DIR, name);

	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

struct sample {
	uint64_t rss;
	uint64_t rss_file;
	int64_t profit;
};

static const struct host_field sample_fields[] = {
	{ "Rss", offsetof(struct sample, rss), HOST_FIELD_UNSIGNED },
	{ "RssFile", offsetof(struct sample, rss_file), HOST_FIELD_UNSIGNED },
	{ "profit", offsetof(struct sample, profit), HOST_FIELD_SIGNED },
};

static struct sample read_sample(const char *text)
{
	struct sample sample;

	host_fields_clear(sample_fields, ARRAY_SIZE(sample_fields), &sample);
	host_fields_take(text, sample_fields, ARRAY_SIZE(sample_fields), &sample);
	return sample;
}

static void a_line_that_is_not_there_is_unknown_and_not_0(void **state)
{
	struct sample sample = read_sample("Other: 5\nRss 0");

	(void)state;
	assert_int_equal(sample.rss, 0);
	assert_int_equal(sample.rss_file, HOST_UNKNOWN);
	assert_int_equal(sample.profit, HOST_UNKNOWN_SIGNED);
	sample = read_sample("");
	assert_int_equal(sample.rss, HOST_UNKNOWN);
}

static void names_are_whole_words_in_any_order(void **state)
{
	struct sample sample = read_sample(
	    "profit -3\nRssFile:\t  7 kB\nRs 1\nRss: 2 kB\nRssF 9\n");

	(void)state;
	assert_int_equal(sample.rss, 2 * KIB);
	assert_int_equal(sample.rss_file, 7 * KIB);
	assert_int_equal(sample.profit, -3);
}

static void values_that_are_no_numbers_stay_unknown(void **state)
{
	struct sample sample = read_sample("Rss: lots\nRssFile: -1\nprofit 9223372036854775809\n");

	(void)state;
	assert_int_equal(sample.rss, HOST_UNKNOWN);
	assert_int_equal(sample.rss_file, HOST_UNKNOWN);
	assert_int_equal(sample.profit, HOST_UNKNOWN_SIGNED);
	sample = read_sample("Rss: 18014398509481984 kB\nRssFile:\nprofit -");
	assert_int_equal(sample.rss, HOST_UNKNOWN);
	assert_int_equal(sample.rss_file, HOST_UNKNOWN);
	assert_int_equal(sample.profit, HOST_UNKNOWN_SIGNED);
}

static void ksm_is_read_with_a_profit_that_may_be_a_loss(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_ksm ksm;

	(void)state;
	assert_int_equal(host_read_ksm(root, &ksm, NULL), 0);
	assert_int_equal(ksm.run, 1);
	assert_int_equal(ksm.pages_to_scan, 100);
	assert_int_equal(ksm.sleep_ms, 20);
	assert_int_equal(ksm.full_scans, 7);
	assert_int_equal(ksm.pages_shared, 1200);
	assert_int_equal(ksm.pages_sharing, 8400);
	assert_int_equal(ksm.pages_unshared, 310);
	assert_int_equal(ksm.pages_volatile, 25);
	assert_int_equal(ksm.pages_skipped, 4);
	assert_int_equal(ksm.zero_pages, 512);
	assert_int_equal(ksm.use_zero_pages, 1);
	assert_int_equal(ksm.general_profit, -24576);
	assert_string_equal(ksm.advisor, "scan-time");
}

static void what_an_older_ksm_lacks_is_unknown(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	struct host_ksm ksm;

	(void)state;
	assert_int_equal(host_read_ksm(root, &ksm, NULL), 0);
	assert_int_equal(ksm.run, 0);
	assert_int_equal(ksm.pages_skipped, HOST_UNKNOWN);
	assert_int_equal(ksm.general_profit, HOST_UNKNOWN_SIGNED);
	assert_string_equal(ksm.advisor, "");
}

static void a_kernel_without_ksm_carries_its_errno(void **state)
{
	_cleanup_close_ int root = open_tree("debian/proc");
	_cleanup_err_ struct err *err = NULL;
	struct host_ksm ksm;

	(void)state;
	assert_int_equal(host_read_ksm(root, &ksm, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static void ksm_of_a_process_is_read_from_either_kernel(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_ksm_process ksm;

	(void)state;
	host_read_ksm_process(root, 4711, &ksm);
	assert_int_equal(ksm.rmap_items, 40);
	assert_int_equal(ksm.merging_pages, 300);
	assert_int_equal(ksm.zero_pages, HOST_UNKNOWN);
	assert_int_equal(ksm.profit, HOST_UNKNOWN_SIGNED);
	host_read_ksm_process(root, 4712, &ksm);
	assert_int_equal(ksm.rmap_items, 5200);
	assert_int_equal(ksm.merging_pages, 4200);
	assert_int_equal(ksm.zero_pages, 256);
	assert_int_equal(ksm.profit, -4096);
	host_read_ksm_process(root, 1, &ksm);
	assert_int_equal(ksm.rmap_items, HOST_UNKNOWN);
	assert_int_equal(ksm.merging_pages, HOST_UNKNOWN);
}

static void page_tables_of_a_process_are_read(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	struct host_process_memory memory;

	(void)state;
	assert_int_equal(host_read_process_memory(root, 4711, &memory, NULL), 0);
	assert_int_equal(memory.page_tables, 204 * KIB);
	assert_int_equal(memory.rss, 10932 * KIB);
	assert_int_equal(memory.swap, 16 * KIB);
	assert_int_equal(host_read_process_memory(root, 1, &memory, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static void the_group_of_a_process_is_its_version_2_one(void **state)
{
	_cleanup_close_ int debian = open_tree("debian");
	_cleanup_close_ int bare = open_tree("bare");
	_cleanup_err_ struct err *err = NULL;
	char path[HOST_CGROUP_PATH_MAX];

	(void)state;
	assert_int_equal(host_find_cgroup(debian, 4711, path, NULL), 0);
	assert_string_equal(path, "/lodge.slice/web");
	/* After lines of version 1, and with a blank in it. */
	assert_int_equal(host_find_cgroup(debian, 4712, path, NULL), 0);
	assert_string_equal(path, "/user.slice/a b/lodge.slice/db");
	assert_int_equal(host_find_cgroup(bare, 4711, path, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static void memory_of_a_group_is_read(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_cgroup_memory memory;

	(void)state;
	assert_int_equal(
	    host_read_cgroup_memory(root, "sys/fs/cgroup", "/lodge.slice/web", &memory, NULL), 0);
	assert_int_equal(memory.current, 20971520);
	assert_int_equal(memory.peak, 31457280);
	assert_int_equal(memory.swap, 65536);
	assert_int_equal(memory.anon, 10485760);
	assert_int_equal(memory.file, 8388608);
	assert_int_equal(memory.kernel, 1572864);
	assert_int_equal(memory.kernel_stack, 65536);
	assert_int_equal(memory.page_tables, 208896);
	assert_int_equal(memory.kvm_page_tables, 188416);
	assert_int_equal(memory.zswap, 20480);
	assert_int_equal(memory.zswapped, 49152);
	assert_int_equal(memory.slab, 901120);
	assert_int_equal(memory.refault_anon, 11);
	assert_int_equal(memory.refault_file, 22);
	assert_int_equal(memory.major_faults, 114);
	/* Not in this kernel. */
	assert_int_equal(memory.swapped_in, HOST_UNKNOWN);
}

static void a_group_without_a_memory_controller_carries_its_errno(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	_cleanup_err_ struct err *gone = NULL;
	struct host_cgroup_memory memory;

	(void)state;
	/* The root has no memory.current. */
	assert_int_equal(host_read_cgroup_memory(root, "sys/fs/cgroup", "/", &memory, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
	assert_int_equal(host_read_cgroup_memory(root, "sys/fs/cgroup", "/gone", &memory, &gone),
			 -1);
	assert_int_equal(err_errno(gone), ENOENT);
}

static void bounds_of_a_group_may_be_none(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	struct host_cgroup_bounds bounds;

	(void)state;
	assert_int_equal(
	    host_read_cgroup_bounds(root, "sys/fs/cgroup/lodge.slice/web", &bounds, NULL), 0);
	assert_int_equal(bounds.min, 4194304);
	assert_int_equal(bounds.low, 16777216);
	assert_true(bounds.high == UINT64_MAX);
	assert_int_equal(bounds.max, 71303168);
	assert_int_equal(host_read_cgroup_bounds(root, "sys/fs/cgroup", &bounds, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static void what_happened_to_a_group_is_counted_by_its_kind(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	struct host_cgroup_events events;

	(void)state;
	assert_int_equal(
	    host_read_cgroup_events(root, "sys/fs/cgroup/lodge.slice/web", &events, NULL), 0);
	assert_int_equal(events.low, 3);
	assert_int_equal(events.high, 0);
	assert_int_equal(events.max, 17);
	assert_int_equal(events.oom, 2);
	assert_int_equal(events.oom_kill, 1);
	assert_int_equal(host_read_cgroup_events(root, "sys/fs/cgroup", &events, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static const struct host_range db_ram[] = {
	{ 0x7f1000000000, 0x6000000 },
	{ 0x7f1006000000, 0x4000000 },
};

static void ram_in_memory_files_and_huge_pages_is_no_file(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_(host_vm_memory_clear) struct host_vm_memory memory = { 0 };

	(void)state;
	assert_int_equal(host_read_vm_memory(root, 4712, db_ram, 2, &memory, NULL), 0);
	assert_int_equal(memory.n_files, 1);
	assert_string_equal(memory.files[0].path, "/var/cache/lodge/kernels/k");
	assert_int_equal(memory.ram.rss, (12288 + 8192 + 20480) * KIB);
	assert_int_equal(memory.ram_files.file, (8192 - 1056) * KIB);
	assert_int_equal(memory.ram.hugetlb, (2048 + 6144) * KIB);
	assert_int_equal(memory.ram.huge, (4096 + 2048) * KIB);
	assert_int_equal(memory.ram.swap, (300 + 8 + 1024) * KIB);
	assert_int_equal(memory.ram.locked, 12288 * KIB);
	assert_int_equal(memory.own.rss, (100 + 4) * KIB);
	assert_int_equal(memory.own.file, (100 + 4) * KIB);
}

static void merged_pages_are_known_only_where_the_kernel_says_them(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_(host_vm_memory_clear) struct host_vm_memory old = { 0 };
	_cleanup_(host_vm_memory_clear) struct host_vm_memory new = { 0 };

	(void)state;
	assert_int_equal(host_read_vm_memory(root, 4711, NULL, 0, &old, NULL), 0);
	assert_false(old.ksm_known);
	assert_int_equal(host_read_vm_memory(root, 4712, db_ram, 2, &new, NULL), 0);
	assert_true(new.ksm_known);
	assert_int_equal(new.ram.ksm, (16384 + 32) * KIB);
	assert_int_equal(new.ram_files.ksm, 32 * KIB);
}

static void a_view_of_the_host_has_everything(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_view view;

	(void)state;
	assert_int_equal(host_read_view(root, &view, NULL), 0);
	assert_int_equal(view.memory.total, UINT64_C(4015068) * KIB);
	assert_int_equal(view.memory.free, UINT64_C(3704220) * KIB);
	assert_int_equal(view.memory.zswap, 4096 * KIB);
	assert_int_equal(view.memory.zswapped, 16384 * KIB);
	assert_int_equal(view.memory.huge, 10240 * KIB);
	assert_int_equal(view.memory.kvm_page_tables, 184 * KIB);
	assert_int_equal(view.memory.hugetlb_pages, 8);
	assert_int_equal(view.memory.hugetlb_free, 3);
	assert_int_equal(view.memory.hugetlb_size, 2048 * KIB);
	assert_int_equal(view.swap.zram_used, 4096 * KIB);
	assert_true(view.has_zswap);
	assert_true(view.zswap.enabled);
	assert_string_equal(view.zswap.compressor, "lzo");
	assert_int_equal(view.zswap.max_percent, 20);
	assert_true(view.has_ksm);
	assert_string_equal(view.thp, "madvise");
	assert_string_equal(view.thp_shmem, "never");
	assert_true(view.has_psi);
	assert_int_equal(view.psi.some_us, 123456);
	assert_int_equal(view.psi.some_avg10, 325);
	assert_int_equal(view.psi.full_avg10, 7);
}

static void a_view_of_a_bare_host_needs_its_memory(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	_cleanup_err_ struct err *err = NULL;
	struct host_view view;

	(void)state;
	assert_int_equal(host_read_view(root, &view, &err), -1);
	assert_string_equal(err_message(err), "/proc/meminfo says nothing of memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_is_not_there_is_unknown_and_not_0),
		cmocka_unit_test(names_are_whole_words_in_any_order),
		cmocka_unit_test(values_that_are_no_numbers_stay_unknown),
		cmocka_unit_test(ksm_is_read_with_a_profit_that_may_be_a_loss),
		cmocka_unit_test(what_an_older_ksm_lacks_is_unknown),
		cmocka_unit_test(a_kernel_without_ksm_carries_its_errno),
		cmocka_unit_test(ksm_of_a_process_is_read_from_either_kernel),
		cmocka_unit_test(page_tables_of_a_process_are_read),
		cmocka_unit_test(the_group_of_a_process_is_its_version_2_one),
		cmocka_unit_test(memory_of_a_group_is_read),
		cmocka_unit_test(a_group_without_a_memory_controller_carries_its_errno),
		cmocka_unit_test(bounds_of_a_group_may_be_none),
		cmocka_unit_test(what_happened_to_a_group_is_counted_by_its_kind),
		cmocka_unit_test(ram_in_memory_files_and_huge_pages_is_no_file),
		cmocka_unit_test(merged_pages_are_known_only_where_the_kernel_says_them),
		cmocka_unit_test(a_view_of_the_host_has_everything),
		cmocka_unit_test(a_view_of_a_bare_host_needs_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
