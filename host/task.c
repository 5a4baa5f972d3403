/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks, as /proc shows them: see task.h. */
#include "host/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

enum { FLAG_KTHREAD = 0x00200000 }; /* PF_KTHREAD of linux/sched.h */

struct stat_line {
	char name[64];
	uint64_t flags;
	uint64_t user_ticks;
	uint64_t system_ticks;
};

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* The fields that are wanted, as proc_pid_stat(5) counts them. */
enum { FIELD_FLAGS = 9, FIELD_USER = 14, FIELD_SYSTEM = 15 };

/* What follows the name: a letter, and numbers of which those before the flags may be negative. */
static bool read_fields(const char *p, struct stat_line *stat)
{
	uint64_t value = 0;

	for (int field = 3; field <= FIELD_SYSTEM; field++) {
		p += strspn(p, " ");
		if (field >= FIELD_FLAGS && !host_scan_number(&p, &value))
			return false;
		p += strcspn(p, " ");
		if (field == FIELD_FLAGS)
			stat->flags = value;
		if (field == FIELD_USER)
			stat->user_ticks = value;
		if (field == FIELD_SYSTEM)
			stat->system_ticks = value;
	}
	return true;
}

/* "37 (ksmd) S 2 0 ...": the name may hold anything, so the last parenthesis ends it. */
static int read_stat(int root_fd, pid_t pid, struct stat_line *ret_stat, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	struct stat_line stat = { 0 };
	char path[32];

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;

	const char *open = strchr(text, '(');
	const char *close = strrchr(text, ')');

	if (!open || !close || close < open || !read_fields(close + 1, &stat))
		return err_set(err, ERR_FAILED, 0, "/%s has an unknown form", path);
	snprintf(stat.name, sizeof(stat.name), "%.*s", (int)(close - open - 1), open + 1);
	*ret_stat = stat;
	return 0;
}

int host_find_kthread(int root_fd, const char *name, pid_t *ret_pid, struct err **err)
{
	_cleanup_close_ int fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return err_set(err, err_code_from_errno(errno), errno, "/proc");
	take_fd(fd); /* it's dir's now */
	while ((entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct stat_line stat = { 0 };

		/* One that has just ended is passed over. */
		if (pid <= 0 || read_stat(root_fd, pid, &stat, NULL) < 0)
			continue;
		if ((stat.flags & FLAG_KTHREAD) && strcmp(stat.name, name) == 0) {
			*ret_pid = pid;
			return 0;
		}
	}
	return err_set(err, ERR_FAILED, ENOENT, "the kernel's thread %s", name);
}

int host_read_cpu_time(int root_fd, pid_t pid, uint64_t *ret_ms, struct err **err)
{
	struct stat_line stat = { 0 };

	if (read_stat(root_fd, pid, &stat, err) < 0)
		return -1;
	*ret_ms = (stat.user_ticks + stat.system_ticks) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	return 0;
}
