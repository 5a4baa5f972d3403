/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the kernel command line and of orders. */
#ifndef LODGE_GUEST_WORDS_H
#define LODGE_GUEST_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The value of the last word NAME=VALUE of a kernel command line, copied into buf; a word NAME
 * alone has the empty value. Quotes are taken off as the kernel does: NAME="A B" and "NAME=A B" are
 * one word. False, with buf untouched, if there is no such word or its value doesn't fit.
 */
bool cmdline_word(const char *cmdline, const char *name, char *buf, size_t size);

/* Splits a line at blanks, in place. Fills words with up to max pointers and a NULL after them (so
 * words has room for max + 1), and returns how many there are; more than max are max + 1. */
int words_split(char *line, char **words, int max);

/* A number in C's notation: 10, 0x1f. The whole word must be one. */
bool word_number(const char *word, uint64_t *ret);
/* Bytes: a number with K, M, G or T behind it, in powers of 1024. */
bool word_size(const char *word, uint64_t *ret_bytes);
/* Seconds with up to nine decimals, in nanoseconds; at most 10^9 seconds. */
bool word_seconds(const char *word, uint64_t *ret_ns);

#endif
