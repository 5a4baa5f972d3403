/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: see cgroup.h. */
#include "host/cgroup.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

enum { CGROUP_PATH_MAX = 1024 };

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, separators);

		if (n == len && strncmp(list, word, n) == 0)
			return true;
		list += n;
		list += strspn(list, separators);
	}
	return false;
}

/* "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0" */
static void read_mount(const char *line, struct host_cgroup *cgroup)
{
	char where[sizeof(cgroup->mount) + 1];
	char type[32];
	char mount_options[512];

	if (sscanf(line, "%*s %256s %31s %511s", where, type, mount_options) != 3)
		return;
	if (strcmp(type, "cgroup") == 0 && has_word(mount_options, "memory", ","))
		cgroup->v1_memory = true;
	if (strcmp(type, "cgroup2") != 0 || cgroup->mounted || strlen(where) < 2)
		return;
	cgroup->mounted = true;
	snprintf(cgroup->mount, sizeof(cgroup->mount), "%s", where + 1);
}

static const struct {
	const char *name;
	enum host_controller bit;
} controller_names[] = {
	{ "cpu", HOST_CONTROLLER_CPU },
	{ "io", HOST_CONTROLLER_IO },
	{ "memory", HOST_CONTROLLER_MEMORY },
	{ "pids", HOST_CONTROLLER_PIDS },
};

int host_read_controllers(int root_fd, const char *path, unsigned *ret_controllers,
			  struct err **err)
{
	_cleanup_free_ char *text = NULL;
	unsigned bits = 0;

	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(controller_names); i++)
		if (has_word(text, controller_names[i].name, " \n"))
			bits |= controller_names[i].bit;
	*ret_controllers = bits;
	return 0;
}

static int read_controller_file(int root_fd, const char *group, const char *file,
				unsigned *ret_bits, struct err **err)
{
	char path[CGROUP_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	return host_read_controllers(root_fd, path, ret_bits, err);
}

/* One write is all or nothing to the kernel. */
static int enable(int root_fd, const char *group, unsigned bits, struct err **err)
{
	char path[CGROUP_PATH_MAX];
	char words[64] = "";
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(controller_names); i++)
		if (bits & controller_names[i].bit)
			used += (size_t)snprintf(words + used, sizeof(words) - used, "%s+%s",
						 used ? " " : "", controller_names[i].name);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
	return host_write_text(root_fd, path, words, err);
}

int host_enable_controllers(int root_fd, const char *path, unsigned wanted, struct err **err)
{
	unsigned there;
	unsigned enabled;

	if (read_controller_file(root_fd, path, "cgroup.controllers", &there, err) < 0 ||
	    read_controller_file(root_fd, path, "cgroup.subtree_control", &enabled, err) < 0)
		return -1;
	if (!(there & HOST_CONTROLLER_MEMORY))
		return err_set(err, ERR_FAILED, 0, "/%s has no memory controller", path);

	unsigned missing = wanted & there & ~enabled;

	if (missing == 0 || enable(root_fd, path, missing, NULL) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(controller_names); i++) {
		unsigned bit = missing & controller_names[i].bit;

		if (bit &&
		    enable(root_fd, path, bit, bit == HOST_CONTROLLER_MEMORY ? err : NULL) < 0 &&
		    bit == HOST_CONTROLLER_MEMORY)
			return -1;
	}
	return 0;
}

int host_read_cgroup(int root_fd, struct host_cgroup *ret_cgroup, struct err **err)
{
	_cleanup_free_ char *mounts = NULL;
	struct host_cgroup cgroup = { 0 };
	char path[CGROUP_PATH_MAX];
	char *save = NULL;

	if (host_read_text(root_fd, "proc/self/mounts", &mounts, err) < 0)
		return -1;
	for (const char *line = strtok_r(mounts, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		read_mount(line, &cgroup);
	if (cgroup.mounted) {
		if (read_controller_file(root_fd, cgroup.mount, "cgroup.controllers",
					 &cgroup.controllers, err) < 0)
			return -1;
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroup.mount);
		cgroup.writable = host_writable(root_fd, path);
	}
	*ret_cgroup = cgroup;
	return 0;
}

int host_read_limit(int root_fd, const char *path, uint64_t *ret_limit, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t limit = UINT64_MAX;

	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;

	const char *p = text;

	if (strcmp(text, "max") != 0 && (!host_scan_number(&p, &limit) || *p))
		return err_set(err, ERR_FAILED, 0, "/%s holds no limit", path);
	*ret_limit = limit;
	return 0;
}
