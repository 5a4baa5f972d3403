/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking a kernel's payload into a file.
 *
 * The payload is read and the image written piece by piece: memory is bounded by the format's own
 * window (at most UNPACK_WINDOW_MAX), whatever the file says. Stretches of zeros are not
 * written, so that the file has holes there.
 */
#ifndef LODGE_BOOT_UNPACK_H
#define LODGE_BOOT_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Bytes: what kernels are packed with needs up to 128 MiB. */
#define UNPACK_WINDOW_MAX (UINT64_C(192) << 20)

/* Finds the format of the payload at [offset, offset + len) of in_fd by its magic. *ret_name is its
 * name ("zstd"), or "an unknown format"; false if lodge can't unpack it. */
bool unpack_is_supported(int in_fd, uint64_t offset, uint64_t len, const char **ret_name);

/* Unpacks the payload at [offset, offset + len) of in_fd, which ends in the 4-byte size field that
 * the kernel's build appends, into out_fd from its start. size is what that field says: any other
 * outcome is an error. ERR_USAGE for a broken payload, ERR_NO_SPACE for a full disk. What is in
 * out_fd after a failure is undefined. */
int unpack_file(int in_fd, uint64_t offset, uint64_t len, int out_fd, uint64_t size,
		struct err **err);

#endif
