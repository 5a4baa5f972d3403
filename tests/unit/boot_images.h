/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel images made up for tests: small, valid, and easy to break. */
#ifndef LODGE_TESTS_BOOT_IMAGES_H
#define LODGE_TESTS_BOOT_IMAGES_H

#include <stddef.h>
#include <stdint.h>

enum packing { PACK_GZIP, PACK_XZ, PACK_ZSTD, PACK_LZ4, PACK_BZIP2, PACK_JUNK };

struct bytes {
	uint8_t *data;
	size_t len;
};

/* A vmlinux as Linux's are laid out: code at 16 MiB in whole pages with an odd tail, data behind it
 * with a long stretch of zeros inside and zeros after it in memory, a PVH note (with_pvh), a build
 * salt note, and .init.scratch at its end. All content is a pattern. */
enum {
	VMLINUX_START = 0x1000000,
	VMLINUX_CODE_SIZE = 0x20123,
	VMLINUX_DATA = 0x1040000,
	VMLINUX_DATA_SIZE = 0x50000, /* in the file, .init.scratch not counted */
	VMLINUX_SCRATCH_SIZE = 0x20000,
	VMLINUX_SCRATCH = VMLINUX_DATA + VMLINUX_DATA_SIZE,
	VMLINUX_ENTRY = VMLINUX_START + 0x40,
};
struct bytes make_vmlinux(int with_pvh);

/* The payload of a bzImage: packed, and with the size behind it where the kernel's build adds it.
 */
struct bytes pack(enum packing packing, const uint8_t *data, size_t len);

/* A bzImage around a payload. Its protected-mode code is a pattern but for the payload. */
enum {
	BZ_SECTORS = 7,
	BZ_CODE = (BZ_SECTORS + 1) * 512,
	BZ_PAYLOAD = 0x400,
	BZ_INIT_SIZE = 0x200000
};
struct bytes make_bzimage(const struct bytes *payload);
/* The same in one step, around make_vmlinux(with_pvh). */
struct bytes make_kernel(enum packing packing, int with_pvh);

/* A descriptor of an anonymous file with these bytes. */
int bytes_fd(const void *data, size_t len);

#endif
