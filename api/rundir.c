/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime directory: see rundir.h. */
#include "api/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/guest_cgroup.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "machine/config.h"

#define CLAIM_FILE ".lock"
#define LOCK_FILE  "lock"

enum { BACKLOG = 64 };

struct rundir {
	char *name;
	char *path; /* ROOT/NAME, for messages */
	int root_fd;
	int claim_fd; /* ROOT/.lock, kept open so that removing needs no open() */
	int dir_fd;
	int lock_fd; /* holds the lock that says that the guest is alive */
};

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int fail(struct err **err, int errnum, const char *what)
{
	err_set(err, err_code_from_errno(errnum), errnum, "%s", what);
	return -1;
}

static int no_guest(const char *name, struct err **err)
{
	return err_set(err, ERR_NOT_FOUND, 0, "no guest named %s", name);
}

static int check_absolute(const char *variable, const char *path, struct err **err)
{
	if (path[0] != '/')
		return err_set(err, ERR_USAGE, 0, "%s must be an absolute path, not \"%s\"",
			       variable, path);
	return 0;
}

int rundir_root(char **ret_path, struct err **err)
{
	const char *chosen = getenv("LODGE_RUNTIME_DIR");
	const char *session = getenv("XDG_RUNTIME_DIR");
	char *path = NULL;

	if (chosen && *chosen) {
		if (check_absolute("LODGE_RUNTIME_DIR", chosen, err) < 0)
			return -1;
		path = strdup(chosen);
	} else if (geteuid() == 0) {
		path = strdup("/run/lodge");
	} else if (session && *session) {
		if (check_absolute("XDG_RUNTIME_DIR", session, err) < 0)
			return -1;
		if (asprintf(&path, "%s/lodge", session) < 0)
			path = NULL;
	} else {
		err_set(err, ERR_USAGE, 0,
			"no runtime directory: XDG_RUNTIME_DIR isn't set; set LODGE_RUNTIME_DIR to "
			"a directory of your own");
		return -1;
	}
	if (!path)
		return fail(err, ENOMEM, "runtime directory");
	*ret_path = path;
	return 0;
}

int rundir_path(const char *name, const char *file, char **ret_path, struct err **err)
{
	_cleanup_free_ char *root = NULL;
	char *path = NULL;

	if (vm_name_check(name, err) < 0 || rundir_root(&root, err) < 0)
		return -1;
	if (asprintf(&path, "%s/%s%s%s", root, name, file ? "/" : "", file ? file : "") < 0)
		return fail(err, ENOMEM, "runtime directory");
	*ret_path = path;
	return 0;
}

static int open_dir(int at_fd, const char *name, int flags)
{
	return openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
}

/* An open ROOT. *ret_fd is -1 if there is none: then no guest is running. */
static int open_root(int *ret_fd, struct err **err)
{
	_cleanup_free_ char *root = NULL;

	if (rundir_root(&root, err) < 0)
		return -1;

	int fd = open_dir(AT_FDCWD, root, 0);

	if (fd < 0 && errno != ENOENT)
		return fail(err, errno, root);
	*ret_fd = fd;
	return 0;
}

/* An open ROOT that only this user can write to, made if need be. */
static int make_root(int *ret_fd, struct err **err)
{
	_cleanup_free_ char *root = NULL;
	struct stat status;

	if (rundir_root(&root, err) < 0)
		return -1;
	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return fail(err, errno, root);

	_cleanup_close_ int fd = open_dir(AT_FDCWD, root, 0);

	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(err, errno, root);
	if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, ERR_DENIED, 0,
			       "%s must belong to you and be writable by nobody else: mend it, or "
			       "set LODGE_RUNTIME_DIR to a directory of your own",
			       root);
	*ret_fd = take_fd(fd);
	return 0;
}

int rundir_open_root(bool make, int *ret_fd, struct err **err)
{
	return make ? make_root(ret_fd, err) : open_root(ret_fd, err);
}

/* Takes or gives up a lock of this open file description; cmd is F_OFD_SETLK or F_OFD_SETLKW. */
static int set_lock(int fd, int cmd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int rc;

	do
		rc = fcntl(fd, cmd, &lock);
	while (rc < 0 && errno == EINTR);
	return rc;
}

