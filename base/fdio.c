/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes on descriptors: see fdio.h. */
#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

/* After a failed call: waits if the descriptor wasn't ready, and says whether to try again. */
static bool try_again(int fd, short events)
{
	if (errno == EINTR)
		return true;
	if (errno != EAGAIN)
		return false;

	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

int fdio_read(int fd, void *buf, size_t len, size_t *ret_n, struct err **err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (!try_again(fd, POLLIN))
			return err_set(err, err_code_from_errno(errno), errno, "read");
	}
	*ret_n = done;
	return 0;
}

int fdio_write(int fd, const void *buf, size_t len, struct err **err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (!try_again(fd, POLLOUT))
			return err_set(err, err_code_from_errno(errno), errno, "write");
	}
	return 0;
}

int fdio_read_file(int dirfd, const char *path, size_t max, char **ret_text, size_t *ret_len,
		   struct err **err)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "open %s", path);

	/* Files of /proc and /sys have a size of 0 or of a page, so the size is found by reading.
	 */
	_cleanup_free_ char *text = NULL;
	size_t room = max < 4096 ? max : 4096;
	size_t used = 0;

	for (;;) {
		char *larger = realloc(text, room + 1);
		size_t n = 0;

		if (!larger)
			return err_set(err, ERR_NO_SPACE, errno, "read %s", path);
		text = larger;
		if (fdio_read(fd, text + used, room + 1 - used, &n, err) < 0)
			return err_wrap(err, "%s", path);
		used += n;
		if (used <= room)
			break;
		if (room == max)
			return err_set(err, ERR_USAGE, 0, "%s is larger than %zu bytes", path, max);
		room = room > max / 2 ? max : room * 2;
	}
	text[used] = '\0';
	*ret_text = take_ptr(text);
	if (ret_len)
		*ret_len = used;
	return 0;
}
