/* SPDX-License-Identifier: Apache-2.0 */
/* Working sets by DAMON, on plain files that stand for its directory in sysfs. */
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "host/damon.h"
#include "host/damon_tree.h"
#include "host/fields.h"

#define MIB	 (UINT64_C(1) << 20)
#define GIB	 (UINT64_C(1) << 30)
#define KDAMONDS "sys/kernel/mm/damon/admin/kdamonds"
#define CONTEXT	 KDAMONDS "/0/contexts/0"
#define MARK	 CONTEXT "/schemes/0/watermarks/interval_us"
#define LODGE	 "465725319013"

enum { GUESTS = 2, SAMPLES = 16, PATIENCE_MS = 10000 };

static const struct host_range web_ram[] = { { 0x7f0000000000, 64 * MIB },
					     { 0x7f0100000000, 192 * MIB } };
static const struct host_range db_ram = { 0x7e0000000000, 32 * MIB };
static const struct host_damon_target targets[GUESTS] = { { 4711, web_ram, 2 },
							  { 4712, &db_ram, 1 } };
static const struct host_damon_sampling sampling = { .period_ms = 5000, .samples = SAMPLES };

static char base[sizeof("/tmp/lodge-test-XXXXXX")];
static int root_fd = -1;

/* With the directories above it. */
static void put(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(const char *text, const char *fmt, ...)
{
	char path[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdirat(root_fd, path, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}

	_cleanup_close_ int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
					0644);

	assert_true(fd >= 0);
	assert_int_equal(fdio_write(fd, text, strlen(text), NULL), 0);
}

static void assert_holds(const char *path, const char *text)
{
	_cleanup_free_ char *found = NULL;

	assert_int_equal(fdio_read_file(root_fd, path, 4096, &found, NULL, NULL), 0);
	assert_string_equal(found, text);
}

static void put_scheme(size_t i)
{
	static const char *const files[] = {
		"action",
		"access_pattern/sz/max",
		"access_pattern/age/max",
		"access_pattern/nr_accesses/min",
		"access_pattern/nr_accesses/max",
		"filters/nr_filters",
		"filters/0/type",
		"filters/0/matching",
		"filters/0/damon_target_idx",
		"watermarks/interval_us",
		"stats/nr_tried",
		"stats/sz_tried",
	};

	for (size_t k = 0; k < ARRAY_SIZE(files); k++)
		put("", CONTEXT "/schemes/%zu/%s", i, files[k]);
}

static void put_target(size_t i)
{
	put("", CONTEXT "/targets/%zu/pid_target", i);
	put("", CONTEXT "/targets/%zu/regions/nr_regions", i);
	for (int k = 0; k < SAMPLES; k++) {
		put("", CONTEXT "/targets/%zu/regions/%d/start", i, k);
		put("", CONTEXT "/targets/%zu/regions/%d/end", i, k);
	}
}

/* All the files that the kernel would make; nobody uses DAMON. */
static int make_tree(void **state)
{
	static const char *const files[] = {
		"operations",
		"monitoring_attrs/intervals/sample_us",
		"monitoring_attrs/intervals/aggr_us",
		"monitoring_attrs/nr_regions/min",
		"monitoring_attrs/nr_regions/max",
		"targets/nr_targets",
		"schemes/nr_schemes",
	};

	(void)state;
	strcpy(base, "/tmp/lodge-test-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	root_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	put("0\n", KDAMONDS "/nr_kdamonds");
	put("", KDAMONDS "/0/state");
	put("", KDAMONDS "/0/contexts/nr_contexts");
	for (size_t k = 0; k < ARRAY_SIZE(files); k++)
		put("", CONTEXT "/%s", files[k]);
	for (size_t i = 0; i < GUESTS; i++)
		put_target(i);
	for (size_t i = 0; i <= GUESTS; i++)
		put_scheme(i);
	return 0;
}

static int remove_tree(void **state)
{
	char command[64];

	(void)state;
	close(root_fd);
	snprintf(command, sizeof(command), "rm -r %s", base);
	return system(command);
}

/* In one step, since a thread may read it meanwhile. */
static void put_number(const char *path, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	put(text, "new");
	assert_int_equal(renameat(root_fd, "new", root_fd, path), 0);
}

/* Counts as the kernel would show them; who sees these looks sees all of it. */
static void put_counts(uint64_t looks, uint64_t web, uint64_t db)
{
	put_number(CONTEXT "/schemes/1/stats/sz_tried", web);
	put_number(CONTEXT "/schemes/2/stats/sz_tried", db);
	put_number(CONTEXT "/schemes/0/stats/nr_tried", looks);
}

/* What is known once the guests' estimates are others than these. */
static int read_others(struct host_damon *damon, uint64_t active[GUESTS], const uint64_t *than,
		       struct err **err)
{
	static const struct timespec moment = { .tv_nsec = 1000000 };

	for (int i = 0; i < PATIENCE_MS; i++) {
		if (host_damon_read(damon, active, err) < 0)
			return -1;
		if (memcmp(active, than, GUESTS * sizeof(*active)) != 0)
			return 0;
		nanosleep(&moment, NULL);
	}
	fail_msg("nothing new");
	return -1;
}

static void free_strata(struct damon_strata *strata)
{
	free(strata->stretches);
}

static void stretches_are_of_one_size_and_never_neighbours(void **state)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	_cleanup_(free_strata) struct damon_strata strata = { 0 };

	(void)state;
	assert_int_equal(damon_divide(web_ram, 2, SAMPLES, &strata, NULL), 0);
	assert_int_equal(strata.n, SAMPLES);
	for (size_t i = 0; i < strata.n; i++) {
		assert_int_equal(strata.stretches[i].len, 16 * MIB - page);
		if (i > 0)
			assert_true(strata.stretches[i - 1].start + strata.stretches[i - 1].len <
				    strata.stretches[i].start);
	}
	assert_int_equal(strata.bytes, 256 * MIB - SAMPLES * page);
	assert_true(strata.stretches[3].start < web_ram[0].start + web_ram[0].len);
	assert_int_equal(strata.stretches[4].start, web_ram[1].start);
}

static void a_huge_guest_has_no_stretch_that_is_not_sampled_to_its_end(void **state)
{
	static const struct host_range huge = { 0x7c0000000000, 1024 * GIB };
	static const struct host_range tiny = { 0x7c0000000000, 3 * 4096 };
	_cleanup_(free_strata) struct damon_strata strata = { 0 };
	_cleanup_(free_strata) struct damon_strata few = { 0 };

	(void)state;
	assert_int_equal(damon_divide(&huge, 1, SAMPLES, &strata, NULL), 0);
	for (size_t i = 0; i < strata.n; i++)
		assert_true(strata.stretches[i].len <= UINT32_MAX);
	assert_true(strata.bytes > 1023 * GIB);
	assert_int_equal(damon_divide(&tiny, 1, 1, &few, NULL), 0);
	assert_int_equal(few.n, 1);
}

static void a_guest_without_memory_is_refused(void **state)
{
	static const struct host_damon_target nothing[] = { { 4711, NULL, 0 } };
	struct host_damon *damon = NULL;
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	assert_int_equal(host_damon_start(root_fd, nothing, 1, &sampling, &damon, &err), -1);
	assert_null(damon);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_holds(KDAMONDS "/nr_kdamonds", "0\n");
}

static void a_kernel_without_damon_is_told(void **state)
{
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	assert_int_equal(host_damon_check(root_fd, NULL), 0);
	assert_int_equal(unlinkat(root_fd, KDAMONDS "/nr_kdamonds", 0), 0);
	assert_int_equal(host_damon_check(root_fd, &err), -1);
	assert_non_null(strstr(err_message(err), "CONFIG_DAMON_SYSFS"));
	assert_int_equal(host_damon_clean_up(root_fd, NULL), 0);
}

static void the_kernel_is_told_which_pages_of_whom_and_how_often(void **state)
{
	static const uint64_t unknown[] = { HOST_UNKNOWN, HOST_UNKNOWN };
	uint64_t active[GUESTS];
	struct host_damon *damon = NULL;

	(void)state;
	assert_int_equal(host_damon_start(root_fd, targets, GUESTS, &sampling, &damon, NULL), 0);
	assert_holds(KDAMONDS "/nr_kdamonds", "1\n");
	assert_holds(KDAMONDS "/0/contexts/nr_contexts", "1");
	assert_holds(CONTEXT "/operations", "fvaddr");
	assert_holds(CONTEXT "/monitoring_attrs/intervals/sample_us", "5000000");
	assert_holds(CONTEXT "/monitoring_attrs/intervals/aggr_us", "5000000");
	assert_holds(CONTEXT "/monitoring_attrs/nr_regions/max", "32");
	assert_holds(CONTEXT "/targets/nr_targets", "2");
	assert_holds(CONTEXT "/targets/1/pid_target", "4712");
	assert_holds(CONTEXT "/targets/1/regions/nr_regions", "16");
	assert_holds(CONTEXT "/targets/1/regions/0/start", "138538465099776");
	assert_holds(CONTEXT "/targets/1/regions/0/end", "138538467192832");
	assert_holds(CONTEXT "/schemes/nr_schemes", "3");
	assert_holds(CONTEXT "/schemes/0/access_pattern/nr_accesses/min", "0");
	assert_holds(CONTEXT "/schemes/0/filters/nr_filters", "");
	assert_holds(CONTEXT "/schemes/2/access_pattern/nr_accesses/min", "1");
	assert_holds(CONTEXT "/schemes/2/filters/0/type", "target");
	assert_holds(CONTEXT "/schemes/2/filters/0/matching", "N");
	assert_holds(CONTEXT "/schemes/2/filters/0/damon_target_idx", "1");
	/* The thread ends, as there are no counts, and then writes to state no more. */
	assert_int_equal(read_others(damon, active, unknown, NULL), -1);
	host_damon_stop(damon);
	assert_holds(KDAMONDS "/0/state", "offate_schemes_stats");
	assert_holds(KDAMONDS "/nr_kdamonds", "0\n");
}

static void what_was_touched_is_a_part_of_all_memory(void **state)
{
	static const uint64_t unknown[] = { HOST_UNKNOWN, HOST_UNKNOWN };
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t web = 16 * MIB - page;
	uint64_t db = 2 * MIB - page;
	uint64_t first[GUESTS];
	uint64_t second[GUESTS];
	struct host_damon *damon = NULL;

	(void)state;
	/* Two periods: of web's 16 stretches 4 and then 2, of the other's none and then 1. */
	put_counts(2 * 32, 6 * web, db);
	assert_int_equal(host_damon_start(root_fd, targets, GUESTS, &sampling, &damon, NULL), 0);
	assert_int_equal(read_others(damon, first, unknown, NULL), 0);
	assert_int_equal(first[0], 256 * MIB * 3 / 16);
	assert_int_equal(first[1], 32 * MIB / 32);
	/* Four more, in each of which all and nothing was touched. */
	put_counts(6 * 32, 6 * web + UINT64_C(64) * web, db);
	assert_int_equal(read_others(damon, second, first, NULL), 0);
	host_damon_stop(damon);
	assert_int_equal(second[0], 256 * MIB);
	assert_int_equal(second[1], 0);
}

static void an_estimate_rises_at_once_and_falls_slowly(void **state)
{
	(void)state;
	assert_int_equal(host_damon_follow(HOST_UNKNOWN, 5, 1), 5);
	assert_int_equal(host_damon_follow(100, 400, 1), 400);
	assert_int_equal(host_damon_follow(400, 0, 1), 300);
	assert_int_equal(host_damon_follow(400, 200, 2), 300);
	assert_int_equal(host_damon_follow(400, 0, HOST_DAMON_FALL), 0);
	assert_int_equal(host_damon_follow(400, 0, 1000), 0);
}

static void what_somebody_else_watches_is_left_alone(void **state)
{
	struct host_damon *damon = NULL;
	_cleanup_err_ struct err *err = NULL;
	_cleanup_err_ struct err *again = NULL;

	(void)state;
	put("2\n", KDAMONDS "/nr_kdamonds");
	assert_int_equal(host_damon_start(root_fd, targets, GUESTS, &sampling, &damon, &err), -1);
	assert_int_equal(err_code(err), ERR_EXISTS);
	assert_int_equal(host_damon_clean_up(root_fd, NULL), 0);
	assert_holds(KDAMONDS "/nr_kdamonds", "2\n");

	put("1\n", KDAMONDS "/nr_kdamonds");
	put("1\n", KDAMONDS "/0/contexts/nr_contexts");
	put("0\n", MARK);
	assert_int_equal(host_damon_start(root_fd, targets, GUESTS, &sampling, &damon, &again), -1);
	assert_int_equal(err_code(again), ERR_EXISTS);
	assert_int_equal(host_damon_clean_up(root_fd, NULL), 0);
	assert_holds(KDAMONDS "/nr_kdamonds", "1\n");
	assert_holds(KDAMONDS "/0/state", "");
	assert_null(damon);
}

static void what_a_killed_one_left_is_found_by_its_mark(void **state)
{
	struct host_damon *damon = NULL;

	(void)state;
	put("1\n", KDAMONDS "/nr_kdamonds");
	put("1\n", KDAMONDS "/0/contexts/nr_contexts");
	put(LODGE "\n", MARK);
	assert_int_equal(host_damon_start(root_fd, targets, GUESTS, &sampling, &damon, NULL), 0);
	host_damon_stop(damon);

	put("1\n", KDAMONDS "/nr_kdamonds");
	put("on\n", KDAMONDS "/0/state");
	assert_int_equal(host_damon_clean_up(root_fd, NULL), 0);
	assert_holds(KDAMONDS "/nr_kdamonds", "0\n");
	assert_holds(KDAMONDS "/0/state", "off");
}

static void one_that_was_killed_before_its_mark_was_made_is_found_too(void **state)
{
	(void)state;
	put("1\n", KDAMONDS "/nr_kdamonds");
	put("0\n", KDAMONDS "/0/contexts/nr_contexts");
	assert_int_equal(unlinkat(root_fd, MARK, 0), 0);
	assert_int_equal(host_damon_clean_up(root_fd, NULL), 0);
	assert_holds(KDAMONDS "/nr_kdamonds", "0\n");
}

static void that_damon_has_ended_is_told_to_who_reads(void **state)
{
	static const uint64_t unknown[] = { HOST_UNKNOWN, HOST_UNKNOWN };
	uint64_t first[GUESTS];
	uint64_t second[GUESTS];
	struct host_damon *damon = NULL;
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	put_counts(32, 0, 0);
	assert_int_equal(host_damon_start(root_fd, targets, GUESTS, &sampling, &damon, NULL), 0);
	assert_int_equal(unlinkat(root_fd, KDAMONDS "/0/state", 0), 0);
	/* There may have been time for one look. */
	if (read_others(damon, first, unknown, &err) == 0)
		assert_int_equal(read_others(damon, second, first, &err), -1);
	assert_non_null(strstr(err_message(err), "kdamonds/0/state"));
	host_damon_stop(damon);
}

static void what_cannot_be_described_is_not_left_half_done(void **state)
{
	struct host_damon *damon = NULL;
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	/* As before Linux 6.6. */
	assert_int_equal(unlinkat(root_fd, CONTEXT "/schemes/1/filters/0/damon_target_idx", 0), 0);
	assert_int_equal(host_damon_start(root_fd, targets, GUESTS, &sampling, &damon, &err), -1);
	assert_non_null(strstr(err_message(err), "takes Linux 6.6"));
	assert_null(damon);
	assert_holds(KDAMONDS "/nr_kdamonds", "0\n");
}

#define on_tree(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stretches_are_of_one_size_and_never_neighbours),
		cmocka_unit_test(a_huge_guest_has_no_stretch_that_is_not_sampled_to_its_end),
		cmocka_unit_test(an_estimate_rises_at_once_and_falls_slowly),
		on_tree(a_guest_without_memory_is_refused),
		on_tree(a_kernel_without_damon_is_told),
		on_tree(the_kernel_is_told_which_pages_of_whom_and_how_often),
		on_tree(what_was_touched_is_a_part_of_all_memory),
		on_tree(what_somebody_else_watches_is_left_alone),
		on_tree(what_a_killed_one_left_is_found_by_its_mark),
		on_tree(one_that_was_killed_before_its_mark_was_made_is_found_too),
		on_tree(that_damon_has_ended_is_told_to_who_reads),
		on_tree(what_cannot_be_described_is_not_left_half_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