/* Opens ROOT/.lock and takes it. Closing gives it up. */
static int claim_root(int root_fd, int *ret_fd, struct err **err)
{
	_cleanup_close_ int fd = openat(root_fd, CLAIM_FILE,
					O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || set_lock(fd, F_OFD_SETLKW, F_WRLCK) < 0)
		return fail(err, errno, "runtime directory: " CLAIM_FILE);
	*ret_fd = take_fd(fd);
	return 0;
}

/* Whether somebody holds the lock in a guest's directory. */
static int is_alive(int dir_fd, bool *ret_alive, struct err **err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_close_ int fd = openat(dir_fd, LOCK_FILE,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT) {
		*ret_alive = false;
		return 0;
	}
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return fail(err, errno, "runtime directory: " LOCK_FILE);
	*ret_alive = lock.l_type != F_UNLCK;
	return 0;
}

/* The control group of a VM process that couldn't remove it itself. */
static void clear_cgroup(int dir_fd)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, RUNDIR_CGROUP, path, sizeof(path) - 1);

	if (n < 0)
		return;
	path[n] = '\0';
	guest_cgroup_reap(path);
}

/* Removes a guest's directory and what is in it. ROOT/.lock is held. */
static int clear(int root_fd, const char *name, int dir_fd)
{
	_cleanup_close_ int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	_cleanup_(cleanup_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return -1;
	take_fd(fd);
	clear_cgroup(dir_fd);
	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dir_fd, entry->d_name, 0);
	return unlinkat(root_fd, name, AT_REMOVEDIR);
}

/* Clears a guest's directory unless the guest is alive. ROOT/.lock is held. */
static int clear_if_dead(int root_fd, const char *name, bool *ret_alive, struct err **err)
{
	_cleanup_close_ int dir_fd = open_dir(root_fd, name, O_NOFOLLOW);
	bool alive = false;

	if (dir_fd < 0 && errno == ENOENT) {
		*ret_alive = false;
		return 0;
	}
	if (dir_fd < 0)
		return fail(err, errno, "runtime directory");
	if (is_alive(dir_fd, &alive, err) < 0)
		return -1;
	if (!alive && clear(root_fd, name, dir_fd) < 0)
		return fail(err, errno, "clear what a dead guest left");
	*ret_alive = alive;
	return 0;
}

static int reap(int root_fd, const char *name, bool *ret_alive, struct err **err)
{
	_cleanup_close_ int claim_fd = -1;

	if (claim_root(root_fd, &claim_fd, err) < 0 ||
	    clear_if_dead(root_fd, name, ret_alive, err) < 0)
		return err_wrap(err, "guest %s", name);
	return 0;
}

int rundir_reap(const char *name, struct err **err)
{
	_cleanup_close_ int root_fd = -1;
	bool alive = false;

	if (vm_name_check(name, err) < 0 || open_root(&root_fd, err) < 0)
		return -1;
	return root_fd < 0 ? 0 : reap(root_fd, name, &alive, err);
}

