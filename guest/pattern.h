/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern for memory: each 8 bytes depend on their offset and on a seed, no two pages are the
 * same, and no compressor makes them smaller. So pages that get lost, swapped with others or shared
 * by mistake are found, and a guest filled with it takes as much of the host as it can.
 */
#ifndef LODGE_GUEST_PATTERN_H
#define LODGE_GUEST_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* offset is that of the first byte in the whole pattern; it and len (bytes) are multiples of 8. */
void pattern_fill(void *memory, uint64_t offset, size_t len, uint64_t seed);

/* How many bytes from the start are right: len if all are. */
size_t pattern_check(const void *memory, uint64_t offset, size_t len, uint64_t seed);

#endif
