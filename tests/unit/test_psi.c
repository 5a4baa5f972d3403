/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure of a group, and being woken by it: on plain files, and on this machine's kernel. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include "host/psi.h"

static const struct host_psi_trigger trigger = { .stall_us = 150000, .window_us = 2000000 };

static char base[sizeof("/tmp/lodge-test-XXXXXX")];
static int root_fd = -1;

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
					0644);

	assert_true(fd >= 0);
	assert_int_equal(fdio_write(fd, text, strlen(text), NULL), 0);
}

static void assert_holds(const char *path, const char *text, size_t len)
{
	_cleanup_free_ char *found = NULL;
	size_t found_len = 0;

	assert_int_equal(fdio_read_file(root_fd, path, 4096, &found, &found_len, NULL), 0);
	assert_int_equal(found_len, len);
	assert_memory_equal(found, text, len);
}

static int make_tree(void **state)
{
	static const char *const dirs[] = { "proc", "proc/pressure", "slice", "slice/web" };

	(void)state;
	strcpy(base, "/tmp/lodge-test-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	root_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(root_fd, dirs[i], 0755) < 0)
			return -1;
	write_file("proc/pressure/memory", "");
	write_file("slice/web/memory.pressure",
		   "some avg10=12.34 avg60=0.00 avg300=0.00 total=1001\n"
		   "full avg10=1.05 avg60=0.00 avg300=0.00 total=17\n");
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

static void a_group_has_pressure_of_its_own(void **state)
{
	struct host_psi psi;

	(void)state;
	assert_int_equal(host_read_group_psi(root_fd, "slice/web", "memory", &psi, NULL), 0);
	assert_int_equal(psi.some_us, 1001);
	assert_int_equal(psi.full_us, 17);
	assert_int_equal(psi.some_avg10, 1234);
	assert_int_equal(psi.full_avg10, 105);
}

static void a_group_that_has_gone_carries_its_errno(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	_cleanup_err_ struct err *why = NULL;
	struct host_psi psi;
	int fd = -7;

	(void)state;
	assert_int_equal(host_read_group_psi(root_fd, "slice/gone", "memory", &psi, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
	assert_int_equal(host_open_psi_trigger(root_fd, "slice/gone", &trigger, &fd, &why), -1);
	assert_int_equal(err_errno(why), ENOENT);
	assert_int_equal(fd, -7);
}

static void a_trigger_is_one_write_that_ends_with_a_zero(void **state)
{
	static const char line[] = "some 150000 2000000";
	_cleanup_close_ int group = -1;
	_cleanup_close_ int host = -1;

	(void)state;
	write_file("slice/web/memory.pressure", "");
	assert_int_equal(host_open_psi_trigger(root_fd, "slice/web", &trigger, &group, NULL), 0);
	assert_int_equal(host_open_psi_trigger(root_fd, NULL, &trigger, &host, NULL), 0);
	assert_holds("slice/web/memory.pressure", line, sizeof(line));
	assert_holds("proc/pressure/memory", line, sizeof(line));
}

static void the_kernel_takes_a_trigger_and_says_which_it_does_not(void **state)
{
	static const struct host_psi_trigger hasty = { .stall_us = 1, .window_us = 1 };
	_cleanup_close_ int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	if (host_open_psi_trigger(slash, NULL, &trigger, &fd, &err) < 0) {
		print_message("%s\n", err_message(err));
		skip();
	}

	struct pollfd p = { .fd = fd, .events = POLLPRI };

	assert_true(poll(&p, 1, 0) >= 0);
	assert_int_equal(p.revents & (POLLERR | POLLNVAL), 0);

	int none = -1;

	assert_int_equal(host_open_psi_trigger(slash, NULL, &hasty, &none, &err), -1);
	assert_int_equal(err_errno(err), EINVAL);
	assert_non_null(strstr(err_message(err), "windows are 500 ms to 10 s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_group_has_pressure_of_its_own, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(a_group_that_has_gone_carries_its_errno, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(a_trigger_is_one_write_that_ends_with_a_zero,
						make_tree, remove_tree),
		cmocka_unit_test(the_kernel_takes_a_trigger_and_says_which_it_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
