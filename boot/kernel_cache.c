/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of unpacked kernels: see kernel_cache.h. */
#include "boot/kernel_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "boot/bzimage.h"
#include "boot/file.h"
#include "boot/unpack.h"

#define ENTRY_PREFIX "kernel-" /* what follows is the key */
#define ENTRY_FORMAT "1"       /* changes whenever entries are made differently */
#define UNFINISHED   "unfinished"

enum { HASHED = 4096, NAME_SIZE = 256 };

/* The bytes that tell two builds of a kernel apart, if their times don't: the version string's
 * offset and the sizes are in the headers, and the end of the payload depends on all of it. */
static int hash_ends(int fd, const struct bzimage *image, uint64_t *ret_hash, struct err **err)
{
	uint8_t bytes[2][HASHED];
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bit */
	size_t head = image->code_offset < HASHED ? image->code_offset : HASHED;
	size_t tail = image->payload_size < HASHED ? image->payload_size : HASHED;

	if (file_read(fd, 0, bytes[0], head, err) < 0 ||
	    file_read(fd, image->payload_offset + image->payload_size - tail, bytes[1], tail, err) <
		0)
		return -1;
	for (size_t i = 0; i < head; i++)
		hash = (hash ^ bytes[0][i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < tail; i++)
		hash = (hash ^ bytes[1][i]) * UINT64_C(0x100000001b3);
	*ret_hash = hash;
	return 0;
}

static int entry_name(int fd, const struct file_id *id, const struct bzimage *image,
		      char name[static NAME_SIZE], struct err **err)
{
	uint64_t hash;

	if (hash_ends(fd, image, &hash, err) < 0)
		return -1;
	snprintf(name, NAME_SIZE,
		 ENTRY_PREFIX ENTRY_FORMAT "-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64
					   ".%" PRIx32 "-%" PRIx64 ".%" PRIx32 "-%016" PRIx64,
		 id->device, id->inode, id->size, (uint64_t)id->mtime_s, id->mtime_ns,
		 (uint64_t)id->ctime_s, id->ctime_ns, hash);
	return 0;
}

int kernel_cache_path(char **ret_path, struct err **err)
{
	const char *own = getenv("LODGE_KERNEL_CACHE");
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int n;

	/* Relative paths in XDG variables are to be ignored: XDG Base Directory Specification. */
	if (own && *own)
		n = asprintf(&path, "%s", own);
	else if (geteuid() == 0)
		n = asprintf(&path, "/var/cache/lodge/kernels");
	else if (xdg && *xdg == '/')
		n = asprintf(&path, "%s/lodge/kernels", xdg);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.cache/lodge/kernels", home);
	else
		return err_set(err, ERR_FAILED, 0,
			       "no place for the kernel cache: HOME and LODGE_KERNEL_CACHE aren't "
			       "set");
	if (n < 0)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "kernel cache");
	*ret_path = path;
	return 0;
}

/* mkdir -p; path is changed on the way and back as it was afterwards. */
static int make_directories(char *path, struct err **err)
{
	for (char *p = path + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;

		char end = *p;

		*p = '\0';

		int r = mkdir(path, 0700);
		int errnum = errno;

		if (r < 0 && errnum != EEXIST) {
			struct stat st;

			/* A directory on a read-only file system says EROFS although it exists. */
			if (stat(path, &st) < 0)
				return err_set(err, err_code_from_errno(errnum), errnum,
					       "make directory %s", path);
		}
		*p = end;
		if (end == '\0')
			return 0;
	}
}

static int check_directory(int dir_fd, const char *path, struct err **err)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return err_set(err, ERR_FAILED, errno, "stat %s", path);
	if (st.st_uid != geteuid())
		return err_set(err, ERR_DENIED, 0, "%s belongs to user %u", path, st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, ERR_DENIED, 0, "%s: other users may write to it: chmod go-w %s",
			       path, path);
	return 0;
}

static int open_directory(int *ret_fd, struct err **err)
{
	_cleanup_free_ char *path = NULL;

	if (kernel_cache_path(&path, err) < 0 || !path || make_directories(path, err) < 0)
		return -1;

	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "open %s", path);
	if (check_directory(fd, path, err) < 0)
		return -1;
	*ret_fd = take_fd(fd);
	return 0;
}

/* The entry, or -1: something of this name that can't have been made here counts as missing. */
static int open_entry(int dir_fd, const char *name, uint64_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, name,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) || (uint64_t)st.st_size != size)
		return -1;

	/* What was used last is what the limit keeps, also where reading leaves no trace
	 * (noatime). On a read-only file system it can't be noted, and needn't. */
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };

	(void)futimens(fd, times);
	return take_fd(fd);
}

