/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a control group for memory, on plain files that stand for it. */
#include <errno.h>
#include <fcntl.h>
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
#include "base/fdio.h"
#include "host/file.h"
#include "host/reclaim.h"

enum { LIMIT_MS = 10000 };

#define MIB (UINT64_C(1) << 20)

static char base[sizeof("/tmp/lodge-test-XXXXXX")];
static int root_fd = -1;

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
					0644);

	assert_true(fd >= 0);
	assert_int_equal(fdio_write(fd, text, strlen(text), NULL), 0);
}

static int make_group(void **state)
{
	(void)state;
	strcpy(base, "/tmp/lodge-test-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	root_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(root_fd, "web", 0755) < 0)
		return -1;
	write_file("web/memory.current", "104857600\n");
	write_file("web/memory.swap.current", "8192\n");
	write_file("web/memory.stat", "anon 5\npgsteal_kswapd 1\nxpgsteal 2\npgsteal 25600\n");
	write_file("web/memory.reclaim", "");
	return 0;
}

static int remove_group(void **state)
{
	char command[64];

	(void)state;
	close(root_fd);
	snprintf(command, sizeof(command), "rm -r %s", base);
	return system(command);
}

static void the_kernels_counters_are_read(void **state)
{
	struct host_group_usage usage;

	(void)state;
	assert_int_equal(host_read_group_usage(root_fd, "web", &usage, NULL), 0);
	assert_int_equal(usage.current, 100 * MIB);
	assert_int_equal(usage.swap, 8192);
	assert_int_equal(usage.taken, 100 * MIB);
	unlinkat(root_fd, "web/memory.swap.current", 0);
	assert_int_equal(host_read_group_usage(root_fd, "web", &usage, NULL), 0);
	assert_int_equal(usage.swap, 0);
}

static void large_amounts_are_asked_for_in_pieces(void **state)
{
	_cleanup_free_ char *last = NULL;
	bool all = false;

	(void)state;
	assert_int_equal(host_reclaim(root_fd, "web", 33 * MIB, LIMIT_MS, &all, NULL), 0);
	assert_true(all);
	assert_int_equal(host_read_text(root_fd, "web/memory.reclaim", &last, NULL), 0);
	/* 1048576 over 33554432: a plain file keeps what isn't written over. */
	assert_string_equal(last, "10485762");
}

static void no_time_is_not_enough(void **state)
{
	bool all = true;

	(void)state;
	assert_int_equal(host_reclaim(root_fd, "web", MIB, 0, &all, NULL), 0);
	assert_false(all);
}

static void what_is_missing_is_named(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	_cleanup_err_ struct err *older = NULL;

	(void)state;
	assert_int_equal(host_check_reclaim(root_fd, "web", NULL), 0);
	unlinkat(root_fd, "web/memory.reclaim", 0);
	assert_int_equal(host_check_reclaim(root_fd, "web", &older), -1);
	assert_string_equal(err_message(older),
			    "this kernel has no memory.reclaim: it takes Linux 5.19 or newer");
	unlinkat(root_fd, "web/memory.current", 0);
	assert_int_equal(host_check_reclaim(root_fd, "web", &err), -1);
	assert_string_equal(err_message(err),
			    "/web has no memory controller (lodge doctor says how "
			    "to mend it)");
}

static void a_failed_write_is_an_error_with_its_errno(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	bool all = true;

	(void)state;
	unlinkat(root_fd, "web/memory.reclaim", 0);
	assert_int_equal(host_reclaim(root_fd, "web", MIB, LIMIT_MS, &all, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
	assert_true(all);
}

/* A full pipe says EAGAIN, as memory.reclaim does when there's no more to take. */
static void getting_less_is_no_error(void **state)
{
	char full[4096] = { 0 };
	char path[64];
	bool all = true;

	(void)state;
	unlinkat(root_fd, "web/memory.reclaim", 0);
	snprintf(path, sizeof(path), "%s/web/memory.reclaim", base);
	assert_int_equal(mkfifo(path, 0600), 0);

	_cleanup_close_ int reader = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	while (write(reader, full, sizeof(full)) > 0)
		;
	assert_int_equal(host_reclaim(root_fd, "web", MIB, LIMIT_MS, &all, NULL), 0);
	assert_false(all);
}

int main(void)
{
#define group_test(f) cmocka_unit_test_setup_teardown(f, make_group, remove_group)
	const struct CMUnitTest tests[] = {
		group_test(the_kernels_counters_are_read),
		group_test(large_amounts_are_asked_for_in_pieces),
		group_test(no_time_is_not_enough),
		group_test(what_is_missing_is_named),
		group_test(a_failed_write_is_an_error_with_its_errno),
		group_test(getting_less_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