/* Makes the directory and takes its lock. ROOT/.lock is held. */
static int make_dir(struct rundir *rundir, struct err **err)
{
	bool alive = false;

	if (clear_if_dead(rundir->root_fd, rundir->name, &alive, err) < 0)
		return err_wrap(err, "guest %s", rundir->name);
	if (alive)
		return err_set(err, ERR_EXISTS, 0, "a guest named %s is running", rundir->name);
	if (mkdirat(rundir->root_fd, rundir->name, 0700) < 0)
		return fail(err, errno, rundir->path);
	rundir->dir_fd = open_dir(rundir->root_fd, rundir->name, O_NOFOLLOW);
	if (rundir->dir_fd >= 0)
		rundir->lock_fd = openat(rundir->dir_fd, LOCK_FILE,
					 O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (rundir->lock_fd >= 0 && set_lock(rundir->lock_fd, F_OFD_SETLK, F_WRLCK) == 0)
		return 0;

	fail(err, errno, rundir->path);
	if (rundir->dir_fd < 0)
		unlinkat(rundir->root_fd, rundir->name, AT_REMOVEDIR);
	else
		clear(rundir->root_fd, rundir->name, rundir->dir_fd);
	return -1;
}

int rundir_create(const char *name, struct rundir **ret_rundir, struct err **err)
{
	if (vm_name_check(name, err) < 0)
		return -1;

	struct rundir *rundir = malloc(sizeof(*rundir));

	if (!rundir)
		return fail(err, errno, "runtime directory");
	*rundir = (struct rundir){
		.name = strdup(name), .root_fd = -1, .claim_fd = -1, .dir_fd = -1, .lock_fd = -1
	};
	if (!rundir->name)
		fail(err, errno, "runtime directory");
	if (!rundir->name || rundir_path(name, NULL, &rundir->path, err) < 0 ||
	    make_root(&rundir->root_fd, err) < 0 ||
	    claim_root(rundir->root_fd, &rundir->claim_fd, err) < 0 || make_dir(rundir, err) < 0) {
		rundir_free(rundir);
		return -1;
	}
	set_lock(rundir->claim_fd, F_OFD_SETLK, F_UNLCK);
	*ret_rundir = rundir;
	return 0;
}

void rundir_free(struct rundir *rundir)
{
	if (!rundir)
		return;
	cleanup_close(&rundir->lock_fd);
	cleanup_close(&rundir->dir_fd);
	cleanup_close(&rundir->claim_fd);
	cleanup_close(&rundir->root_fd);
	free(rundir->path);
	free(rundir->name);
	free(rundir);
}

/* Whether ROOT/NAME is still the directory that was claimed. */
static bool still_ours(const struct rundir *rundir)
{
	struct stat claimed;
	struct stat there;

	return fstat(rundir->dir_fd, &claimed) == 0 &&
	       fstatat(rundir->root_fd, rundir->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       claimed.st_dev == there.st_dev && claimed.st_ino == there.st_ino;
}

void rundir_remove(struct rundir *rundir)
{
	if (set_lock(rundir->claim_fd, F_OFD_SETLKW, F_WRLCK) < 0) {
		log_line("%s: lock: %s", rundir->path, strerror(errno));
		return;
	}
	if (still_ours(rundir) && clear(rundir->root_fd, rundir->name, rundir->dir_fd) < 0)
		log_line("%s: remove: %s", rundir->path, strerror(errno));
	set_lock(rundir->claim_fd, F_OFD_SETLK, F_UNLCK);
}

int rundir_create_file(struct rundir *rundir, const char *file, int *ret_fd, struct err **err)
{
	int fd = openat(rundir->dir_fd, file,
			O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "%s/%s", rundir->path, file);
	*ret_fd = fd;
	return 0;
}

int rundir_write_json(struct rundir *rundir, const char *file, const json_t *json, struct err **err)
{
	_cleanup_close_ int fd = -1;

	if (rundir_create_file(rundir, file, &fd, err) < 0)
		return -1;
	errno = 0;
	if (json_dumpfd(json, fd, JSON_INDENT(2)) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "%s/%s", rundir->path, file);
	return 0;
}

int rundir_link_cgroup(struct rundir *rundir, const char *path, struct err **err)
{
	if (symlinkat(path, rundir->dir_fd, RUNDIR_CGROUP) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "%s/%s", rundir->path,
			       RUNDIR_CGROUP);
	return 0;
}

void rundir_unlink_cgroup(struct rundir *rundir)
{
	unlinkat(rundir->dir_fd, RUNDIR_CGROUP, 0);
}

/* The address of a socket in a directory, which may lie deeper than an address can say. */
static struct sockaddr_un socket_address(int dir_fd, const char *file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir_fd, file);
	return address;
}

int rundir_listen(struct rundir *rundir, const char *file, int type, int *ret_fd, struct err **err)
{
	struct sockaddr_un address = socket_address(rundir->dir_fd, file);
	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* The mode of the socket before it is bound becomes that of its file. */
	if (fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "%s/%s", rundir->path, file);
	*ret_fd = take_fd(fd);
	return 0;
}

/* Nobody listens on the guest's socket: says why. */
static int explain_silence(int root_fd, const char *name, struct err **err)
{
	bool alive = false;

	if (reap(root_fd, name, &alive, err) < 0)
		return -1;
	if (!alive)
		return no_guest(name, err);
	return err_set(err, ERR_STATE, 0,
		       "guest %s is just starting or ending and doesn't listen: try again", name);
}

/* A socket whose connect() waits no longer than timeout_ms; -1 waits as long as it takes. */
static int patient_socket(int type, int timeout_ms)
{
	/* A time of 0 would wait for ever. */
	struct timeval patience = { .tv_sec = timeout_ms / 1000,
				    .tv_usec = timeout_ms % 1000 * 1000 + 1 };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd >= 0 && timeout_ms >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

static int connect_socket(int fd, int dir_fd, const char *file)
{
	struct sockaddr_un address = socket_address(dir_fd, file);
	int rc;

	do
		rc = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (rc < 0 && errno == EINTR);
	return rc;
}

int rundir_connect(const char *name, const char *file, int type, int timeout_ms, int *ret_fd,
		   struct err **err)
{
	_cleanup_close_ int root_fd = -1;
	_cleanup_close_ int dir_fd = -1;
	_cleanup_close_ int fd = -1;

	if (vm_name_check(name, err) < 0 || open_root(&root_fd, err) < 0)
		return -1;
	if (root_fd < 0)
		return no_guest(name, err);
	dir_fd = open_dir(root_fd, name, O_NOFOLLOW);
	if (dir_fd < 0 && errno == ENOENT)
		return no_guest(name, err);
	if (dir_fd >= 0)
		fd = patient_socket(type, timeout_ms);
	if (fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "guest %s", name);
	if (connect_socket(fd, dir_fd, file) == 0) {
		*ret_fd = take_fd(fd);
		return 0;
	}
	if (errno == ECONNREFUSED || errno == ENOENT)
		return explain_silence(root_fd, name, err);
	if (errno == EAGAIN)
		return err_set(err, ERR_TIMEOUT, 0, "guest %s doesn't answer", name);
	return err_set(err, err_code_from_errno(errno), errno, "guest %s: connect", name);
}

/* Names that grow one by one. */
struct names {
	char **names;
	size_t n;
};

static void cleanup_names(struct names *names)
{
	rundir_list_free(names->names, names->n);
}

static int add_name(struct names *list, const char *name, struct err **err)
{
	char **names = reallocarray(list->names, list->n + 1, sizeof(*names));

	if (!names)
		return fail(err, errno, "list of guests");
	list->names = names;
	names[list->n] = strdup(name);
	if (!names[list->n])
		return fail(err, errno, "list of guests");
	list->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the name of an entry of ROOT if it's a guest that is alive. */
static int list_entry(struct names *list, int root_fd, const char *name, struct err **err)
{
	_cleanup_close_ int dir_fd = -1;
	bool alive = false;

	if (vm_name_check(name, NULL) < 0)
		return 0;
	dir_fd = open_dir(root_fd, name, O_NOFOLLOW);
	if (dir_fd < 0)
		return 0;
	/* One that looks dead may be just being claimed: reap() looks again with the lock held. */
	if (is_alive(dir_fd, &alive, err) < 0 || (!alive && reap(root_fd, name, &alive, err) < 0))
		return err_wrap(err, "guest %s", name);
	return alive ? add_name(list, name, err) : 0;
}

int rundir_list(char ***ret_names, size_t *ret_n, struct err **err)
{
	_cleanup_(cleanup_names) struct names list = { 0 };
	_cleanup_(cleanup_dir) DIR *dir = NULL;
	_cleanup_close_ int root_fd = -1;
	const struct dirent *entry;

	if (open_root(&root_fd, err) < 0)
		return -1;
	if (root_fd >= 0 && !(dir = fdopendir(root_fd)))
		return fail(err, errno, "runtime directory");

	take_fd(root_fd); /* it's dir's now */
	while (dir && (entry = readdir(dir)))
		if (list_entry(&list, dirfd(dir), entry->d_name, err) < 0)
			return -1;
	if (list.n > 1)
		qsort(list.names, list.n, sizeof(*list.names), compare_names);
	*ret_names = list.names;
	*ret_n = list.n;
	list = (struct names){ 0 };
	return 0;
}

void rundir_list_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}
