/* SPDX-License-Identifier: Apache-2.0 */
/* The small files of /proc and /sys: see file.h. */
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"

int host_read_text(int root_fd, const char *path, char **ret_text, struct err **err)
{
	char *text;
	size_t len;

	if (fdio_read_file(root_fd, path, HOST_FILE_MAX, &text, &len, err) < 0)
		return -1;
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	*ret_text = text;
	return 0;
}

bool host_scan_number(const char **p, uint64_t *ret_value)
{
	const char *q = *p + strspn(*p, " \t");
	const char *start = q;
	uint64_t value = 0;

	for (; *q >= '0' && *q <= '9'; q++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*q - '0'), &value))
			return false;
	if (q == start)
		return false;
	*p = q;
	*ret_value = value;
	return true;
}

int host_read_number(int root_fd, const char *path, uint64_t *ret_value, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t value;

	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;

	const char *p = text;

	if (!host_scan_number(&p, &value) || *p)
		return err_set(err, ERR_FAILED, 0, "/%s holds no number", path);
	*ret_value = value;
	return 0;
}

int host_read_choice(int root_fd, const char *path, char *choice, size_t size, struct err **err)
{
	_cleanup_free_ char *text = NULL;

	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;

	const char *open = strchr(text, '[');
	const char *close = open ? strchr(open, ']') : NULL;

	if (!close || (size_t)(close - open) > size)
		return err_set(err, ERR_FAILED, 0, "/%s holds no choice", path);
	memcpy(choice, open + 1, (size_t)(close - open) - 1);
	choice[close - open - 1] = '\0';
	return 0;
}

int host_write_text(int root_fd, const char *path, const char *text, struct err **err)
{
	_cleanup_close_ int fd = openat(root_fd, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "open /%s", path);

	ssize_t n = write(fd, text, len);

	if (n < 0)
		return err_set(err, err_code_from_errno(errno), errno, "write %s to /%s", text,
			       path);
	if ((size_t)n < len)
		return err_set(err, ERR_FAILED, 0, "/%s took only a part of %s", path, text);
	return 0;
}

bool host_exists(int root_fd, const char *path)
{
	return faccessat(root_fd, path, F_OK, 0) == 0;
}

bool host_writable(int root_fd, const char *path)
{
	return faccessat(root_fd, path, R_OK | W_OK, AT_EACCESS) == 0;
}
