/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's memory at one moment, all of it: what `lodge host` and `lodge top` show, and what a
 * governor's policy decides on. A plain struct, so that tests can make any host.
 */
#ifndef LODGE_HOST_VIEW_H
#define LODGE_HOST_VIEW_H

#include <stdbool.h>

#include "host/ksm.h"
#include "host/meminfo.h"
#include "host/psi.h"
#include "host/zswap.h"

struct err;

struct host_view {
	struct host_meminfo memory;
	struct host_swap swap;
	bool has_zswap; /* this kernel has it, whether or not it's on */
	struct host_zswap zswap;
	bool has_ksm;
	struct host_ksm ksm;
	char thp[16];	    /* "always", "madvise", "never"; "" if this kernel has none */
	char thp_shmem[16]; /* the same for memfd: also "within_size", "advise", "deny", "force" */
	bool has_psi;
	struct host_psi psi; /* of memory */
};

/* Fails only without /proc/meminfo or /proc/swaps. */
int host_read_view(int root_fd, struct host_view *ret_view, struct err **err);

#endif
