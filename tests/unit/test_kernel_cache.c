/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "boot/bzimage.h"
#include "boot/file.h"
#include "boot/kernel_cache.h"
#include "boot_images.h"

/* A fresh cache for each test */
static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_kernel_cache.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	return setenv("LODGE_KERNEL_CACHE", dir, 1);
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* The names in the cache, and the last entry's; "unfinished" counts too. */
static unsigned entries(char name[256])
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			n++;
			if (name)
				snprintf(name, 256, "%s", e->d_name);
		}
	closedir(d);
	return n;
}

static int open_fd(int fd, bool *made, struct err **err)
{
	struct bzimage image;
	struct file_id id;
	int out = -1;

	assert_int_equal(file_identify(fd, &id, NULL), 0);
	assert_int_equal(bzimage_read(fd, &image, NULL), 0);
	return kernel_cache_open(fd, &id, &image, &out, made, err) < 0 ? -1 : out;
}

static int kernel_fd(void)
{
	struct bytes kernel = make_kernel(PACK_ZSTD, 1);
	int fd = bytes_fd(kernel.data, kernel.len);

	free(kernel.data);
	return fd;
}

static void assert_is_vmlinux(int fd)
{
	struct bytes v = make_vmlinux(1);
	uint8_t *got = malloc(v.len);

	assert_int_equal(pread(fd, got, v.len, 0), v.len);
	assert_memory_equal(got, v.data, v.len);
	free(got);
	free(v.data);
}

static void a_kernel_is_unpacked_once(void **state)
{
	int fd = kernel_fd();
	bool made = false;

	(void)state;

	int first = open_fd(fd, &made, NULL);

	assert_true(first >= 0);
	assert_true(made);
	assert_is_vmlinux(first);

	int second = open_fd(fd, &made, NULL);
	struct stat a, b;

	assert_true(second >= 0);
	assert_false(made);
	fstat(first, &a);
	fstat(second, &b);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(entries(NULL), 1);
	close(first);
	close(second);
	close(fd);
}

static void the_descriptor_cannot_change_the_entry(void **state)
{
	int fd = kernel_fd();
	bool made;
	int out = open_fd(fd, &made, NULL);
	struct stat st;

	(void)state;
	assert_int_equal(fcntl(out, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_not_equal(fcntl(out, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	close(out);
	close(fd);
}

static void guests_that_start_together_unpack_once(void **state)
{
	enum { N = 8 };
	int fd = kernel_fd(), made_by = 0, go[2];
	pid_t pids[N];

	(void)state;
	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < N; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			bool made = false;
			char c;

			close(go[1]);
			(void)!read(go[0], &c, 1); /* all start when the pipe is closed */

			int out = open_fd(fd, &made, NULL);

			_exit(out < 0 ? 2 : made);
		}
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < N; i++) {
		int status;

		waitpid(pids[i], &status, 0);
		assert_true(WIFEXITED(status));
		assert_in_range(WEXITSTATUS(status), 0, 1);
		made_by += WEXITSTATUS(status);
	}
	assert_int_equal(made_by, 1);
	assert_int_equal(entries(NULL), 1);
	close(fd);
}

static void a_changed_kernel_is_another(void **state)
{
	int fd = kernel_fd();
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1, .tv_nsec = 1 } };
	bool made;

	(void)state;
	close(open_fd(fd, &made, NULL));
	assert_int_equal(futimens(fd, times), 0);
	close(open_fd(fd, &made, NULL));
	assert_true(made);
	/* Another payload at the same place and of the same time is another kernel as well. */
	assert_int_equal(pwrite(fd, "x", 1, 0x100), 1);
	assert_int_equal(futimens(fd, times), 0);
	close(open_fd(fd, &made, NULL));
	assert_true(made);
	assert_int_equal(entries(NULL), 3);
	close(fd);
}

