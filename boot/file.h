/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a guest boots from: opened once, read with bounds, and known again.
 *
 * A kernel or initrd is mapped into guests for as long as they live, so it matters whether the file
 * behind a descriptor is still what was checked: file_check_unchanged() says so.
 */
#ifndef LODGE_BOOT_FILE_H
#define LODGE_BOOT_FILE_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* What stat(2) says about a file's content; a write changes at least one of them. */
struct file_id {
	uint64_t device;
	uint64_t inode;
	uint64_t size; /* bytes */
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
};

/* Opens a regular file for reading. A file that isn't there or isn't regular is ERR_USAGE, one that
 * may not be read ERR_DENIED. The message doesn't name the path: the caller says what it is. */
int file_open(const char *path, int *ret_fd, struct file_id *ret_id, struct err **err);

int file_identify(int fd, struct file_id *ret_id, struct err **err);

/* ERR_FAILED if the file isn't what id says any more. */
int file_check_unchanged(int fd, const struct file_id *id, struct err **err);

/* Reads exactly len bytes; ERR_USAGE ("truncated") if the file ends before. */
int file_read(int fd, uint64_t offset, void *buf, size_t len, struct err **err);

#endif
