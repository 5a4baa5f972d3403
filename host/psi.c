/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure stall information: see psi.h. */
#include "host/psi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static bool read_line(const char *text, const char *kind, uint64_t *ret_us, unsigned *ret_avg10)
{
	const char *line = strstr(text, kind);
	const char *avg10 = line ? strstr(line, "avg10=") : NULL;
	const char *total = line ? strstr(line, "total=") : NULL;
	uint64_t percent;
	uint64_t hundredths;

	if (!avg10 || !total)
		return false;
	avg10 += strlen("avg10=");
	if (!host_scan_number(&avg10, &percent) || *avg10++ != '.' ||
	    !host_scan_number(&avg10, &hundredths))
		return false;
	total += strlen("total=");
	if (!host_scan_number(&total, ret_us))
		return false;
	*ret_avg10 = (unsigned)(percent * 100 + hundredths);
	return true;
}

enum { PATH_LEN = 512 };

static const char *host_file(const char *resource, char path[PATH_LEN])
{
	snprintf(path, PATH_LEN, "proc/pressure/%s", resource);
	return path;
}

static const char *group_file(const char *group, const char *resource, char path[PATH_LEN])
{
	snprintf(path, PATH_LEN, "%s/%s.pressure", group, resource);
	return path;
}

/* What to do about errors that don't say it themselves. */
static int explain(struct err **err)
{
	if (err && err_errno(*err) == EOPNOTSUPP)
		err_wrap(err, "pressure is off, and on with the kernel parameter psi=1");
	return -1;
}

static int read_file(int root_fd, const char *path, struct host_psi *ret_psi, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	struct host_psi psi;

	if (host_read_text(root_fd, path, &text, err) < 0)
		return explain(err);
	if (!read_line(text, "some ", &psi.some_us, &psi.some_avg10) ||
	    !read_line(text, "full ", &psi.full_us, &psi.full_avg10))
		return err_set(err, ERR_FAILED, 0, "/%s has an unknown form", path);
	*ret_psi = psi;
	return 0;
}

int host_read_psi(int root_fd, const char *resource, struct host_psi *ret_psi, struct err **err)
{
	char path[PATH_LEN];

	return read_file(root_fd, host_file(resource, path), ret_psi, err);
}

int host_read_group_psi(int root_fd, const char *group, const char *resource,
			struct host_psi *ret_psi, struct err **err)
{
	char path[PATH_LEN];

	return read_file(root_fd, group_file(group, resource, path), ret_psi, err);
}

static int arm(int fd, const char *path, const struct host_psi_trigger *trigger, struct err **err)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "some %u %u", trigger->stall_us, trigger->window_us);

	/* With its NUL: of /proc/pressure the kernel makes a NUL of the last byte it is given. */
	if (write(fd, line, (size_t)len + 1) == len + 1)
		return 0;
	if (errno == EINVAL)
		return err_set(
		    err, ERR_FAILED, errno,
		    "/%s doesn't take %s: windows are 500 ms to 10 s, and multiples of 2 s without CAP_SYS_RESOURCE",
		    path, line);
	return err_set(err, err_code_from_errno(errno), errno, "write %s to /%s", line, path);
}

int host_open_psi_trigger(int root_fd, const char *group, const struct host_psi_trigger *trigger,
			  int *ret_fd, struct err **err)
{
	char path[PATH_LEN];
	_cleanup_close_ int fd = openat(
	    root_fd, group ? group_file(group, "memory", path) : host_file("memory", path),
	    O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		err_set(err, err_code_from_errno(errno), errno, "open /%s", path);
		return explain(err);
	}
	if (arm(fd, path, trigger, err) < 0)
		return explain(err);
	*ret_fd = take_fd(fd);
	return 0;
}
