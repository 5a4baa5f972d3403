/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory, explained: the parts always add up. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/memory_report.h"
#include "cmd/memory_view.h"
#include "host/fields.h"

enum { KIB = 1024 };

static int open_tree(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/trees/%s", TEST_SOURCE_DIR, name);

	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A host's kernel that knows everything, and a guest of 1000 pages. */
struct inputs {
	uint64_t guest;
	struct host_vm_memory memory;
	struct host_process_memory process;
	struct host_ksm_process ksm;
	struct host_cgroup_memory cgroup;
	struct memory_balloon balloon;
};

static const struct inputs quiet = {
	.guest = 1000,
	.memory = { .ksm_known = true },
};

static struct memory_parts make(const struct inputs *in)
{
	struct memory_parts p;

	memory_parts_make(in->guest, &in->memory, &in->process, &in->ksm, &in->cgroup, &in->balloon,
			  &p);
	return p;
}

static uint64_t sum(const struct memory_parts *p)
{
	return p->private + p->page_cache + p->merged + p->swapped + p->ballooned +
	       p->reported_free + p->untouched;
}

static void a_guest_that_touched_nothing_is_untouched(void **state)
{
	struct memory_parts p = make(&quiet);

	(void)state;
	assert_int_equal(p.untouched, 1000);
	assert_int_equal(sum(&p), 1000);
}

static void every_page_is_in_one_part(void **state)
{
	struct inputs in = quiet;

	(void)state;
	in.memory.ram.rss = 500;
	in.memory.ram.hugetlb = 20;
	in.memory.ram.ksm = 100;
	in.memory.ram.swap = 50;
	in.memory.ram_files.file = 80;
	in.memory.ram_files.shared = 70;
	in.memory.ram_files.ksm = 10;
	in.balloon.actual = 200;
	in.balloon.reported = 150;

	struct memory_parts p = make(&in);

	assert_int_equal(p.resident, 520);
	assert_int_equal(p.page_cache, 80);
	assert_int_equal(p.merged, 100);
	assert_int_equal(p.private, 340);
	assert_int_equal(p.swapped, 50);
	assert_int_equal(p.ballooned, 200);
	assert_int_equal(p.reported_free, 150);
	assert_int_equal(p.untouched, 80);
	assert_int_equal(sum(&p), 1000);
	/* A merged page in a file's mapping is shared, and isn't the page cache's. */
	assert_int_equal(p.page_cache_shared, 60);
}

static void what_was_given_up_and_used_again_counts_as_what_it_is_now(void **state)
{
	struct inputs in = quiet;

	(void)state;
	in.memory.ram.rss = 900;
	in.balloon.actual = 60;
	in.balloon.reported = 500;

	struct memory_parts p = make(&in);

	assert_int_equal(p.ballooned, 60);
	assert_int_equal(p.reported_free, 40);
	assert_int_equal(p.untouched, 0);
	in.balloon.actual = 5000;
	p = make(&in);
	assert_int_equal(p.ballooned, 100);
	assert_int_equal(p.reported_free, 0);
	assert_int_equal(sum(&p), 1000);
}

static void a_page_merged_with_the_zero_page_takes_no_ram(void **state)
{
	struct inputs in = quiet;

	(void)state;
	in.guest = 1000 * 4096;
	in.memory.ram.rss = 100 * 4096;
	in.memory.ram.ksm = 30 * 4096;
	in.ksm.zero_pages = 200;

	struct memory_parts p = make(&in);

	assert_int_equal(p.resident, 100 * 4096);
	assert_int_equal(p.merged, 230 * 4096);
	assert_int_equal(p.merged_zero, 200 * 4096);
	assert_int_equal(p.private + p.page_cache + p.merged - p.merged_zero, p.resident);
	assert_int_equal(sum(&p), in.guest);
}

static void an_older_kernel_s_count_of_merged_pages_is_capped(void **state)
{
	struct inputs in = quiet;

	(void)state;
	in.guest = 1000 * 4096;
	in.memory.ksm_known = false;
	in.memory.ram.rss = 100 * 4096;
	in.memory.ram.anon = 90 * 4096;
	in.ksm.merging_pages = 40;
	assert_int_equal(make(&in).merged, 40 * 4096);
	in.ksm.merging_pages = 400;
	assert_int_equal(make(&in).merged, 90 * 4096);
	in.ksm.merging_pages = HOST_UNKNOWN;
	assert_int_equal(make(&in).merged, 0);
}

static void zswap_is_unknown_without_a_group_and_never_more_than_was_swapped(void **state)
{
	struct inputs in = quiet;
	struct memory_parts p;

	(void)state;
	in.memory.ram.swap = 50;
	in.cgroup.zswapped = 20;
	assert_int_equal(make(&in).zswapped, 20);
	in.cgroup.zswapped = 60;
	assert_int_equal(make(&in).zswapped, 50);
	in.cgroup.zswapped = HOST_UNKNOWN;
	assert_int_equal(make(&in).zswapped, HOST_UNKNOWN);
	memory_parts_make(in.guest, &in.memory, &in.process, &in.ksm, NULL, &in.balloon, &p);
	assert_int_equal(p.zswapped, HOST_UNKNOWN);
	assert_int_equal(p.kvm_page_tables, HOST_UNKNOWN);
	assert_int_equal(p.kernel_other, HOST_UNKNOWN);
}

static void the_kernel_s_rest_is_what_nothing_else_names(void **state)
{
	struct inputs in = quiet;

	(void)state;
	in.cgroup = (struct host_cgroup_memory){
		.kernel = 100, .page_tables = 20, .kvm_page_tables = 30, .zswap = 10
	};
	assert_int_equal(make(&in).kernel_other, 40);
	assert_int_equal(make(&in).kvm_page_tables, 30);
	in.cgroup.kvm_page_tables = HOST_UNKNOWN;
	assert_int_equal(make(&in).kernel_other, 70);
	in.cgroup.page_tables = 500;
	assert_int_equal(make(&in).kernel_other, 0);
	in.cgroup.kernel = HOST_UNKNOWN;
	assert_int_equal(make(&in).kernel_other, HOST_UNKNOWN);
}

/* The same numbers in each run. */
static uint64_t random_below(uint64_t limit)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % limit;
}

