/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of unpacked kernels.
 *
 * A kernel that many guests boot is unpacked once. Each guest maps the result privately, and what
 * the guests don't write is then one copy in the host's page cache.
 *
 * The cache is a directory of this user: $LODGE_KERNEL_CACHE, else /var/cache/lodge/kernels for
 * root and ${XDG_CACHE_HOME:-~/.cache}/lodge/kernels for others. Guests trust what is in it, so it
 * is refused if anybody else owns it or may write to it.
 *
 * An entry's name says which file it was unpacked from: what stat(2) says of it and a hash of its
 * headers and of its payload's end. Reading all of the file at each start would cost more than
 * everything else that lodge does until the guest runs. An entry gets its name when it is complete
 * and on the disk, so one that is there is whole. Whoever makes an entry holds a lock on the
 * directory: guests that start together unpack once. Beyond KERNEL_CACHE_MAX the entries that
 * weren't used for longest go; guests that run on them keep their files.
 */
#ifndef LODGE_BOOT_KERNEL_CACHE_H
#define LODGE_BOOT_KERNEL_CACHE_H

#include <stdbool.h>

struct bzimage;
struct err;
struct file_id;

enum { KERNEL_CACHE_MAX = 16 };

/* Opens (read-only) the unpacked image of the bzImage behind fd, and makes it first if it isn't
 * there: *ret_made then is true. ERR_USAGE if the image is broken, ERR_NO_SPACE if there's no room
 * for it, ERR_DENIED or ERR_FAILED if there can be no cache. */
int kernel_cache_open(int fd, const struct file_id *id, const struct bzimage *image, int *ret_fd,
		      bool *ret_made, struct err **err);

/* Where the cache is, as a new string. ERR_FAILED if the environment doesn't say. */
int kernel_cache_path(char **ret_path, struct err **err);

#endif
