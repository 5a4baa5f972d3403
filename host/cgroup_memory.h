/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a control group's memory is made of (Documentation/admin-guide/cgroup-v2.rst, "Memory").
 *
 * memory.current = anon + file + kernel + sock + a rest: pages that the kernel has charged ahead of
 * their use, swap cache that nobody maps.
 */
#ifndef LODGE_HOST_CGROUP_MEMORY_H
#define LODGE_HOST_CGROUP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum { HOST_CGROUP_PATH_MAX = 256 }; /* with the NUL at its end */

/* The version 2 group of a process (0: this one), from the root of the hierarchy:
 * "/lodge.slice/web". ENOENT if it has none, as on a host with version 1 only. */
int host_find_cgroup(int root_fd, pid_t pid, char path[HOST_CGROUP_PATH_MAX], struct err **err);

/* Bytes unless said otherwise; HOST_UNKNOWN (host/fields.h) where this kernel doesn't say. */
struct host_cgroup_memory {
	uint64_t current; /* all of it */
	uint64_t peak;	  /* the most it ever was (5.19) */
	uint64_t swap;	  /* swapped out, what is in zswap included */

	uint64_t anon;
	uint64_t file;
	uint64_t kernel; /* (5.18) with page tables, stacks, slab and zswap's pool */
	uint64_t kernel_stack;
	uint64_t page_tables;
	uint64_t kvm_page_tables; /* second-level page tables (6.1) */
	uint64_t percpu;
	uint64_t sock; /* not in kernel */
	uint64_t vmalloc;
	uint64_t shmem;	   /* of file */
	uint64_t zswap;	   /* what zswap's pool takes, compressed (5.19) */
	uint64_t zswapped; /* what is in that, before it was compressed */
	uint64_t unevictable;
	uint64_t slab;
	uint64_t refault_anon; /* pages */
	uint64_t refault_file; /* pages */
	uint64_t major_faults; /* faults */
	uint64_t swapped_in;   /* pages (6.14) */
	uint64_t swapped_out;  /* pages (6.14) */
};

/* mount: where version 2 is (struct host_cgroup). ENOENT if the group has no memory controller, or
 * is the root, which has no figures of its own. */
int host_read_cgroup_memory(int root_fd, const char *mount, const char *path,
			    struct host_cgroup_memory *ret_memory, struct err **err);

#endif
