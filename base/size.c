/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people write them: see size.h. */
#include "base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

/* More digits after the point than this can't make a whole number of bytes more precise. */
enum { FRACTION_DIGITS_MAX = 9 };

static int not_a_size(const char *text, struct err **err)
{
	return err_set(
	    err, ERR_USAGE, 0,
	    "\"%s\" is not a size: write bytes, or a number with K, M, G or T, such as 512M", text);
}

static int too_large(const char *text, struct err **err)
{
	return err_set(err, ERR_USAGE, 0, "\"%s\" is larger than any machine could hold", text);
}

/* The power of two that a suffix stands for, or -1. */
static int suffix_shift(const char *suffix)
{
	static const char letters[] = "KMGT";

	if (!*suffix)
		return 0;

	const char *letter = strchr(letters, *suffix >= 'a' ? *suffix - 'a' + 'A' : *suffix);

	if (!letter || (suffix[1] && strcasecmp(suffix + 1, "iB") != 0))
		return -1;
	return 10 * (int)(letter - letters + 1);
}

/* Reads decimal digits at *p into *value; returns how many there were, or -1 if they overflow. */
static int read_digits(const char **p, uint64_t *value)
{
	int n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++, n++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(**p - '0'), value))
			return -1;
	return n;
}

int size_parse(const char *text, uint64_t *ret_bytes, struct err **err)
{
	const char *p = text;
	uint64_t whole = 0;
	uint64_t fraction = 0;
	int digits = read_digits(&p, &whole);
	int fraction_digits = 0;

	if (digits < 0)
		return too_large(text, err);
	if (digits == 0)
		return not_a_size(text, err);
	if (*p == '.') {
		p++;
		fraction_digits = read_digits(&p, &fraction);
		if (fraction_digits < 1 || fraction_digits > FRACTION_DIGITS_MAX)
			return not_a_size(text, err);
	}

	int shift = suffix_shift(p);

	if (shift < 0)
		return not_a_size(text, err);

	uint64_t bytes;

	if (__builtin_mul_overflow(whole, 1ULL << shift, &bytes))
		return too_large(text, err);

	/* fraction < 10^9 < 2^30 and shift <= 40: a 128-bit product can't overflow. */
	unsigned __int128 part = (unsigned __int128)fraction << shift;

	for (int i = 0; i < fraction_digits; i++) {
		if (part % 10 != 0)
			return err_set(err, ERR_USAGE, 0, "\"%s\" is not a whole number of bytes",
				       text);
		part /= 10;
	}
	if (__builtin_add_overflow(bytes, (uint64_t)part, &bytes))
		return too_large(text, err);

	*ret_bytes = bytes;
	return 0;
}

char *size_format(uint64_t bytes, char buf[SIZE_TEXT_MAX])
{
	static const char letters[] = "KMGTPE";
	int unit = -1;
	uint64_t div = 1;

	while (unit < 5 && bytes / div >= 1024) {
		div *= 1024;
		unit++;
	}
	if (unit < 0) {
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "B", bytes);
		return buf;
	}

	uint64_t tenths = bytes / div * 10 + (bytes % div * 10 + div / 2) / div;

	if (tenths >= 10240 && unit < 5) {
		tenths = 10;
		unit++;
	}
	if (tenths % 10 == 0)
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "%c", tenths / 10, letters[unit]);
	else
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10,
			 letters[unit]);
	return buf;
}
