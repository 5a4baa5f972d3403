/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime directory: where running guests are found by their names.
 *
 *   ROOT/.lock          held while a name is claimed or cleared; never removed
 *   ROOT/.lodged.*      the governor's (govern/ksm_act.h)
 *   ROOT/NAME/lock      held by the VM process for as long as it lives
 *   ROOT/NAME/config.json, control.sock, console.sock, log
 *   ROOT/NAME/promise.json what `lodge set` has changed of its promise (api/promise_record.h)
 *   ROOT/NAME/cgroup    a link to the guest's control group (api/guest_cgroup.h), if it has one
 *
 * ROOT is $LODGE_RUNTIME_DIR, else /run/lodge for root, else $XDG_RUNTIME_DIR/lodge.
 *
 * A guest is alive exactly while somebody holds the lock of its directory. The lock belongs to an
 * open file description (fcntl(2), F_OFD_SETLK), so the kernel lets go of it however the VM process
 * ends, and whoever meets a directory without a holder clears it away. Names are claimed and
 * cleared only under ROOT/.lock, so a directory can't be cleared under a starting guest, nor twice.
 * Whether a lock is held is asked without taking it (F_OFD_GETLK), so that looking at guests never
 * gets in the way of starting one.
 *
 * Everything is opened when the name is claimed. Removing the directory opens nothing, so a VM
 * process that has given up the right to open files can still do it.
 */
#ifndef LODGE_API_RUNDIR_H
#define LODGE_API_RUNDIR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct err;
struct rundir;

#define RUNDIR_CONFIG  "config.json"
#define RUNDIR_CONTROL "control.sock"
#define RUNDIR_CONSOLE "console.sock"
#define RUNDIR_LOG     "log"
#define RUNDIR_CGROUP  "cgroup"
#define RUNDIR_PROMISE "promise.json"

/* The path of ROOT, to be freed. ERR_USAGE if there is none for this user. It need not exist. */
int rundir_root(char **ret_path, struct err **err);
/* ROOT/NAME, or ROOT/NAME/FILE if file isn't NULL; to be freed. For messages only: what is there
 * may change at any moment. */
int rundir_path(const char *name, const char *file, char **ret_path, struct err **err);

/* An open ROOT, which is made if need be and make is set; else *ret_fd may be -1, and no guest
 * runs. ERR_DENIED for one that others can write to. */
int rundir_open_root(bool make, int *ret_fd, struct err **err);

/* Claims a name: however many try at once, one gets it and the others ERR_EXISTS. ERR_USAGE for
 * what is no name, ERR_DENIED for a ROOT that others can write to. */
int rundir_create(const char *name, struct rundir **ret_rundir, struct err **err);
/* Closes this process's descriptors and leaves the directory alone. The lock is let go when every
 * process that inherited it has done so; so after fork(), the process that isn't to be the VM
 * process frees its copy. NULL is fine. */
void rundir_free(struct rundir *rundir);
/* Removes the directory, unless it isn't the one that was claimed any more. The claim itself stands
 * until rundir_free(), but the name is free. Failures are logged: there's nobody to return them to.
 */
void rundir_remove(struct rundir *rundir);

/* Makes a new file of mode 0600 in the directory, open for appending. */
int rundir_create_file(struct rundir *rundir, const char *file, int *ret_fd, struct err **err);
/* Writes a new file with a JSON value in it. */
int rundir_write_json(struct rundir *rundir, const char *file, const json_t *json,
		      struct err **err);
/* Makes the link RUNDIR_CGROUP, by which whoever clears the directory after the VM process was
 * killed finds the group to remove (guest_cgroup_reap()); and takes it back. */
int rundir_link_cgroup(struct rundir *rundir, const char *path, struct err **err);
void rundir_unlink_cgroup(struct rundir *rundir);
/* A new listening unix socket of mode 0600 in the directory, non-blocking. type is SOCK_STREAM or
 * SOCK_SEQPACKET. The length of ROOT doesn't matter. */
int rundir_listen(struct rundir *rundir, const char *file, int type, int *ret_fd, struct err **err);

/* Connects to a socket in NAME's directory; the descriptor blocks. Waits at most timeout_ms for the
 * other side to have room (-1: as long as it takes); then ERR_TIMEOUT. If the guest is dead, its
 * directory is cleared and the error is ERR_NOT_FOUND, "no guest named NAME"; a guest that is alive
 * but doesn't listen (it's just starting or ending) is ERR_STATE. */
int rundir_connect(const char *name, const char *file, int type, int timeout_ms, int *ret_fd,
		   struct err **err);

/* The names of the guests that are alive, sorted by bytes. What dead ones left is cleared on the
 * way. */
int rundir_list(char ***ret_names, size_t *ret_n, struct err **err);
void rundir_list_free(char **names, size_t n);

/* Clears NAME's directory if its guest is dead; otherwise does nothing. */
int rundir_reap(const char *name, struct err **err);

#endif
