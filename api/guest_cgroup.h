/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's own control group: lodge.slice/NAME in the version 2 hierarchy (cgroups(7)), at its
 * root or in a group that was delegated to the user (ledger/place.h).
 *
 * Everything that a guest costs is charged to it, since the VM process is born in it: RAM, page
 * tables, KVM's memory, the process itself. (Moving a process into a group, which is the other way,
 * has the kernel wait for all of its CPUs.) Where there can't be such a group (version 1, no right
 * to make one) nothing can be promised, and only a guest of best effort runs.
 *
 * The VM process removes its group itself, through descriptors that it opened at its start: it
 * moves to the root of all groups, or under delegation to the slice's group for that (LEDGER_END),
 * and removes the directory. The group of one that was killed is
 * found through the link in its runtime directory (RUNDIR_CGROUP) by whoever clears that
 * (guest_cgroup_reap()), or by the next guest. Adding up what has been promised, making the group
 * and the fork are done under one lock on the slice's directory (flock(2)), and so is removing: so
 * nothing is promised twice, and nobody removes a group that somebody is about to enter.
 */
#ifndef LODGE_API_GUEST_CGROUP_H
#define LODGE_API_GUEST_CGROUP_H

#include <sys/types.h>

#include "ledger/promise.h"
#include "ledger/shares.h"

struct err;
struct guest_cgroup;

struct guest_cgroup_promise {
	struct promise promise;
	struct ledger_shares shares;
};

/* The guest's group, which is made if need be, with what the guest has been promised in it.
 * root_fd stands for "/". Holds the slice's lock until guest_cgroup_fork() or
 * guest_cgroup_discard().
 *
 * Errors: ERR_REFUSED if the promise can't be kept beside the others (ledger/ledger.h), ERR_EXISTS
 * if the group has processes in it: a guest of the same name with another runtime directory,
 * ERR_USAGE for an $LODGE_CGROUP that is no group. Where
 * there can't be a group it's an error too, but for a guest of best effort; there *ret_cgroup has a
 * reason instead of a path. */
int guest_cgroup_make(int root_fd, const char *name, const struct guest_cgroup_promise *asked,
		      struct guest_cgroup **ret_cgroup, struct err **err);
/* fork(2), with the child in the group. A child that can't be in it has a reason instead of a path.
 * The caller has no other threads. */
pid_t guest_cgroup_fork(struct guest_cgroup *cgroup);
/* Removes the group of a process that was never there, or is dead. */
void guest_cgroup_discard(struct guest_cgroup *cgroup);
/* Moves this process out of the group and removes that. Opens nothing.
 * Failures are logged: there's nobody to return them to. */
void guest_cgroup_leave(struct guest_cgroup *cgroup);
/* Gives back memory and descriptors, nothing else. NULL is fine. */
void guest_cgroup_free(struct guest_cgroup *cgroup);

/* "lodge.slice/web", or under delegation more in front of it, to be taken from where the hierarchy
 * is mounted, or NULL; and then why. */
const char *guest_cgroup_path(const struct guest_cgroup *cgroup);
const char *guest_cgroup_reason(const struct guest_cgroup *cgroup);
/* The same as an absolute path. */
const char *guest_cgroup_full_path(const struct guest_cgroup *cgroup);

/* Removes the group of a guest that was killed; path is guest_cgroup_full_path(). A killed process
 * leaves its group last, so this waits a moment for that. One that is gone is fine, one that isn't
 * a guest's or has processes in it stays. */
void guest_cgroup_reap(const char *path);

#endif
