/* SPDX-License-Identifier: Apache-2.0 */
/* The governor's own files: see files.h. */
#include "govern/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"

enum { FILE_NAME_MAX = 64 };

static int fail(const char *file, struct err **err)
{
	return err_set(err, err_code_from_errno(errno), errno, "runtime directory: %s", file);
}

static int write_pid(int fd)
{
	char pid[16];
	int len = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	return ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) < 0 ? -1 : 0;
}

int govern_lock(int dir_fd, int *ret_fd, struct err **err)
{
	struct flock request = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char pid[16] = "";
	_cleanup_close_ int fd = openat(dir_fd, GOVERN_LOCK_FILE,
					O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return fail(GOVERN_LOCK_FILE, err);
	if (fcntl(fd, F_OFD_SETLK, &request) == 0) {
		if (write_pid(fd) < 0)
			return fail(GOVERN_LOCK_FILE, err);
		*ret_fd = take_fd(fd);
		return 0;
	}
	if (errno != EAGAIN && errno != EACCES)
		return fail(GOVERN_LOCK_FILE, err);
	if (pread(fd, pid, sizeof(pid) - 1, 0) <= 0)
		snprintf(pid, sizeof(pid), "?");
	return err_set(err, ERR_EXISTS, 0, "another lodged is running (process %s)", pid);
}

bool govern_is_running(int dir_fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_close_ int fd = openat(dir_fd, GOVERN_LOCK_FILE,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int write_new(int dir_fd, const char *file, const char *text, struct err **err)
{
	_cleanup_close_ int fd = openat(
	    dir_fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? fail(file, err) : fdio_write(fd, text, strlen(text), err);
}

int govern_save_json(int dir_fd, const char *file, const json_t *json, size_t flags,
		     struct err **err)
{
	_cleanup_free_ char *text = json ? json_dumps(json, flags) : NULL;
	char new_file[FILE_NAME_MAX];

	if (!text)
		return err_set(err, ERR_FAILED, 0, "runtime directory: %s can't be put into words",
			       file);
	snprintf(new_file, sizeof(new_file), "%s.new", file);
	if (write_new(dir_fd, new_file, text, err) == 0) {
		if (renameat(dir_fd, new_file, dir_fd, file) == 0)
			return 0;
		fail(file, err);
	}
	unlinkat(dir_fd, new_file, 0);
	return err_wrap(err, "write %s", file);
}
