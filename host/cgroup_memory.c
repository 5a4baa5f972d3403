/* SPDX-License-Identifier: Apache-2.0 */
/* What a control group's memory is made of: see cgroup_memory.h. */
#include "host/cgroup_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

/* A line a hierarchy: "4:memory:/a" of version 1, "0::/a" of version 2. */
static const char *find_v2_line(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::/", strlen("0::/")) == 0)
			return line + strlen("0::");
	}
	return NULL;
}

int host_find_cgroup(int root_fd, pid_t pid, char path[HOST_CGROUP_PATH_MAX], struct err **err)
{
	_cleanup_free_ char *text = NULL;
	char file[64] = "proc/self/cgroup";

	if (pid != 0)
		snprintf(file, sizeof(file), "proc/%d/cgroup", (int)pid);
	if (host_read_text(root_fd, file, &text, err) < 0)
		return -1;

	const char *found = find_v2_line(text);
	size_t len = found ? strcspn(found, "\n") : 0;

	if (!found)
		return err_set(err, ERR_FAILED, ENOENT, "/%s names no version 2 group", file);
	if (len >= HOST_CGROUP_PATH_MAX)
		return err_set(err, ERR_FAILED, 0, "/%s: the group's path is too long", file);
	memcpy(path, found, len);
	path[len] = '\0';
	return 0;
}

#define FIELD(name, member)                                          \
	{                                                            \
		name, offsetof(struct host_cgroup_memory, member), 0 \
	}

static const struct host_field stat_fields[] = {
	FIELD("anon", anon),
	FIELD("file", file),
	FIELD("kernel", kernel),
	FIELD("kernel_stack", kernel_stack),
	FIELD("pagetables", page_tables),
	FIELD("sec_pagetables", kvm_page_tables),
	FIELD("percpu", percpu),
	FIELD("sock", sock),
	FIELD("vmalloc", vmalloc),
	FIELD("shmem", shmem),
	FIELD("zswap", zswap),
	FIELD("zswapped", zswapped),
	FIELD("unevictable", unevictable),
	FIELD("slab", slab),
	FIELD("workingset_refault_anon", refault_anon),
	FIELD("workingset_refault_file", refault_file),
	FIELD("pswpin", swapped_in),
	FIELD("pswpout", swapped_out),
	FIELD("pgmajfault", major_faults),
};

int host_read_cgroup_memory(int root_fd, const char *mount, const char *path,
			    struct host_cgroup_memory *ret_memory, struct err **err)
{
	_cleanup_free_ char *stat = NULL;
	struct host_cgroup_memory memory;
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s%s", mount, path);

	_cleanup_close_ int group_fd = openat(root_fd, directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (group_fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "/%s", directory);
	host_fields_clear(stat_fields, ARRAY_SIZE(stat_fields), &memory);
	if (host_read_number(group_fd, "memory.current", &memory.current, err) < 0 ||
	    host_read_text(group_fd, "memory.stat", &stat, err) < 0)
		return err_wrap(err, "/%s", directory);
	host_fields_take(stat, stat_fields, ARRAY_SIZE(stat_fields), &memory);
	memory.peak = host_read_known(group_fd, "memory.peak");
	memory.swap = host_read_known(group_fd, "memory.swap.current");
	*ret_memory = memory;
	return 0;
}
