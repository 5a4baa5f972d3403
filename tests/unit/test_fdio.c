/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"

/* A directory that holds one file "f" with len bytes of 'x'. */
struct place {
	char dir[64];
	int dirfd;
};

static void place_make(struct place *p, size_t len)
{
	strcpy(p->dir, "/tmp/lodge-fdio-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->dirfd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dirfd >= 0);

	_cleanup_close_ int fd = openat(p->dirfd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_free_ char *text = malloc(len + 1);

	memset(text, 'x', len + 1);
	assert_int_equal(fdio_write(fd, text, len, NULL), 0);
}

static void place_remove(struct place *p)
{
	unlinkat(p->dirfd, "f", 0);
	close(p->dirfd);
	rmdir(p->dir);
}

static void a_file_of_any_size_up_to_the_limit_is_read_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *text = NULL;
		struct place p;
		size_t len = 1;

		place_make(&p, sizes[i]);
		assert_int_equal(fdio_read_file(p.dirfd, "f", 100000, &text, &len, NULL), 0);
		assert_int_equal(len, sizes[i]);
		assert_int_equal(strlen(text), sizes[i]);
		place_remove(&p);
	}
}

static void a_file_over_the_limit_is_refused_by_name(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	char *text = NULL;
	struct place p;

	(void)state;
	place_make(&p, 5001);
	assert_int_equal(fdio_read_file(p.dirfd, "f", 5000, &text, NULL, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_string_equal(err_message(err), "f is larger than 5000 bytes");
	assert_null(text);
	place_remove(&p);
}

static void a_missing_file_carries_its_errno(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	char *text = NULL;

	(void)state;
	assert_int_equal(fdio_read_file(AT_FDCWD, "/nowhere/f", 10, &text, NULL, &err), -1);
	assert_int_equal(err_errno(err), ENOENT);
}

static void a_read_ends_with_the_input(void **state)
{
	char buf[8] = "";
	size_t n = 0;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	close(p[1]);
	assert_int_equal(fdio_read(p[0], buf, sizeof(buf), &n, NULL), 0);
	assert_int_equal(n, 3);
	close(p[0]);
}

enum { STREAM = 1 << 20 };

static void *drain(void *arg)
{
	static char buf[STREAM];
	size_t n = 0;

	fdio_read(*(int *)arg, buf, sizeof(buf), &n, NULL);
	return (void *)n;
}

static void a_full_pipe_that_does_not_block_is_waited_for(void **state)
{
	_cleanup_free_ char *text = calloc(1, STREAM);
	pthread_t reader;
	void *got = NULL;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&reader, NULL, drain, &p[0]), 0);
	assert_int_equal(fdio_write(p[1], text, STREAM, NULL), 0);
	pthread_join(reader, &got);
	assert_int_equal((size_t)got, STREAM);
	close(p[0]);
	close(p[1]);
}

static void a_full_disk_is_told_apart(void **state)
{
	_cleanup_close_ int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	assert_int_equal(fdio_write(fd, "x", 1, &err), -1);
	assert_int_equal(err_code(err), ERR_NO_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_any_size_up_to_the_limit_is_read_whole),
		cmocka_unit_test(a_file_over_the_limit_is_refused_by_name),
		cmocka_unit_test(a_missing_file_carries_its_errno),
		cmocka_unit_test(a_read_ends_with_the_input),
		cmocka_unit_test(a_full_pipe_that_does_not_block_is_waited_for),
		cmocka_unit_test(a_full_disk_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
