/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole reads and writes on descriptors, and small files read at once.
 *
 * All of them go on after EINTR. Descriptors in non-blocking mode are waited for.
 */
#ifndef LODGE_BASE_FDIO_H
#define LODGE_BASE_FDIO_H

#include <stddef.h>

struct err;

/* Reads until len bytes are there or the input ends; *ret_n is how many came. */
int fdio_read(int fd, void *buf, size_t len, size_t *ret_n, struct err **err);

/* Writes all of buf. A closed pipe is an error here only if SIGPIPE is ignored. */
int fdio_write(int fd, const void *buf, size_t len, struct err **err);

/* Reads the whole file at path, relative to dirfd (AT_FDCWD for the working directory), into a new
 * string, which the caller frees. It ends with a NUL that *ret_len (NULL if it isn't wanted)
 * doesn't count. More than max bytes is ERR_USAGE; an error of the kernel carries its errno. */
int fdio_read_file(int dirfd, const char *path, size_t max, char **ret_text, size_t *ret_len,
		   struct err **err);

#endif
