/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else has changed in the ledger's files, on a tree of plain files, and what lodge
 * set has noted in a guest's runtime directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/promise_record.h"
#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "files.h"
#include "ledger/changes.h"

#define MIB   (UINT64_C(1) << 20)
#define SLICE "slice"

static void write_bytes(const char *group, const char *file, uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)bytes);
	files_write_in(group, file, text);
}

/* A host of 4 GiB without huge pages, with a guest web of 512 MiB, of which 128 are guaranteed. */
static int make_host(void **state)
{
	uint64_t overhead = promise_overhead(1, 512 * MIB, false);
	char root[64];

	(void)state;
	if (files_make() < 0)
		return -1;
	snprintf(root, sizeof(root), "%s/run", files_base);
	setenv("LODGE_RUNTIME_DIR", root, 1);
	files_dir("proc");
	files_write("proc/meminfo",
		    "MemTotal: 4194304 kB\nMemAvailable: 4194304 kB\nHugePages_Total: 0\n"
		    "Hugepagesize: 2048 kB\n");
	files_write("proc/swaps", "Filename\n/dev/vda partition 2097152 0 -2\n");
	files_dir(SLICE);
	write_bytes(SLICE, "memory.min", 128 * MIB + overhead);
	write_bytes(SLICE, "memory.max", 4096 * MIB - promise_reserve(4096 * MIB));
	files_write_in(SLICE, "memory.swap.max", "max\n");
	files_write_in(SLICE, "memory.current", "0\n");
	files_write_in(SLICE, "memory.stat", "file 0\n");
	files_dir(SLICE "/web");
	files_write_in(SLICE "/web", "cgroup.events", "populated 1\n");
	write_bytes(SLICE "/web", "memory.min", 128 * MIB + overhead);
	write_bytes(SLICE "/web", "memory.max", 512 * MIB + overhead);
	write_bytes(SLICE "/web", "memory.swap.max", 512 * MIB + overhead);
	files_dir("run");
	files_dir("run/web");
	files_write("run/web/config.json",
		    "{\"name\": \"web\", \"kernel\": \"k\", \"memory\": \"512M\", \"guarantee\": "
		    "\"128M\"}");
	return 0;
}

static int remove_host(void **state)
{
	(void)state;
	unsetenv("LODGE_RUNTIME_DIR");
	return files_remove();
}

static size_t changes_of_slice(struct ledger_change changes[LEDGER_CHANGES_MAX])
{
	_cleanup_err_ struct err *err = NULL;
	struct ledger ledger;
	size_t n = 0;

	if (ledger_read(files_root_fd, SLICE, &ledger, &err) < 0 ||
	    ledger_compare_slice(files_root_fd, &ledger, changes, &n, &err) < 0)
		fail_msg("%s", err_message(err));
	return n;
}

/* The only change of the slice there is. */
static void assert_slice_changed(const char *expected)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];
	char text[LEDGER_CHANGE_TEXT_MAX];

	assert_int_equal(changes_of_slice(changes), 1);
	assert_string_equal(ledger_describe_change(&changes[0], text), expected);
}

static void what_lodge_wrote_is_no_change(void **state)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];

	(void)state;
	assert_int_equal(changes_of_slice(changes), 0);
	/* More protection is what a guest that was killed leaves. */
	write_bytes(SLICE, "memory.min", 600 * MIB);
	assert_int_equal(changes_of_slice(changes), 0);
}

static void huge_pages_that_were_set_aside_since_are_no_change(void **state)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];

	(void)state;
	files_write("proc/meminfo",
		    "MemTotal: 4194304 kB\nMemAvailable: 4194304 kB\nHugePages_Total: 512\n"
		    "Hugepagesize: 2048 kB\n");
	assert_int_equal(changes_of_slice(changes), 0);
	write_bytes(SLICE, "memory.max", 3072 * MIB - promise_reserve(3072 * MIB));
	assert_int_equal(changes_of_slice(changes), 0);
}

static void each_file_of_the_slice_is_compared(void **state)
{
	uint64_t limit = 4096 * MIB - promise_reserve(4096 * MIB);

	(void)state;
	write_bytes(SLICE, "memory.max", limit - 4096);
	assert_slice_changed("memory.max is 3.6G, lodge wrote 3.6G");
	files_write_in(SLICE, "memory.max", "max\n");
	assert_slice_changed("memory.max is max, lodge wrote 3.6G");
	write_bytes(SLICE, "memory.max", limit);
	write_bytes(SLICE, "memory.min", 100 * MIB);
	assert_slice_changed("memory.min is 100M, lodge wrote 133M");
	write_bytes(SLICE, "memory.min", 200 * MIB);
	write_bytes(SLICE, "memory.swap.max", 64 * MIB);
	assert_slice_changed("memory.swap.max is 64M, lodge wrote max");
}

