/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking a kernel's payload: see unpack.h. */
#include "boot/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "boot/file.h"
#include "boot/unpack_codec.h"

enum { MAGIC_MAX = 8, SIZE_FIELD = 4, HOLE = 64 * 1024 };

_Static_assert(UNPACK_PIECE % HOLE == 0, "pieces are cut into holes");

static const struct unpack_codec *find_codec(int fd, uint64_t offset, uint64_t len)
{
	uint8_t head[MAGIC_MAX];

	if (len < sizeof(head) || file_read(fd, offset, head, sizeof(head), NULL) < 0)
		return NULL;
	for (const struct unpack_codec *c = unpack_codecs; c->name; c++)
		if (memcmp(head, c->magic, c->magic_len) == 0)
			return c;
	return NULL;
}

bool unpack_is_supported(int in_fd, uint64_t offset, uint64_t len, const char **ret_name)
{
	const struct unpack_codec *codec = find_codec(in_fd, offset, len);

	*ret_name = codec ? codec->name : "an unknown format";
	return codec && codec->decode;
}

int unpack_next(struct unpack_in *in, const uint8_t **ret_data, size_t *ret_len, struct err **err)
{
	size_t len = in->left < UNPACK_PIECE ? in->left : UNPACK_PIECE;

	if (len && unpack_read(in, in->piece, len, err) < 0)
		return -1;
	*ret_data = in->piece;
	*ret_len = len;
	return 0;
}

int unpack_read(struct unpack_in *in, void *buf, size_t len, struct err **err)
{
	if (len > in->left)
		return err_set(err, ERR_USAGE, 0, "the packed data is truncated");
	if (file_read(in->fd, in->offset, buf, len, err) < 0)
		return -1;
	in->offset += len;
	in->left -= len;
	return 0;
}

static int write_all(int fd, const uint8_t *data, size_t len, uint64_t offset, struct err **err)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, err_code_from_errno(errno), errno, "write");
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Writes what has gathered, but for stretches of zeros. out->fill is whole except at the end. */
static int flush(struct unpack_out *out, struct err **err)
{
	uint64_t base = out->size - out->fill;

	for (size_t at = 0; at < out->fill; at += HOLE) {
		size_t len = out->fill - at < HOLE ? out->fill - at : HOLE;

		if (!is_zero(out->piece + at, len) &&
		    write_all(out->fd, out->piece + at, len, base + at, err) < 0)
			return -1;
	}
	out->fill = 0;
	return 0;
}

int unpack_write(struct unpack_out *out, const uint8_t *data, size_t len, struct err **err)
{
	if (len > out->max - out->size)
		return err_set(err, ERR_USAGE, 0,
			       "it unpacks to more than the %" PRIu64 " bytes that it says",
			       out->max);
	while (len) {
		size_t n = UNPACK_PIECE - out->fill < len ? UNPACK_PIECE - out->fill : len;

		memcpy(out->piece + out->fill, data, n);
		out->fill += n;
		out->size += n;
		data += n;
		len -= n;
		if (out->fill == UNPACK_PIECE && flush(out, err) < 0)
			return -1;
	}
	return 0;
}

int unpack_file(int in_fd, uint64_t offset, uint64_t len, int out_fd, uint64_t size,
		struct err **err)
{
	const struct unpack_codec *codec = find_codec(in_fd, offset, len);

	if (!codec || !codec->decode)
		return err_set(err, ERR_USAGE, 0, "lodge can't unpack %s",
			       codec ? codec->name : "an unknown format");

	_cleanup_free_ uint8_t *in_piece = malloc(UNPACK_PIECE);
	_cleanup_free_ uint8_t *out_piece = malloc(UNPACK_PIECE);

	if (!in_piece || !out_piece)
		return err_set(err, ERR_NO_SPACE, errno, "unpack");

	struct unpack_in in = { .fd = in_fd,
				.offset = offset,
				.left = codec->size_included ? len : len - SIZE_FIELD,
				.piece = in_piece };
	struct unpack_out out = { .fd = out_fd, .max = size, .piece = out_piece };

	if (codec->decode(&in, &out, err) < 0 || flush(&out, err) < 0)
		return err_wrap(err, "unpack %s", codec->name);
	if (out.size != size)
		return err_set(err, ERR_USAGE, 0,
			       "unpack %s: it unpacks to %" PRIu64 " bytes, not to the %" PRIu64
			       " that it says",
			       codec->name, out.size, size);
	if (ftruncate(out_fd, (off_t)size) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "unpack: set the size");
	return 0;
}