static void an_entry_of_the_wrong_size_is_made_anew(void **state)
{
	int fd = kernel_fd();
	char name[256], path[400];
	bool made;

	(void)state;
	close(open_fd(fd, &made, NULL));
	assert_int_equal(entries(name), 1);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(truncate(path, 4096), 0);

	int out = open_fd(fd, &made, NULL);

	assert_true(made);
	assert_is_vmlinux(out);
	close(out);
	close(fd);
}

static void an_entry_that_others_may_write_is_made_anew(void **state)
{
	int fd = kernel_fd();
	char name[256], path[400];
	bool made;

	(void)state;
	close(open_fd(fd, &made, NULL));
	entries(name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(chmod(path, 0666), 0);
	close(open_fd(fd, &made, NULL));
	assert_true(made);

	/* A link isn't followed either, whatever it leads to. */
	char elsewhere[80];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
	assert_int_equal(rename(path, elsewhere), 0);
	assert_int_equal(symlink(elsewhere, path), 0);

	int out = open_fd(fd, &made, NULL);

	assert_true(made);
	assert_is_vmlinux(out);
	close(out);
	close(fd);
}

static void what_a_killed_process_left_does_no_harm(void **state)
{
	int fd = kernel_fd();
	char path[128];
	bool made;

	(void)state;
	snprintf(path, sizeof(path), "%s/unfinished", dir);

	int left = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(left >= 0 && write(left, "junk", 4) == 4);
	close(left);

	int out = open_fd(fd, &made, NULL);

	assert_is_vmlinux(out);
	assert_int_equal(entries(NULL), 1);
	close(out);
	close(fd);
}

static void a_broken_image_leaves_nothing_behind(void **state)
{
	struct bytes kernel = make_kernel(PACK_ZSTD, 1);
	struct err *err = NULL;
	bool made;

	(void)state;
	memset(kernel.data + BZ_CODE + BZ_PAYLOAD + 1000, 0xff, 1000);

	int fd = bytes_fd(kernel.data, kernel.len);

	assert_int_equal(open_fd(fd, &made, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_non_null(strstr(err_message(err), "unpack zstd: the packed data is broken"));
	assert_int_equal(entries(NULL), 0);
	err_free(err);
	close(fd);
	free(kernel.data);
}

static void the_limit_keeps_what_was_used_last(void **state)
{
	int fd = kernel_fd(), keep = kernel_fd();
	bool made;

	(void)state;
	close(open_fd(keep, &made, NULL));
	for (int i = 0; i < KERNEL_CACHE_MAX + 4; i++) {
		const struct timespec times[2] = { { .tv_sec = i }, { .tv_sec = i } };

		assert_int_equal(futimens(fd, times), 0);
		close(open_fd(fd, &made, NULL));
		assert_true(made);
		close(open_fd(keep, &made, NULL));
		assert_false(made);
	}
	assert_int_equal(entries(NULL), KERNEL_CACHE_MAX);
	close(fd);
	close(keep);
}

static void other_files_in_the_directory_stay(void **state)
{
	int fd = kernel_fd();
	char path[128];
	bool made;

	(void)state;
	for (int i = 0; i < KERNEL_CACHE_MAX; i++) {
		snprintf(path, sizeof(path), "%s/other%d", dir, i);
		close(open(path, O_WRONLY | O_CREAT, 0600));
	}
	close(open_fd(fd, &made, NULL));
	assert_int_equal(entries(NULL), KERNEL_CACHE_MAX + 1);
	close(fd);
}

static void assert_refused(int fd, enum err_code code, const char *words)
{
	struct err *err = NULL;
	bool made;

	assert_int_equal(open_fd(fd, &made, &err), -1);
	assert_int_equal(err_code(err), code);
	if (!strstr(err_message(err), words))
		fail_msg("\"%s\" isn't in \"%s\"", words, err_message(err));
	err_free(err);
}

static void a_directory_that_others_could_change_is_refused(void **state)
{
	int fd = kernel_fd();

	(void)state;
	assert_int_equal(chmod(dir, 0770), 0);
	assert_refused(fd, ERR_DENIED, "other users may write to it");
	assert_int_equal(chmod(dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(dir, 65534, 65534), 0);
		assert_refused(fd, ERR_DENIED, "belongs to user 65534");
	}
	close(fd);
}

static void a_cache_that_cannot_be_is_an_error(void **state)
{
	int fd = kernel_fd();
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	setenv("LODGE_KERNEL_CACHE", path, 1);
	assert_refused(fd, ERR_FAILED, "Not a directory");
	snprintf(path, sizeof(path), "%s/file/below", dir);
	setenv("LODGE_KERNEL_CACHE", path, 1);
	assert_refused(fd, ERR_FAILED, "make directory");
	close(fd);
}

static void missing_directories_are_made_for_this_user_alone(void **state)
{
	int fd = kernel_fd();
	char path[128];
	struct stat st;
	bool made;

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/c", dir);
	setenv("LODGE_KERNEL_CACHE", path, 1);
	close(open_fd(fd, &made, NULL));
	assert_true(made);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(fd);
}

/* In a child, since it takes namespaces; 77 if they can't be had. */
static int fill_small_disk(int fd)
{
	struct err *err = NULL;
	bool made;

	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=64k,mode=700") < 0)
		return 77;
	if (open_fd(fd, &made, &err) >= 0)
		return 1;
	return err_code(err) == ERR_NO_SPACE && entries(NULL) == 0 ? 0 : 2;
}

static void a_full_disk_is_an_error_that_leaves_nothing(void **state)
{
	int fd = kernel_fd(), status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(fill_small_disk(fd));
	waitpid(pid, &status, 0);
	close(fd);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_environment_says_where_the_cache_is(void **state)
{
	char *path;

	(void)state;
	assert_int_equal(kernel_cache_path(&path, NULL), 0);
	assert_string_equal(path, dir);
	free(path);
	unsetenv("LODGE_KERNEL_CACHE");
	if (geteuid() == 0) {
		assert_int_equal(kernel_cache_path(&path, NULL), 0);
		assert_string_equal(path, "/var/cache/lodge/kernels");
		free(path);
		return;
	}
	setenv("XDG_CACHE_HOME", "/x", 1);
	assert_int_equal(kernel_cache_path(&path, NULL), 0);
	assert_string_equal(path, "/x/lodge/kernels");
	free(path);
	setenv("XDG_CACHE_HOME", "relative", 1);
	setenv("HOME", "/h", 1);
	assert_int_equal(kernel_cache_path(&path, NULL), 0);
	assert_string_equal(path, "/h/.cache/lodge/kernels");
	free(path);
	unsetenv("HOME");
	assert_int_equal(kernel_cache_path(&path, NULL), -1);
}

int main(void)
{
#define CACHE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CACHE_TEST(a_kernel_is_unpacked_once),
		CACHE_TEST(the_descriptor_cannot_change_the_entry),
		CACHE_TEST(guests_that_start_together_unpack_once),
		CACHE_TEST(a_changed_kernel_is_another),
		CACHE_TEST(an_entry_of_the_wrong_size_is_made_anew),
		CACHE_TEST(an_entry_that_others_may_write_is_made_anew),
		CACHE_TEST(what_a_killed_process_left_does_no_harm),
		CACHE_TEST(a_broken_image_leaves_nothing_behind),
		CACHE_TEST(the_limit_keeps_what_was_used_last),
		CACHE_TEST(other_files_in_the_directory_stay),
		CACHE_TEST(a_directory_that_others_could_change_is_refused),
		CACHE_TEST(a_cache_that_cannot_be_is_an_error),
		CACHE_TEST(missing_directories_are_made_for_this_user_alone),
		CACHE_TEST(a_full_disk_is_an_error_that_leaves_nothing),
		CACHE_TEST(the_environment_says_where_the_cache_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