static void a_slice_without_guests_has_nothing_to_compare(void **state)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];

	(void)state;
	files_write_in(SLICE "/web", "cgroup.events", "populated 0\n");
	files_write_in(SLICE, "memory.max", "max\n");
	assert_int_equal(changes_of_slice(changes), 0);
}

static struct promise promise_of(uint64_t guarantee, bool best_effort)
{
	return (struct promise){ .memory = 512 * MIB,
				 .limit = 256 * MIB,
				 .guarantee = guarantee,
				 .overhead = 4 * MIB,
				 .best_effort = best_effort };
}

static void assert_changes(struct promise written, struct ledger_entry now, const char *files)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];
	size_t n = ledger_compare(&now, &written, changes);
	char found[128] = "";

	for (size_t i = 0; i < n; i++) {
		strcat(found, changes[i].file);
		strcat(found, " ");
	}
	assert_string_equal(found, files);
}

static void each_file_of_a_guest_is_compared(void **state)
{
	const struct ledger_entry as_written = { 20 * MIB, 260 * MIB, 516 * MIB };
	struct ledger_entry now = as_written;

	(void)state;
	assert_changes(promise_of(16 * MIB, false), now, "");
	now.guaranteed--;
	assert_changes(promise_of(16 * MIB, false), now, "memory.min ");
	now.in_ram++;
	now.worst = UINT64_MAX;
	assert_changes(promise_of(16 * MIB, false), now, "memory.min memory.max memory.swap.max ");
	now = as_written;
	now.guaranteed++;
	assert_changes(promise_of(16 * MIB, false), now, "memory.min ");
}

static void a_guest_without_a_guarantee_may_have_less_protection_but_not_more(void **state)
{
	struct ledger_entry now = { 0, 260 * MIB, 516 * MIB };

	(void)state;
	assert_changes(promise_of(0, false), now, "");
	now.guaranteed = 4 * MIB;
	assert_changes(promise_of(0, false), now, "");
	now.guaranteed = 5 * MIB;
	assert_changes(promise_of(0, false), now, "memory.min ");
}

static void best_effort_has_neither_protection_nor_swap(void **state)
{
	struct ledger_entry now = { 0, 260 * MIB, 0 };

	(void)state;
	assert_changes(promise_of(0, true), now, "");
	now.worst = 4096;
	now.guaranteed = 4096;
	assert_changes(promise_of(0, true), now, "memory.min memory.swap.max ");
}

static size_t changes_of_web(struct ledger_change changes[LEDGER_CHANGES_MAX])
{
	_cleanup_err_ struct err *err = NULL;
	size_t n;

	if (promise_record_compare(files_root_fd, "web", changes, &n, &err) < 0)
		fail_msg("%s", err_message(err));
	return n;
}

static void what_set_wrote_is_lodges_own(void **state)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];
	struct promise promise;

	(void)state;
	/* A guest without a group has none. */
	assert_int_equal(changes_of_web(changes), 0);
	assert_int_equal(symlinkat("/" SLICE "/web", files_root_fd, "run/web/cgroup"), 0);
	assert_int_equal(changes_of_web(changes), 0);
	write_bytes(SLICE "/web", "memory.max", 256 * MIB + promise_overhead(1, 512 * MIB, false));
	assert_int_equal(changes_of_web(changes), 1);
	assert_string_equal(changes[0].file, "memory.max");

	assert_int_equal(promise_record_read("web", &promise, NULL), 0);
	assert_int_equal(promise.guarantee, 128 * MIB);
	assert_int_equal(promise.limit, 512 * MIB);
	promise.limit = 256 * MIB;
	assert_int_equal(promise_record_write("web", &promise, NULL), 0);
	assert_int_equal(changes_of_web(changes), 0);
	assert_false(files_there("run/web/promise.json.new"));
	write_bytes(SLICE "/web", "memory.min", 0);
	assert_int_equal(changes_of_web(changes), 1);
}

static void a_guest_that_is_gone_has_no_record(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct promise promise;

	(void)state;
	assert_int_equal(promise_record_read("none", &promise, &err), -1);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	assert_int_equal(promise_record_write("none", &promise, NULL), -1);
}

int main(void)
{
#define host_test(f) cmocka_unit_test_setup_teardown(f, make_host, remove_host)
	const struct CMUnitTest tests[] = {
		host_test(what_lodge_wrote_is_no_change),
		host_test(huge_pages_that_were_set_aside_since_are_no_change),
		host_test(each_file_of_the_slice_is_compared),
		host_test(a_slice_without_guests_has_nothing_to_compare),
		cmocka_unit_test(each_file_of_a_guest_is_compared),
		cmocka_unit_test(a_guest_without_a_guarantee_may_have_less_protection_but_not_more),
		cmocka_unit_test(best_effort_has_neither_protection_nor_swap),
		host_test(what_set_wrote_is_lodges_own),
		host_test(a_guest_that_is_gone_has_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
