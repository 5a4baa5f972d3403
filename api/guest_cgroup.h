/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's own control group: MOUNT/lodge.slice/NAME in the version 2 hierarchy (cgroups(7)).
 *
 * Everything that a guest costs is charged to it, since the VM process enters it before it takes
 * anything for the guest: RAM, page tables, KVM's memory, the process itself. Where there can't be
 * such a group (version 1, no right to make one) the guest runs without.
 *
 * The VM process removes its group itself, through descriptors that it opened at its start: it
 * moves to the hierarchy's root and removes the directory. The group of one that was killed is
 * found through the link in its runtime directory (RUNDIR_CGROUP) by whoever clears that
 * (guest_cgroup_reap()). Making, entering and removing are done under a lock on the slice's
 * directory (flock(2)), so that nobody removes a group that somebody is about to enter.
 */
#ifndef LODGE_API_GUEST_CGROUP_H
#define LODGE_API_GUEST_CGROUP_H

struct err;
struct guest_cgroup;

#define GUEST_CGROUP_SLICE "lodge.slice"

/* Moves this process into the group of the guest, which is made if need be. root_fd stands for
 * "/". Where that isn't possible *ret_cgroup has a reason instead of a path. ERR_EXISTS if the
 * group has processes in it: a guest of the same name with another runtime directory. */
int guest_cgroup_enter(int root_fd, const char *name, struct guest_cgroup **ret_cgroup,
		       struct err **err);
/* Moves this process out of the group, to the root of the hierarchy, and removes it. Opens nothing.
 * Failures are logged: there's nobody to return them to. */
void guest_cgroup_leave(struct guest_cgroup *cgroup);
/* Gives back memory and descriptors, nothing else. NULL is fine. */
void guest_cgroup_free(struct guest_cgroup *cgroup);

/* "lodge.slice/web", to be taken from where the hierarchy is mounted, or NULL; and then why. */
const char *guest_cgroup_path(const struct guest_cgroup *cgroup);
const char *guest_cgroup_reason(const struct guest_cgroup *cgroup);
/* The same as an absolute path. */
const char *guest_cgroup_full_path(const struct guest_cgroup *cgroup);

/* Removes the group of a guest that was killed; path is guest_cgroup_full_path(). A killed process
 * leaves its group last, so this waits a moment for that. One that is gone is fine, one that isn't
 * a guest's or has processes in it stays. */
void guest_cgroup_reap(const char *path);

#endif
