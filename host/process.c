/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes, as /proc shows them: see process.h. */
#include "host/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ _cleanup_(cleanup_dir)

static DIR *open_dir(int root_fd, const char *path)
{
	int fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* Does process pid have the file open? */
static bool holds(int root_fd, const char *pid, const struct stat *file)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%.16s/fd", pid);

	_cleanup_dir_ DIR *dir = open_dir(root_fd, path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_dev == file->st_dev &&
		    st.st_ino == file->st_ino)
			return true;
	}
	return false;
}

int host_find_holders(int root_fd, const char *path, pid_t pids[HOST_HOLDERS_MAX], size_t *ret_n,
		      struct err **err)
{
	struct stat file;

	if (fstatat(root_fd, path, &file, 0) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "%s", path);

	_cleanup_dir_ DIR *dir = open_dir(root_fd, "proc");

	if (!dir)
		return err_set(err, err_code_from_errno(errno), errno, "open /proc");

	const struct dirent *entry;
	size_t n = 0;

	while (n < HOST_HOLDERS_MAX && (entry = readdir(dir))) {
		const char *p = entry->d_name;
		uint64_t pid;

		if (!host_scan_number(&p, &pid) || *p || (pid_t)pid == getpid())
			continue;
		if (holds(root_fd, entry->d_name, &file))
			pids[n++] = (pid_t)pid;
	}
	*ret_n = n;
	return 0;
}

int host_read_process_memory(int root_fd, pid_t pid, struct host_process_memory *ret_memory,
			     struct err **err)
{
	static const struct host_field fields[] = {
		{ "VmRSS", offsetof(struct host_process_memory, rss), 0 },
		{ "VmPTE", offsetof(struct host_process_memory, page_tables), 0 },
		{ "VmSwap", offsetof(struct host_process_memory, swap), 0 },
	};
	_cleanup_free_ char *text = NULL;
	struct host_process_memory memory;
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/status", (int)pid);
	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;
	host_fields_clear(fields, ARRAY_SIZE(fields), &memory);
	host_fields_take(text, fields, ARRAY_SIZE(fields), &memory);
	*ret_memory = memory;
	return 0;
}
