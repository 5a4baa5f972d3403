/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel samepage merging: what its thread does, and what a process has of it
 * (Documentation/admin-guide/mm/ksm.rst).
 *
 * Figures that this kernel doesn't have are HOST_UNKNOWN (host/fields.h).
 */
#ifndef LODGE_HOST_KSM_H
#define LODGE_HOST_KSM_H

#include <stdint.h>
#include <sys/types.h>

struct err;

/* What switches the thread on. */
#define HOST_KSM_RUN_PATH "sys/kernel/mm/ksm/run"

struct host_ksm {
	uint64_t run;		 /* 0 stopped, 1 runs, 2 stopped and everything un-merged */
	uint64_t pages_to_scan;	 /* pages before the thread sleeps */
	uint64_t sleep_ms;	 /* and for how long it does */
	uint64_t full_scans;	 /* how often all of what may be merged was looked at */
	uint64_t pages_shared;	 /* pages that stand for others too */
	uint64_t pages_sharing;	 /* pages that would be there without them: what is saved */
	uint64_t pages_unshared; /* pages that were looked at and are unique */
	uint64_t pages_volatile; /* pages that change too often to be merged */
	uint64_t pages_skipped;	 /* pages that smart scan passed over (6.7) */
	uint64_t zero_pages;	 /* pages replaced by the kernel's zero page (6.6) */
	uint64_t use_zero_pages; /* whether they are */
	int64_t general_profit;	 /* bytes saved less bytes of KSM's own (6.4) */
	char advisor[16];	 /* "none" or "scan-time" (6.8), or "" */
};

/* ENOENT if this kernel has no KSM. */
int host_read_ksm(int root_fd, struct host_ksm *ret_ksm, struct err **err);

struct host_ksm_process {
	uint64_t rmap_items;	/* pages that KSM keeps track of (5.19) */
	uint64_t zero_pages;	/* pages replaced by the kernel's zero page (6.6) */
	uint64_t merging_pages; /* pages that KSM has merged; those un-merged since the thread's
				 * last scan count still */
	int64_t profit;		/* bytes saved less bytes of KSM's own (6.4) */
};

/* Never fails: what can't be read is unknown. */
void host_read_ksm_process(int root_fd, pid_t pid, struct host_ksm_process *ret_ksm);

#endif