/* Few and small enough to meet in all orders. */
static uint64_t random_figure(void)
{
	return random_below(5) * 300 * 4096;
}

static void the_parts_add_up_whatever_the_kernel_says(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct inputs in = { .guest = random_figure() };

		in.memory.ksm_known = random_below(2);
		in.memory.ram = (struct host_smaps){ .rss = random_figure(),
						     .anon = random_figure(),
						     .ksm = random_figure(),
						     .hugetlb = random_figure(),
						     .swap = random_figure() };
		in.memory.ram_files = (struct host_smaps){ .file = random_figure(),
							   .shared = random_figure(),
							   .ksm = random_figure() };
		in.ksm.merging_pages = random_figure() / 4096;
		in.ksm.zero_pages = random_figure() / 4096;
		in.balloon.actual = random_figure();
		in.balloon.reported = random_figure();

		struct memory_parts p = make(&in);

		assert_int_equal(sum(&p), in.guest);
		assert_int_equal(p.private + p.page_cache + p.merged - p.merged_zero, p.resident);
		assert_true(p.swapped <= in.guest && p.ballooned <= in.guest &&
			    p.reported_free <= in.guest && p.untouched <= in.guest);
		assert_true(p.private <= in.guest && p.page_cache <= p.resident &&
			    p.page_cache_shared <= p.page_cache && p.merged_zero <= p.merged);
	}
}

static json_t *show_of(const char *name, int pid)
{
	return json_pack("{s:s, s:i, s:[{s:I, s:I}, {s:I, s:I}]}", "name", name, "pid", pid, "ram",
			 "hva", (json_int_t)0x7f1000000000, "bytes", (json_int_t)0x6000000, "hva",
			 (json_int_t)0x7f1006000000, "bytes", (json_int_t)0x4000000);
}

