/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the kernel to take memory from a control group: memory.reclaim, since 5.19
 * (Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files").
 *
 * What is in the page cache is dropped or written back, what is anonymous goes to swap. Nothing
 * keeps the group from taking memory again at once, so how much was taken and how much less it has
 * afterwards are two numbers. Both are here, by the kernel's own count.
 */
#ifndef LODGE_HOST_RECLAIM_H
#define LODGE_HOST_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct host_group_usage {
	uint64_t current; /* bytes in RAM (memory.current) */
	uint64_t swap;	  /* bytes swapped out (memory.swap.current), 0 without swap */
	uint64_t taken;	  /* bytes that the kernel has ever taken (pgsteal of memory.stat) */
};

/* Whether the group has the file; group is its path without a leading slash. ERR_FAILED says what
 * it takes to have it, ERR_DENIED that this user may not write to it. */
int host_check_reclaim(int root_fd, const char *group, struct err **err);

int host_read_group_usage(int root_fd, const char *group, struct host_group_usage *ret_usage,
			  struct err **err);

/* Asks for bytes, in pieces, so that it ends soon after limit_ms if the kernel is slow, as when it
 * swaps to a slow disk. *ret_all: the kernel got as much as it was asked for. Getting less is no
 * error. */
int host_reclaim(int root_fd, const char *group, uint64_t bytes, unsigned limit_ms, bool *ret_all,
		 struct err **err);

#endif
