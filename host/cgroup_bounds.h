/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bounds a control group's memory, and how often it came to that
 * (Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files").
 *
 * group is its path without a leading slash, as in host/reclaim.h.
 */
#ifndef LODGE_HOST_CGROUP_BOUNDS_H
#define LODGE_HOST_CGROUP_BOUNDS_H

#include <stdint.h>

struct err;

/* Bytes; UINT64_MAX is the word max. */
struct host_cgroup_bounds {
	uint64_t min;  /* the kernel never takes from below it */
	uint64_t low;  /* the kernel takes from below it last */
	uint64_t high; /* beyond it the group's processes are throttled */
	uint64_t max;  /* it never has more */
};

/* Numbers since the group was made; HOST_UNKNOWN (host/fields.h) where this kernel doesn't say. */
struct host_cgroup_events {
	uint64_t low;	   /* it was taken from below memory.low */
	uint64_t high;	   /* it was throttled at memory.high */
	uint64_t max;	   /* it was about to go over memory.max */
	uint64_t oom;	   /* there was nothing left to take, and an allocation failed */
	uint64_t oom_kill; /* processes of it that were killed for want of memory */
};

int host_read_cgroup_bounds(int root_fd, const char *group, struct host_cgroup_bounds *ret_bounds,
			    struct err **err);
int host_read_cgroup_events(int root_fd, const char *group, struct host_cgroup_events *ret_events,
			    struct err **err);

#endif
