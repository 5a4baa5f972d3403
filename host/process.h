/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes, as /proc shows them (proc(5)). */
#ifndef LODGE_HOST_PROCESS_H
#define LODGE_HOST_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum { HOST_HOLDERS_MAX = 16 };

/* The processes other than this one that have the file at path open, at most HOST_HOLDERS_MAX.
 * Those that this user may not look into are passed over. */
int host_find_holders(int root_fd, const char *path, pid_t pids[HOST_HOLDERS_MAX], size_t *ret_n,
		      struct err **err);

/* What the kernel counts of a process's memory by itself, without a look at its pages; bytes,
 * HOST_UNKNOWN (host/fields.h) where it doesn't say. The counters are each CPU's own and are added
 * up only now and then: host/smaps.h is exact. */
struct host_process_memory {
	uint64_t rss;	      /* in RAM */
	uint64_t swap;	      /* swapped out */
	uint64_t page_tables; /* the page tables themselves */
};

int host_read_process_memory(int root_fd, pid_t pid, struct host_process_memory *ret_memory,
			     struct err **err);

#endif
