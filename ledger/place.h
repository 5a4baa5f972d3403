/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the ledger is: in which group of the version 2 hierarchy lodge.slice is, or would be made.
 *
 *	$LODGE_CGROUP, a group by its path in the hierarchy, if it's set
 *	the hierarchy's root, for who may write there
 *	the highest of the groups above this process that this user may write to and that has the
 *	memory controller: one that was delegated to the user (cgroups(7), "Delegation")
 *	user@UID.service beside them, where the user's service manager is: the same group as seen
 *	from a login session, which isn't in it
 *
 * A group counts as the user's if its directory, cgroup.procs and cgroup.subtree_control can be
 * written to. Paths are as in ledger.h.
 */
#ifndef LODGE_LEDGER_PLACE_H
#define LODGE_LEDGER_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "ledger/ledger.h"

struct err;

struct ledger_place {
	char slice[LEDGER_SLICE_MAX];
	char parent[LEDGER_SLICE_MAX]; /* the group that the slice is in */
	size_t mount_len;	       /* how much of both is where the hierarchy is mounted */
	bool at_root; /* parent is the root of all groups, which has no limits and may have
		       * processes */
};

/* The place for this process to start guests in.
 *
 * Errors: ERR_FAILED if nothing can be promised here, or the group has processes in it and so can't
 * hand its controllers on; ERR_DENIED if this user may write to no group, or this process can't
 * come into it from where it is; ERR_USAGE for an $LODGE_CGROUP that is no group. */
int ledger_find_own(int root_fd, struct ledger_place *ret_place, struct err **err);

#endif