struct entry_age {
	char name[NAME_SIZE];
	struct timespec used;
};

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Finds how many entries there are, and the one other than keep that was used least lately. */
static size_t survey(DIR *dir, const char *keep, struct entry_age *oldest)
{
	size_t n = 0;
	struct dirent *d;

	oldest->name[0] = '\0';
	rewinddir(dir);
	while ((d = readdir(dir))) {
		struct stat st;

		if (strncmp(d->d_name, ENTRY_PREFIX, strlen(ENTRY_PREFIX)) != 0 ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		n++;
		if (strcmp(d->d_name, keep) == 0)
			continue;
		if (oldest->name[0] == '\0' || is_older(&st.st_atim, &oldest->used)) {
			snprintf(oldest->name, sizeof(oldest->name), "%s", d->d_name);
			oldest->used = st.st_atim;
		}
	}
	return n;
}

/* Removes the entries beyond the limit. A cache that can't be tidied works all the same. */
static void tidy(int dir_fd, const char *keep)
{
	struct entry_age oldest;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while (survey(dir, keep, &oldest) > KERNEL_CACHE_MAX && oldest.name[0])
		if (unlinkat(dir_fd, oldest.name, 0) < 0)
			break;
	closedir(dir);
}

/* Fills the file and gives it its name, in this order and each only if all before went well. */
static int make_complete(int dir_fd, const char *name, int out_fd, int fd, const struct file_id *id,
			 const struct bzimage *image, struct err **err)
{
	if (unpack_file(fd, image->payload_offset, image->payload_size, out_fd,
			image->unpacked_size, err) < 0 ||
	    file_check_unchanged(fd, id, err) < 0)
		return -1;
	/* Without this a crash of the host could leave a file of the right size and name that is
	 * zeros, and no guest would boot from it ever after. It costs once for each kernel. */
	if (fchmod(out_fd, 0400) < 0 || fdatasync(out_fd) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "write");
	if (renameat(dir_fd, UNFINISHED, dir_fd, name) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "rename");
	return 0;
}

/* With the lock held, so a file named UNFINISHED is what a process left that was killed. */
static int make_entry(int dir_fd, const char *name, int fd, const struct file_id *id,
		      const struct bzimage *image, struct err **err)
{
	if (unlinkat(dir_fd, UNFINISHED, 0) < 0 && errno != ENOENT)
		return err_set(err, err_code_from_errno(errno), errno, "remove %s", UNFINISHED);

	_cleanup_close_ int out_fd = openat(
	    dir_fd, UNFINISHED, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (out_fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "create");
	if (make_complete(dir_fd, name, out_fd, fd, id, image, err) < 0) {
		unlinkat(dir_fd, UNFINISHED, 0);
		return -1;
	}
	tidy(dir_fd, name);
	return 0;
}

static int lock_directory(int dir_fd, struct err **err)
{
	while (flock(dir_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(err, ERR_FAILED, errno, "lock");
	return 0;
}

static int cache_open(int fd, const struct file_id *id, const struct bzimage *image, int *ret_fd,
		      bool *ret_made, struct err **err)
{
	char name[NAME_SIZE];
	_cleanup_close_ int dir_fd = -1;

	if (open_directory(&dir_fd, err) < 0 || entry_name(fd, id, image, name, err) < 0)
		return -1;

	int entry = open_entry(dir_fd, name, image->unpacked_size);
	bool made = false;

	if (entry < 0) {
		/* The lock goes with the descriptor. Somebody may have made the entry while this
		 * process waited for it. */
		if (lock_directory(dir_fd, err) < 0)
			return -1;
		entry = open_entry(dir_fd, name, image->unpacked_size);
	}
	if (entry < 0) {
		if (make_entry(dir_fd, name, fd, id, image, err) < 0)
			return -1;
		/* Opened anew, read-only: a VM process must not hold a descriptor through which the
		 * kernel of all other guests could be changed. */
		entry = open_entry(dir_fd, name, image->unpacked_size);
		made = true;
	}
	if (entry < 0)
		return err_set(err, ERR_FAILED, 0, "%s vanished", name);
	*ret_fd = entry;
	*ret_made = made;
	return 0;
}

int kernel_cache_open(int fd, const struct file_id *id, const struct bzimage *image, int *ret_fd,
		      bool *ret_made, struct err **err)
{
	if (cache_open(fd, id, image, ret_fd, ret_made, err) < 0)
		return err_wrap(err, "kernel cache");
	return 0;
}
