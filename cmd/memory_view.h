/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's memory, explained: where each page of it is, and what it costs beside (docs/memory.md).
 *
 * What a guest is comes from its VM process (the reply to the verb show); what its memory is comes
 * from the host's kernel, which counts pages as they are and not as lodge thinks they are. Only
 * what the guest gave up, which the kernel sees as absent like any page that nobody touched, is the
 * VM process's word.
 *
 * Bytes unless said otherwise; HOST_UNKNOWN (host/fields.h) where the kernel doesn't say.
 */
#ifndef LODGE_CMD_MEMORY_VIEW_H
#define LODGE_CMD_MEMORY_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cgroup_memory.h"
#include "host/ksm.h"
#include "host/process.h"
#include "host/smaps.h"

struct err;

struct memory_parts {
	/* RAM as the guest sees it, and the seven parts that always add up to it. */
	uint64_t guest;
	uint64_t private;	/* in RAM, this guest's alone */
	uint64_t page_cache;	/* in RAM, of the kernel's and initrd's files */
	uint64_t merged;	/* by KSM */
	uint64_t swapped;	/* out, zswap included */
	uint64_t ballooned;	/* given up to the balloon */
	uint64_t reported_free; /* given up as free, and not used again since */
	uint64_t untouched;	/* never used, or given back otherwise */

	/* Of them. */
	uint64_t resident;	    /* in RAM: private, page_cache, merged without merged_zero */
	uint64_t share;		    /* of resident, each page divided by how many map it */
	uint64_t page_cache_shared; /* of page_cache: mapped by other processes too */
	uint64_t merged_zero;	    /* of merged: the kernel's zero page, which takes no RAM */
	uint64_t zswapped;	    /* of swapped: compressed in RAM; the size before that */
	uint64_t huge;		    /* of private: in transparent huge pages */
	uint64_t hugetlb;	    /* of private: in huge pages of hugetlbfs */
	uint64_t locked;	    /* of resident: can't be swapped out */

	/* What it costs beside. */
	uint64_t vmm;		  /* the VM process's own, in RAM */
	uint64_t vmm_shared;	  /* of that: mapped by other processes too */
	uint64_t vmm_swapped;	  /* the VM process's own, swapped out */
	uint64_t page_tables;	  /* of the VM process */
	uint64_t kvm_page_tables; /* from guest-physical to host pages */
	uint64_t kernel_other;	  /* KVM's structures, stacks, sockets: the rest of the kernel's */
};

/* The balloon, and what the guest says of itself through it. */
struct memory_balloon {
	bool present; /* the guest has one */
	bool driver;  /* and drives it */
	uint64_t target;
	uint64_t actual;
	uint64_t reported;

	bool has_stats;
	uint64_t stats_age_ms;
	uint64_t free;
	uint64_t available;
	uint64_t total;
	uint64_t caches;
	uint64_t swap_in;      /* since the guest booted */
	uint64_t swap_out;     /* since the guest booted */
	uint64_t major_faults; /* a number */
	uint64_t minor_faults; /* a number */
};

/* Joins what the host's kernel says with what the guest gave up. Pure. cgroup is NULL if the guest
 * has no group of its own. */
void memory_parts_make(uint64_t guest, const struct host_vm_memory *memory,
		       const struct host_process_memory *process,
		       const struct host_ksm_process *ksm, const struct host_cgroup_memory *cgroup,
		       const struct memory_balloon *balloon, struct memory_parts *ret_parts);

/* The host as far as all guests have it in common; found once. */
struct memory_host {
	int root_fd; /* the caller's */
	bool has_cgroup;
	char cgroup_mount[256];
};
void memory_host_find(int root_fd, struct memory_host *ret_host);

struct memory_view {
	struct memory_parts parts;
	struct host_vm_memory memory;
	struct host_process_memory process;
	struct host_ksm_process ksm;
	bool has_cgroup; /* a group of the guest's own, with a memory controller */
	char cgroup_path[HOST_CGROUP_PATH_MAX];
	struct host_cgroup_memory cgroup;
	struct memory_balloon balloon;
};

/* show: what the VM process replied to the verb show. Fails if the process is gone, or another
 * user's. */
int memory_view_read(const struct memory_host *host, const json_t *show,
		     struct memory_view *ret_view, struct err **err);
void memory_view_clear(struct memory_view *view);

#endif
