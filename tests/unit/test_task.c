/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's threads and the CPU time of tasks, in the recorded tree trees/governed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/task.h"

static int open_tree(void)
{
	int fd = open(TEST_SOURCE_DIR "/trees/governed", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void a_kernel_thread_is_told_from_a_process_of_its_name(void **state)
{
	_cleanup_close_ int root = open_tree();
	pid_t pid = 0;

	(void)state;
	assert_int_equal(host_find_kthread(root, "ksmd", &pid, NULL), 0);
	assert_int_equal(pid, 37);
}

static void a_name_with_parentheses_does_not_shift_the_fields(void **state)
{
	_cleanup_close_ int root = open_tree();
	pid_t pid = 0;
	uint64_t ms = 0;

	(void)state;
	assert_int_equal(host_find_kthread(root, "a) R (b", &pid, NULL), 0);
	assert_int_equal(pid, 35);
	assert_int_equal(host_read_cpu_time(root, pid, &ms, NULL), 0);
	assert_int_equal(ms, 30);
}

static void a_thread_that_is_not_there_carries_its_errno(void **state)
{
	_cleanup_close_ int root = open_tree();
	_cleanup_err_ struct err *err = NULL;
	pid_t pid = 0;

	(void)state;
	assert_int_equal(host_find_kthread(root, "nobody", &pid, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
	assert_int_equal(pid, 0);
}

static void cpu_time_is_user_and_system_time(void **state)
{
	_cleanup_close_ int root = open_tree();
	uint64_t ms = 0;

	(void)state;
	assert_int_equal(host_read_cpu_time(root, 37, &ms, NULL), 0);
	assert_int_equal(ms, 3340);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_thread_is_told_from_a_process_of_its_name),
		cmocka_unit_test(a_name_with_parentheses_does_not_shift_the_fields),
		cmocka_unit_test(a_thread_that_is_not_there_carries_its_errno),
		cmocka_unit_test(cpu_time_is_user_and_system_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
