/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: see cgroup.h. */
#include "host/cgroup.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

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

static unsigned read_controllers(const char *text)
{
	static const struct {
		const char *name;
		enum host_controller bit;
	} names[] = {
		{ "cpu", HOST_CONTROLLER_CPU },
		{ "io", HOST_CONTROLLER_IO },
		{ "memory", HOST_CONTROLLER_MEMORY },
		{ "pids", HOST_CONTROLLER_PIDS },
	};
	unsigned bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (has_word(text, names[i].name, " \n"))
			bits |= names[i].bit;
	return bits;
}

int host_read_cgroup(int root_fd, struct host_cgroup *ret_cgroup, struct err **err)
{
	_cleanup_free_ char *mounts = NULL;
	_cleanup_free_ char *controllers = NULL;
	struct host_cgroup cgroup = { 0 };
	char path[sizeof(cgroup.mount) + 32];
	char *save = NULL;

	if (host_read_text(root_fd, "proc/self/mounts", &mounts, err) < 0)
		return -1;
	for (const char *line = strtok_r(mounts, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		read_mount(line, &cgroup);
	if (cgroup.mounted) {
		snprintf(path, sizeof(path), "%s/cgroup.controllers", cgroup.mount);
		if (host_read_text(root_fd, path, &controllers, err) < 0)
			return -1;
		cgroup.controllers = read_controllers(controllers);
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroup.mount);
		cgroup.writable = host_writable(root_fd, path);
	}
	*ret_cgroup = cgroup;
	return 0;
}