static void a_view_joins_the_guest_with_the_host(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_(memory_view_clear) struct memory_view view = { 0 };
	struct memory_host host;
	json_t *show = show_of("db", 4712);

	(void)state;
	memory_host_find(root, &host);
	assert_true(host.has_cgroup);
	json_object_set_new(
	    show, "balloon",
	    json_pack("{s:b, s:b, s:I, s:I, s:I, s:i, s:{s:I, s:I, s:I}}", "present", 1, "driver",
		      1, "target", (json_int_t)8192 * KIB, "actual", (json_int_t)4096 * KIB,
		      "reported", (json_int_t)2048 * KIB, "stats_age_ms", 1500, "stats", "free",
		      (json_int_t)1000, "disk_caches", (json_int_t)500, "swap_out", (json_int_t)0));
	assert_int_equal(memory_view_read(&host, show, &view, NULL), 0);
	json_decref(show);
	assert_int_equal(view.parts.guest, UINT64_C(0xa000000));
	assert_int_equal(sum(&view.parts), view.parts.guest);
	assert_int_equal(view.parts.resident, (12288 + 8192 + 20480 + 8192) * KIB);
	assert_int_equal(view.parts.page_cache, (8192 - 1056) * KIB);
	assert_int_equal(view.parts.page_cache_shared, (6144 - 32) * KIB);
	assert_int_equal(view.parts.merged, (16384 + 32 + 1024) * KIB);
	assert_int_equal(view.parts.ballooned, 4096 * KIB);
	assert_int_equal(view.parts.reported_free, 2048 * KIB);
	assert_int_equal(view.parts.vmm, 104 * KIB);
	assert_int_equal(view.parts.page_tables, 120 * KIB);
	/* Its group has no memory controller. */
	assert_false(view.has_cgroup);
	assert_true(view.balloon.has_stats);
	assert_int_equal(view.balloon.stats_age_ms, 1500);
	assert_int_equal(view.balloon.free, 1000);
	assert_int_equal(view.balloon.swap_out, 0);
	assert_int_equal(view.balloon.available, HOST_UNKNOWN);
}

static void a_group_counts_only_if_it_is_the_guest_s_own(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct memory_host host;
	static const struct {
		const char *name;
		bool own;
	} rows[] = { { "web", true }, { "eb", false }, { "db", false } };

	(void)state;
	memory_host_find(root, &host);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(memory_view_clear) struct memory_view view = { 0 };
		json_t *show = show_of(rows[i].name, 4711);

		assert_int_equal(memory_view_read(&host, show, &view, NULL), 0);
		json_decref(show);
		assert_int_equal(view.has_cgroup, rows[i].own);
		assert_int_equal(view.parts.kvm_page_tables, rows[i].own ? 188416 : HOST_UNKNOWN);
	}
}

static void a_guest_that_is_gone_is_an_error(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	struct memory_view view;
	struct memory_host host;
	json_t *show = show_of("web", 9999);

	(void)state;
	memory_host_find(root, &host);
	assert_int_equal(memory_view_read(&host, show, &view, &err), -1);
	json_decref(show);
}

static void what_the_kernel_does_not_say_is_null_for_programs(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	_cleanup_(memory_view_clear) struct memory_view view = { 0 };
	struct memory_host host;
	json_t *show = show_of("web", 4711);
	json_t *parts;

	(void)state;
	memory_host_find(root, &host);
	assert_int_equal(memory_view_read(&host, show, &view, NULL), 0);
	memory_report_add(&view, show);
	parts = json_object_get(show, "memory_parts");
	assert_true(json_is_null(json_object_get(show, "cgroup_memory")));
	assert_true(json_is_null(json_object_get(parts, "page_tables")));
	assert_true(json_is_null(json_object_get(parts, "zswapped")));
	assert_true(json_is_integer(json_object_get(parts, "private")));
	assert_true(json_is_null(json_object_get(json_object_get(show, "ksm"), "profit")));
	json_decref(show);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_touched_nothing_is_untouched),
		cmocka_unit_test(every_page_is_in_one_part),
		cmocka_unit_test(what_was_given_up_and_used_again_counts_as_what_it_is_now),
		cmocka_unit_test(a_page_merged_with_the_zero_page_takes_no_ram),
		cmocka_unit_test(an_older_kernel_s_count_of_merged_pages_is_capped),
		cmocka_unit_test(zswap_is_unknown_without_a_group_and_never_more_than_was_swapped),
		cmocka_unit_test(the_kernel_s_rest_is_what_nothing_else_names),
		cmocka_unit_test(the_parts_add_up_whatever_the_kernel_says),
		cmocka_unit_test(a_view_joins_the_guest_with_the_host),
		cmocka_unit_test(a_group_counts_only_if_it_is_the_guest_s_own),
		cmocka_unit_test(a_guest_that_is_gone_is_an_error),
		cmocka_unit_test(what_the_kernel_does_not_say_is_null_for_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
