/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sense: what the governor decides on, as one plain struct, filled from the kernel and the runtime
 * directory.
 *
 * No guest is asked for anything: what is needed of it is in its config.json, so looking at a
 * guest never wakes its VM process.
 */
#ifndef LODGE_GOVERN_VIEW_H
#define LODGE_GOVERN_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "govern/ksm_knobs.h"
#include "ledger/ledger.h"
#include "machine/config.h"

struct err;

struct govern_guest {
	char name[VM_NAME_MAX + 1];
	uint64_t memory;     /* bytes of RAM that it sees */
	uint64_t started_ns; /* when its directory was filled, CLOCK_REALTIME */
	bool merge;
};

struct govern_view {
	uint64_t now_ms; /* CLOCK_BOOTTIME */
	struct govern_guest *guests;
	size_t n_guests;

	bool has_ledger; /* something can be promised on this host */
	struct ledger ledger;

	bool has_ksm;
	uint64_t knobs[KSM_KNOBS]; /* HOST_UNKNOWN: this kernel has no such setting */
	uint64_t full_scans;	   /* how often KSM has looked at everything */
	uint64_t pages_saved;	   /* pages that merging spares now */
	uint64_t pages_tracked;	   /* pages that a full scan looks at, as far as it has been */
	uint64_t ksmd_ms;	   /* CPU time of KSM's thread, ms; HOST_UNKNOWN if it isn't seen */
};

/* Guests are those of this user's runtime directory (api/rundir.h). *ksmd_pid is 0 at first, and
 * then the thread that was found, kept for the next call. Fails only if the runtime directory can't
 * be read. */
int govern_view_read(int root_fd, pid_t *ksmd_pid, struct govern_view *ret_view, struct err **err);
void govern_view_clear(struct govern_view *view);

#endif
