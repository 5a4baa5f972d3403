/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bzImage: what distributions install as /boot/vmlinuz-*.
 *
 *   +-------------------+ 0
 *   | real-mode code    |   the setup header starts at 0x1f1, ends where byte 0x201 says;
 *   |                   |   at 0x202 is the magic "HdrS"
 *   +-------------------+ (setup_sects + 1) * 512
 *   | protected-mode    |   is loaded at pref_address; the 64-bit entry is 0x200 bytes into it.
 *   | code              |   It holds the payload: the packed vmlinux, and after it the size that
 *   |                   |   it unpacks to (4 bytes, little-endian)
 *   +-------------------+ + syssize * 16
 *   | a signature       |   not always
 *   +-------------------+
 *
 * Source: the Linux/x86 boot protocol, Documentation/arch/x86/boot.rst, versions 2.12 and later.
 */
#ifndef LODGE_BOOT_BZIMAGE_H
#define LODGE_BOOT_BZIMAGE_H

#include <stdint.h>

struct err;

enum {
	BZIMAGE_HEADER_OFFSET = 0x1f1, /* of the setup header, in the file and in boot_params */
	BZIMAGE_HEADER_MAX = 0x290 - 0x1f1, /* boot_params has room for no more */
	BZIMAGE_ENTRY64 = 0x200,	    /* from the start of the protected-mode code */
	BZIMAGE_RELEASE_MAX = 64,
};

/* What an image unpacks to at most: no kernel comes near, and a file that says more is broken. */
#define BZIMAGE_UNPACKED_MAX (UINT64_C(1) << 30)

struct bzimage {
	/* Bytes in the file, all within it. */
	uint64_t code_offset, code_size;
	uint64_t payload_offset, payload_size; /* the size field at its end included */
	uint64_t unpacked_size;		       /* 1 to BZIMAGE_UNPACKED_MAX */

	uint64_t pref_address;	  /* where the kernel wants to run, gpa */
	uint32_t init_size;	  /* bytes of RAM that it needs there until it knows better */
	uint32_t initrd_addr_max; /* the last byte of an initrd may be here, gpa */
	uint32_t cmdline_size;	  /* bytes, without the NUL */
	uint16_t protocol;	  /* 0x20f is 2.15 */

	char release[BZIMAGE_RELEASE_MAX]; /* "6.12.5-amd64"; empty if the image doesn't say */

	/* The setup header as it is in the file. */
	uint8_t header[BZIMAGE_HEADER_MAX];
	uint32_t header_size;
};

/* Reads and checks the headers. ERR_USAGE for a file that isn't a bzImage of a 64-bit kernel or
 * that is truncated. */
int bzimage_read(int fd, struct bzimage *ret_image, struct err **err);

#endif
