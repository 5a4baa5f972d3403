/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes as people write them: "512M", "1.5G", "8GiB", "1048576".
 *
 * The suffixes K, M, G and T are powers of 1024, in either case, alone or followed by "iB". "MB" is
 * refused, because half of those who write it mean 1000000.
 */
#ifndef LODGE_BASE_SIZE_H
#define LODGE_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* Bytes. ERR_USAGE if text is no size, isn't a whole number of bytes, or doesn't fit 64 bits. */
int size_parse(const char *text, uint64_t *ret_bytes, struct err **err);

enum { SIZE_TEXT_MAX = 24 };

/* For people: "512M", "1.5G", "37K", at most one digit after the point, rounded to the nearest.
 * Writes at most SIZE_TEXT_MAX bytes, the terminating NUL included; returns buf. */
char *size_format(uint64_t bytes, char buf[SIZE_TEXT_MAX]);

#endif
