/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats that Linux kernels are packed with, each through its own library.
 * Source: Linux, scripts/Makefile.lib (how the payload is made) and lib/decompress*.c.
 */
#include "boot/unpack_codec.h"

#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "boot/le.h"
#include "boot/unpack.h"

enum {
	LZ4_BLOCK = 8 << 20,   /* bytes unpacked; the legacy frame format fixes it */
	GZIP_WINDOW = 15 + 16, /* zlib: the largest window, and a gzip header is required */
};

static int broken(struct err **err)
{
	return err_set(err, ERR_USAGE, 0, "the packed data is broken");
}

static int no_memory(struct err **err)
{
	return err_set(err, ERR_NO_SPACE, ENOMEM, "a decoder");
}

static int gzip_run(z_stream *z, struct unpack_in *in, struct unpack_out *out, uint8_t *buf,
		    struct err **err)
{
	int rc = Z_OK;

	while (rc != Z_STREAM_END) {
		if (z->avail_in == 0) {
			const uint8_t *data;
			size_t len;

			if (unpack_next(in, &data, &len, err) < 0)
				return -1;
			z->next_in = (Bytef *)(uintptr_t)data;
			z->avail_in = (uInt)len;
		}
		z->next_out = buf;
		z->avail_out = UNPACK_PIECE;
		rc = inflate(z, Z_NO_FLUSH);
		if (rc == Z_MEM_ERROR)
			return no_memory(err);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return broken(err);
		if (unpack_write(out, buf, UNPACK_PIECE - z->avail_out, err) < 0)
			return -1;
	}
	return 0;
}

static int gzip_decode(struct unpack_in *in, struct unpack_out *out, struct err **err)
{
	_cleanup_free_ uint8_t *buf = malloc(UNPACK_PIECE);
	z_stream z = { 0 };

	if (!buf || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return no_memory(err);

	int r = gzip_run(&z, in, out, buf, err);

	inflateEnd(&z);
	return r;
}

static int xz_run(lzma_stream *s, struct unpack_in *in, struct unpack_out *out, uint8_t *buf,
		  struct err **err)
{
	lzma_ret rc = LZMA_OK;

	while (rc != LZMA_STREAM_END) {
		if (s->avail_in == 0 && unpack_next(in, &s->next_in, &s->avail_in, err) < 0)
			return -1;
		s->next_out = buf;
		s->avail_out = UNPACK_PIECE;
		rc = lzma_code(s, LZMA_RUN);
		if (rc == LZMA_MEM_ERROR)
			return no_memory(err);
		if (rc == LZMA_MEMLIMIT_ERROR)
			return err_set(err, ERR_NO_SPACE, 0, "it needs more than %u MiB to unpack",
				       (unsigned)(UNPACK_WINDOW_MAX >> 20));
		if (rc != LZMA_OK && rc != LZMA_STREAM_END)
			return broken(err);
		if (unpack_write(out, buf, UNPACK_PIECE - s->avail_out, err) < 0)
			return -1;
	}
	return 0;
}

static int xz_decode(struct unpack_in *in, struct unpack_out *out, struct err **err)
{
	_cleanup_free_ uint8_t *buf = malloc(UNPACK_PIECE);
	lzma_stream s = LZMA_STREAM_INIT;

	if (!buf || lzma_stream_decoder(&s, UNPACK_WINDOW_MAX, 0) != LZMA_OK)
		return no_memory(err);

	int r = xz_run(&s, in, out, buf, err);

	lzma_end(&s);
	return r;
}

static int zstd_run(ZSTD_DStream *z, struct unpack_in *in, struct unpack_out *out, uint8_t *buf,
		    struct err **err)
{
	for (;;) {
		ZSTD_inBuffer src = { 0 };
		const uint8_t *data;

		if (unpack_next(in, &data, &src.size, err) < 0)
			return -1;
		if (src.size == 0)
			return broken(err); /* the frame's end would have ended the loop */
		src.src = data;

		/* A full output buffer means that there may be more of this piece to come. */
		bool more = true;

		while (src.pos < src.size || more) {
			ZSTD_outBuffer dst = { .dst = buf, .size = UNPACK_PIECE };
			size_t rc = ZSTD_decompressStream(z, &dst, &src);

			if (ZSTD_isError(rc))
				return broken(err);
			if (unpack_write(out, buf, dst.pos, err) < 0)
				return -1;
			if (rc == 0)
				return 0;
			more = dst.pos == dst.size;
		}
	}
}

static int zstd_decode(struct unpack_in *in, struct unpack_out *out, struct err **err)
{
	_cleanup_free_ uint8_t *buf = malloc(UNPACK_PIECE);
	ZSTD_DStream *z = ZSTD_createDStream();
	int r;

	/* The library refuses windows over 128 MiB by itself. */
	if (!buf || !z)
		r = no_memory(err);
	else
		r = zstd_run(z, in, out, buf, err);
	ZSTD_freeDStream(z);
	return r;
}

/* Frames of the "legacy" format: the magic, then blocks, each with its packed size in front. */
static int lz4_decode(struct unpack_in *in, struct unpack_out *out, struct err **err)
{
	const uint32_t magic = 0x184c2102;
	const size_t packed_max = LZ4_COMPRESSBOUND(LZ4_BLOCK);
	_cleanup_free_ char *packed = malloc(packed_max);
	_cleanup_free_ char *buf = malloc(LZ4_BLOCK);

	if (!packed || !buf)
		return no_memory(err);
	while (in->left) {
		uint8_t field[4];

		if (unpack_read(in, field, sizeof(field), err) < 0)
			return -1;

		uint32_t len = le32_get(field);

		if (len == magic)
			continue; /* the first frame, or one more after it */
		if (len == 0 || len > packed_max)
			return broken(err);
		if (unpack_read(in, packed, len, err) < 0)
			return -1;

		int n = LZ4_decompress_safe(packed, buf, (int)len, LZ4_BLOCK);

		if (n <= 0)
			return broken(err);
		if (unpack_write(out, (const uint8_t *)buf, (size_t)n, err) < 0)
			return -1;
	}
	return 0;
}

const struct unpack_codec unpack_codecs[] = {
	{ "gzip", "\x1f\x8b", 2, true, gzip_decode },
	{ "xz",
	  "\xfd"
	  "7zXZ",
	  6, false, xz_decode },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, false, zstd_decode },
	{ "lz4", "\x02\x21\x4c\x18", 4, false, lz4_decode },
	{ "bzip2", "BZh", 3, false, NULL },
	{ "lzma", "\x5d\0\0", 3, false, NULL },
	{ "lzo",
	  "\x89"
	  "LZO",
	  4, false, NULL },
	{ 0 },
};
