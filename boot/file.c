/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a guest boots from: see file.h. */
#include "boot/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

int file_identify(int fd, struct file_id *ret_id, struct err **err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_FAILED, errno, "stat");
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_USAGE, 0, "is a directory");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, 0, "is not a regular file");

	*ret_id = (struct file_id){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_s = st.st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st.st_mtim.tv_nsec,
		.ctime_s = st.st_ctim.tv_sec,
		.ctime_ns = (uint32_t)st.st_ctim.tv_nsec,
	};
	return 0;
}

int file_open(const char *path, int *ret_fd, struct file_id *ret_id, struct err **err)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. It means nothing to a regular
	 * file. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		enum err_code code = err_code_from_errno(errno);

		if (errno == ENOENT || errno == ENOTDIR || errno == ENXIO || errno == ENAMETOOLONG)
			code = ERR_USAGE;
		return err_set(err, code, errno, "can't open it");
	}
	if (file_identify(fd, ret_id, err) < 0)
		return -1;
	*ret_fd = take_fd(fd);
	return 0;
}

int file_check_unchanged(int fd, const struct file_id *id, struct err **err)
{
	struct file_id now = { 0 };

	if (file_identify(fd, &now, err) < 0)
		return -1;
	if (now.device != id->device || now.inode != id->inode || now.size != id->size ||
	    now.mtime_s != id->mtime_s || now.mtime_ns != id->mtime_ns)
		return err_set(err, ERR_FAILED, 0, "the file was changed after it was opened");
	return 0;
}

int file_read(int fd, uint64_t offset, void *buf, size_t len, struct err **err)
{
	uint8_t *p = buf;
	size_t done = 0;

	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return err_set(err, ERR_USAGE, 0, "an offset is out of range");
	while (done < len) {
		ssize_t n = pread(fd, p + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, ERR_FAILED, errno, "read");
		if (n == 0)
			return err_set(err, ERR_USAGE, 0, "truncated: it ends before byte %" PRIu64,
				       offset + len);
		done += (size_t)n;
	}
	return 0;
}
