/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's own control group: see guest_cgroup.h. */
#include "api/guest_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "ledger/ledger.h"
#include "ledger/place.h"

/* What guests are to be accounted for and limited by. */
enum {
	CONTROLLERS = HOST_CONTROLLER_CPU | HOST_CONTROLLER_IO | HOST_CONTROLLER_MEMORY |
		      HOST_CONTROLLER_PIDS,
};

/* How long a group that still has a dying process in it is waited for. */
enum { REMOVE_TRIES = 200, REMOVE_AGAIN_MS = 10 };

struct guest_cgroup {
	char *name;
	struct ledger_place place;
	char *full_path;  /* NULL: there is no group */
	const char *path; /* a part of full_path */
	char *reason;
	int slice_fd;	  /* the slice's directory */
	int slice_min_fd; /* its memory.min, to be read and written */
	int group_min_fd; /* the group's memory.min, to be read */
	int group_fd;	  /* the group's, with O_PATH */
	int end_procs_fd; /* cgroup.procs of the group to end in, for writing */
};

static int fail(struct err **err, const char *path)
{
	return err_set(err, err_code_from_errno(errno), errno, "/%s", path);
}

/* The slice, with its controllers handed on to the guests' groups, a limit, and locked. */
static int open_slice(struct guest_cgroup *cgroup, int root_fd, struct err **err)
{
	const char *slice = cgroup->place.slice;
	char path[PATH_MAX];

	if (host_enable_controllers(root_fd, cgroup->place.parent, CONTROLLERS, err) < 0)
		return -1;
	if (mkdirat(root_fd, slice, 0755) < 0 && errno != EEXIST)
		return fail(err, slice);
	if (ledger_lock(root_fd, slice, &cgroup->slice_fd, err) < 0 ||
	    host_enable_controllers(root_fd, slice, CONTROLLERS, err) < 0 ||
	    ledger_limit_slice(root_fd, slice, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/memory.min", slice);
	cgroup->slice_min_fd = openat(root_fd, path, O_RDWR | O_CLOEXEC);
	return cgroup->slice_min_fd < 0 ? fail(err, path) : 0;
}

/* Where the VM process goes when it has left its group: the root of all groups, or where this user
 * has no right to that, a group of the slice in which processes only end. */
static int open_end(struct guest_cgroup *cgroup, int root_fd, struct err **err)
{
	const struct ledger_place *place = &cgroup->place;
	char path[PATH_MAX];

	if (!place->at_root) {
		snprintf(path, sizeof(path), "%s/" LEDGER_END, place->slice);
		if (mkdirat(root_fd, path, 0755) < 0 && errno != EEXIST)
			return fail(err, path);
	}
	snprintf(path, sizeof(path), "%s%s/cgroup.procs",
		 place->at_root ? place->parent : place->slice,
		 place->at_root ? "" : "/" LEDGER_END);
	cgroup->end_procs_fd = openat(root_fd, path, O_WRONLY | O_CLOEXEC);
	return cgroup->end_procs_fd < 0 ? fail(err, path) : 0;
}

/* The lock on the slice is held: whoever is in the group is there to stay. */
static int check_empty(int root_fd, const char *procs, const char *name, struct err **err)
{
	_cleanup_free_ char *processes = NULL;

	if (host_read_text(root_fd, procs, &processes, err) < 0)
		return -1;
	if (!*processes)
		return 0;
	return err_set(err, ERR_EXISTS, 0,
		       "a guest named %s is running with another runtime directory: process %.*s "
		       "is in its cgroup " LEDGER_SLICE "/%s",
		       name, (int)strcspn(processes, "\n"), processes, name);
}

static int check_name(int root_fd, const char *group, const char *name, struct err **err)
{
	char procs[PATH_MAX];

	if (!host_exists(root_fd, group))
		return 0;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", group);
	return check_empty(root_fd, procs, name, err);
}

static int open_group(struct guest_cgroup *cgroup, int root_fd, const char *group, struct err **err)
{
	cgroup->group_fd = openat(root_fd, group, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (cgroup->group_fd < 0)
		return fail(err, group);
	cgroup->group_min_fd = openat(cgroup->group_fd, "memory.min", O_RDONLY | O_CLOEXEC);
	return cgroup->group_min_fd < 0 ? fail(err, group) : 0;
}

/* The group, with the promise in it. */
static int make_group(struct guest_cgroup *cgroup, int root_fd, const struct ledger *ledger,
		      const struct guest_cgroup_promise *asked, struct err **err)
{
	const char *slice = cgroup->place.slice;
	const char *group = cgroup->full_path + 1;
	bool made = mkdirat(root_fd, group, 0755) == 0;

	if (!made && errno != EEXIST)
		return fail(err, group);

	if (ledger_write(root_fd, slice, cgroup->name, ledger, &asked->promise, err) == 0 &&
	    ledger_write_shares(root_fd, slice, cgroup->name, &asked->shares, made, err) == 0 &&
	    open_group(cgroup, root_fd, group, err) == 0)
		return 0;
	unlinkat(root_fd, group, AT_REMOVEDIR);
	return -1;
}

/* Everything that can fail; leaves what it opened in cgroup. */
static int try_to_make(struct guest_cgroup *cgroup, int root_fd,
		       const struct guest_cgroup_promise *asked, struct err **err)
{
	const char *slice = cgroup->place.slice;
	struct ledger ledger;

	if (ledger_find_own(root_fd, &cgroup->place, err) < 0)
		return -1;
	if (asprintf(&cgroup->full_path, "/%s/%s", slice, cgroup->name) < 0) {
		cgroup->full_path = NULL;
		return err_set(err, ERR_NO_SPACE, ENOMEM, "cgroup");
	}
	cgroup->path = cgroup->full_path + cgroup->place.mount_len + 2;
	if (open_slice(cgroup, root_fd, err) < 0 || open_end(cgroup, root_fd, err) < 0)
		return -1;
	ledger_sweep(root_fd, slice);
	if (check_name(root_fd, cgroup->full_path + 1, cgroup->name, err) < 0 ||
	    ledger_read_quickly(root_fd, slice, &ledger, err) < 0 ||
	    ledger_check(&ledger, &asked->promise, NULL, err) < 0)
		return -1;
	return make_group(cgroup, root_fd, &ledger, asked, err);
}

static void close_all(struct guest_cgroup *cgroup)
{
	int *fds[] = { &cgroup->slice_fd, &cgroup->slice_min_fd, &cgroup->group_min_fd,
		       &cgroup->group_fd, &cgroup->end_procs_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		cleanup_close(fds[i]);
		*fds[i] = -1;
	}
}

/* What is left of a try that failed: the reason. */
static void give_up(struct guest_cgroup *cgroup, const struct err *why)
{
	close_all(cgroup);
	free(take_ptr(cgroup->full_path));
	cgroup->path = NULL;
	cgroup->reason = strdup(err_message(why));
}

/* A guest of best effort runs without a group where there can't be one, unless it was to be
 * limited. */
static int refuse(const struct guest_cgroup_promise *asked, const struct err *why, struct err **err)
{
	enum err_code code = err_code(why);

	if (code == ERR_EXISTS || code == ERR_REFUSED || code == ERR_USAGE)
		return err_set(err, code, 0, "%s", err_message(why));
	if (asked->promise.best_effort && !asked->shares.cpu_limit && !asked->shares.zswap_limited)
		return 0;
	return err_set(err, code, 0,
		       asked->promise.best_effort
			   ? "it can't be limited without a cgroup of its own: %s"
			   : "nothing can be promised without a cgroup of its own: %s "
			     "(--best-effort runs a guest without promises)",
		       err_message(why));
}

int guest_cgroup_make(int root_fd, const char *name, const struct guest_cgroup_promise *asked,
		      struct guest_cgroup **ret_cgroup, struct err **err)
{
	_cleanup_err_ struct err *why = NULL;
	struct guest_cgroup *cgroup = malloc(sizeof(*cgroup));

	if (!cgroup)
		return err_set(err, ERR_NO_SPACE, errno, "cgroup");
	*cgroup = (struct guest_cgroup){
		.name = strdup(name),
		.slice_fd = -1,
		.slice_min_fd = -1,
		.group_min_fd = -1,
		.group_fd = -1,
		.end_procs_fd = -1,
	};
	if (!cgroup->name) {
		guest_cgroup_free(cgroup);
		return err_set(err, ERR_NO_SPACE, ENOMEM, "cgroup");
	}
	if (try_to_make(cgroup, root_fd, asked, &why) < 0) {
		if (refuse(asked, why, err) < 0) {
			guest_cgroup_free(cgroup);
			return -1;
		}
		give_up(cgroup, why);
	}
	*ret_cgroup = cgroup;
	return 0;
}

/* Waits until the last process has left. 0, or an errno. */
static int remove_group(int slice_fd, const char *name)
{
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (unlinkat(slice_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		poll(NULL, 0, REMOVE_AGAIN_MS);
	}
	return errno;
}

/* As fork() of the C library does it, which can't say where: a copy of this thread, that the
 * library finds its own id in. */
static pid_t fork_into(int group_fd)
{
	int *tid = NULL;
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)group_fd,
	};

	if (prctl(PR_GET_TID_ADDRESS, &tid) == 0 && tid) {
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		args.child_tid = (uintptr_t)tid;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* For a child that was born elsewhere. The lock is held. */
static void enter(struct guest_cgroup *cgroup)
{
	_cleanup_close_ int procs_fd = openat(cgroup->group_fd, "cgroup.procs",
					      O_WRONLY | O_CLOEXEC);
	_cleanup_err_ struct err *why = NULL;

	if (procs_fd >= 0 && write(procs_fd, "0", 1) == 1)
		return;
	err_set(&why, err_code_from_errno(errno), errno, "%s/cgroup.procs", cgroup->path);
	unlinkat(cgroup->slice_fd, cgroup->name, AT_REMOVEDIR);
	give_up(cgroup, why);
}

pid_t guest_cgroup_fork(struct guest_cgroup *cgroup)
{
	if (!cgroup->path)
		return fork();

	pid_t pid = fork_into(cgroup->group_fd);
	bool born_in_it = pid >= 0;

	if (!born_in_it) {
		/* Sandboxes have clone3(2) fail, whose arguments they can't see. */
		pid = fork();
		if (pid == 0)
			enter(cgroup);
	}

	/* Both have the lock, which is the open directory's. A child that enters by itself keeps it
	 * until then: an empty group is anybody's to remove. */
	int fork_errno = errno;

	if (pid <= 0 || born_in_it)
		flock(cgroup->slice_fd, LOCK_UN);
	errno = fork_errno;
	return pid;
}

static void lock_again(const struct guest_cgroup *cgroup)
{
	while (flock(cgroup->slice_fd, LOCK_EX) < 0 && errno == EINTR)
		;
}

static uint64_t read_protection(int group_min_fd)
{
	char text[32] = "";

	return pread(group_min_fd, text, sizeof(text) - 1, 0) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* Takes the group away, and from the slice what it protected. The lock is held. 0, or an errno. */
static int remove_entry(const struct guest_cgroup *cgroup)
{
	uint64_t protection = read_protection(cgroup->group_min_fd);
	int errnum = remove_group(cgroup->slice_fd, cgroup->name);

	if (errnum == 0)
		ledger_unprotect(cgroup->slice_min_fd, protection);
	return errnum;
}

void guest_cgroup_discard(struct guest_cgroup *cgroup)
{
	if (!cgroup->path)
		return;
	lock_again(cgroup);
	remove_entry(cgroup);
	flock(cgroup->slice_fd, LOCK_UN);
}

void guest_cgroup_leave(struct guest_cgroup *cgroup)
{
	if (!cgroup->path)
		return;
	lock_again(cgroup);
	if (write(cgroup->end_procs_fd, "0", 1) < 0) {
		log_line("leave the cgroup %s: %s", cgroup->path, strerror(errno));
	} else {
		int errnum = remove_entry(cgroup);

		if (errnum)
			log_line("remove the cgroup %s: %s", cgroup->path, strerror(errnum));
	}
	flock(cgroup->slice_fd, LOCK_UN);
}

void guest_cgroup_free(struct guest_cgroup *cgroup)
{
	if (!cgroup)
		return;
	close_all(cgroup);
	free(cgroup->full_path);
	free(cgroup->reason);
	free(cgroup->name);
	free(cgroup);
}

const char *guest_cgroup_path(const struct guest_cgroup *cgroup)
{
	return cgroup->path;
}

const char *guest_cgroup_full_path(const struct guest_cgroup *cgroup)
{
	return cgroup->full_path;
}

const char *guest_cgroup_reason(const struct guest_cgroup *cgroup)
{
	return cgroup->reason;
}

void guest_cgroup_reap(const char *path)
{
	static const char slice[] = "/" LEDGER_SLICE;
	_cleanup_free_ char *parent = strdup(path);
	_cleanup_close_ int slice_fd = -1;
	_cleanup_close_ int slice_min_fd = -1;
	_cleanup_close_ int group_fd = -1;
	_cleanup_close_ int group_min_fd = -1;
	char *name = parent ? strrchr(parent, '/') : NULL;

	if (!name || *path != '/')
		return;
	*name++ = '\0';

	size_t len = strlen(parent);

	if (len < strlen(slice) || strcmp(parent + len - strlen(slice), slice) != 0 ||
	    ledger_lock(AT_FDCWD, parent, &slice_fd, NULL) < 0)
		return;
	slice_min_fd = openat(slice_fd, "memory.min", O_RDWR | O_CLOEXEC);
	group_fd = openat(slice_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	group_min_fd = openat(group_fd, "memory.min", O_RDONLY | O_CLOEXEC);

	const struct guest_cgroup dead = {
		.name = name,
		.slice_fd = slice_fd,
		.slice_min_fd = slice_min_fd,
		.group_min_fd = group_min_fd,
	};

	remove_entry(&dead);
}
