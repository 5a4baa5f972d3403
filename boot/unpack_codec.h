/* SPDX-License-Identifier: Apache-2.0 */
/* The formats that unpack.c knows, and the streams between which they work. Inside boot/ only. */
#ifndef LODGE_BOOT_UNPACK_CODEC_H
#define LODGE_BOOT_UNPACK_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { UNPACK_PIECE = 128 * 1024 }; /* bytes: the size of reads, and of decoders' output */

/* The packed bytes that are left. */
struct unpack_in {
	int fd;
	uint64_t offset;
	uint64_t left;
	uint8_t *piece; /* UNPACK_PIECE bytes */
};

/* The file that is written. */
struct unpack_out {
	int fd;
	uint64_t size; /* so far */
	uint64_t max;
	uint8_t *piece; /* UNPACK_PIECE bytes, of which fill are used */
	size_t fill;
};

/* The next piece of input, valid until the next call; *ret_len is 0 at the end. */
int unpack_next(struct unpack_in *in, const uint8_t **ret_data, size_t *ret_len, struct err **err);
/* Reads exactly len bytes into buf. */
int unpack_read(struct unpack_in *in, void *buf, size_t len, struct err **err);
/* Appends to the output; an error once it would be larger than out->max. */
int unpack_write(struct unpack_out *out, const uint8_t *data, size_t len, struct err **err);

struct unpack_codec {
	const char *name;
	const char *magic;
	size_t magic_len;
	/* The packed data ends in its own size field; else the kernel's build added one. */
	bool size_included;
	/* Reads a whole packed image and writes it unpacked. NULL: known by name only. */
	int (*decode)(struct unpack_in *in, struct unpack_out *out, struct err **err);
};

/* Ends with an entry without a name. */
extern const struct unpack_codec unpack_codecs[];

#endif
