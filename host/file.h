/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small files of /proc and /sys.
 *
 * Every reader of host/ takes root_fd, a directory that stands for "/" (the real one, or a recorded
 * tree in a test), and paths in it without a leading slash. A file that isn't there is an error
 * with err_errno() == ENOENT; one whose content isn't what the kernel writes is ERR_FAILED.
 */
#ifndef LODGE_HOST_FILE_H
#define LODGE_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { HOST_FILE_MAX = 4 << 20 }; /* bytes; /proc/PID/smaps is the longest that is read whole */

/* The whole file, without the newline at its end; the caller frees it. */
int host_read_text(int root_fd, const char *path, char **ret_text, struct err **err);

/* A file that holds one decimal number. */
int host_read_number(int root_fd, const char *path, uint64_t *ret_value, struct err **err);

/* The chosen word of a file that shows all of them: "madvise" of "always [madvise] never". */
int host_read_choice(int root_fd, const char *path, char *choice, size_t size, struct err **err);

/* Writes text to a file that is there, in one write(2), as the kernel's control files want it, and
 * without waiting for a reader. The error carries the kernel's errno. */
int host_write_text(int root_fd, const char *path, const char *text, struct err **err);

bool host_exists(int root_fd, const char *path);

/* May this process read and write it (with its effective rights)? */
bool host_writable(int root_fd, const char *path);

/* A number with decimal digits at *p, after blanks; *p moves behind it. */
bool host_scan_number(const char **p, uint64_t *ret_value);

#endif
