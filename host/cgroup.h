/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: where version 2 is mounted and what it controls (cgroups(7)). */
#ifndef LODGE_HOST_CGROUP_H
#define LODGE_HOST_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum host_controller {
	HOST_CONTROLLER_CPU = 1 << 0,
	HOST_CONTROLLER_IO = 1 << 1,
	HOST_CONTROLLER_MEMORY = 1 << 2,
	HOST_CONTROLLER_PIDS = 1 << 3,
};

struct host_cgroup {
	bool mounted;	      /* there is a version 2 hierarchy */
	bool v1_memory;	      /* memory is controlled by version 1 */
	char mount[256];      /* where, without the leading slash */
	unsigned controllers; /* at its root, enum host_controller */
	bool writable;	      /* this process may make groups at its root */
};

int host_read_cgroup(int root_fd, struct host_cgroup *ret_cgroup, struct err **err);

/* The enum host_controller of a file that lists controllers, cgroup.controllers or
 * cgroup.subtree_control. */
int host_read_controllers(int root_fd, const char *path, unsigned *ret_controllers,
			  struct err **err);

/* Hands those of the wanted controllers that the group at path has on to its children
 * (cgroup.subtree_control). Memory is an error if it can't be had; the others are gladly taken. */
int host_enable_controllers(int root_fd, const char *path, unsigned wanted, struct err **err);

/* A file that holds a number, or the word max, which is UINT64_MAX. */
int host_read_limit(int root_fd, const char *path, uint64_t *ret_limit, struct err **err);

#endif
