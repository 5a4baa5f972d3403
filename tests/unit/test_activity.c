/* SPDX-License-Identifier: Apache-2.0 */
/* What the host and a process have done, on recorded hosts. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/activity.h"
#include "host/fields.h"

static int open_tree(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/trees/%s", TEST_SOURCE_DIR, name);

	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The trees were recorded where a tick is 10 ms. */
static uint64_t ms(uint64_t ticks)
{
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void the_time_of_guests_is_a_part_of_the_busy_time_and_not_counted_twice(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_activity a;

	(void)state;
	assert_int_equal(host_read_activity(root, &a, NULL), 0);
	assert_int_equal(a.cpus, 2);
	assert_int_equal(a.busy_ms, ms(1000 + 20 + 300 + 6 + 7 + 8));
	assert_int_equal(a.idle_ms, ms(4000 + 50));
	assert_int_equal(a.guests_ms, ms(900 + 10));
}

static void swapping_is_in_bytes(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_activity a;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	(void)state;
	assert_int_equal(host_read_activity(root, &a, NULL), 0);
	assert_int_equal(a.swapped_in, 10 * page);
	assert_int_equal(a.swapped_out, 30 * page);
	assert_int_equal(a.major_faults, 77);
}

static void a_host_without_the_files_is_an_error(void **state)
{
	_cleanup_close_ int root = open_tree("bare");
	_cleanup_err_ struct err *err = NULL;
	struct host_activity a;

	(void)state;
	assert_int_equal(host_read_activity(root, &a, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static void a_process_may_have_any_name(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	struct host_process_activity a;

	(void)state;
	assert_int_equal(host_read_process_activity(root, 4711, &a, NULL), 0);
	assert_int_equal(a.minor_faults, 555);
	assert_int_equal(a.major_faults, 44);
	assert_int_equal(a.cpu_ms, ms(800));
	assert_int_equal(a.guest_ms, ms(500));
	assert_int_equal(a.started, 123456);
}

static void a_line_that_is_too_short_is_refused(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	struct host_process_activity a;

	(void)state;
	assert_int_equal(host_read_process_activity(root, 4712, &a, &err), -1);
	assert_non_null(strstr(err_message(err), "/proc/4712/stat"));
}

static void a_process_that_is_gone_is_an_error(void **state)
{
	_cleanup_close_ int root = open_tree("debian");
	_cleanup_err_ struct err *err = NULL;
	struct host_process_activity a;

	(void)state;
	assert_int_equal(host_read_process_activity(root, 999, &a, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_time_of_guests_is_a_part_of_the_busy_time_and_not_counted_twice),
		cmocka_unit_test(swapping_is_in_bytes),
		cmocka_unit_test(a_host_without_the_files_is_an_error),
		cmocka_unit_test(a_process_may_have_any_name),
		cmocka_unit_test(a_line_that_is_too_short_is_refused),
		cmocka_unit_test(a_process_that_is_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
