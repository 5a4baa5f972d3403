/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that orders took, and the pattern in it.
 *
 * A filled region is made of blocks, each of which has a generation: 0 as it was filled first, one
 * more each time that it was given back and filled anew. The generation is part of the pattern, so
 * contents that a page had before count as wrong as much as another page's.
 */
#ifndef LODGE_GUEST_REGIONS_H
#define LODGE_GUEST_REGIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REGIONS_MAX = 64, REGION_BLOCK = 64 * 1024 };

struct region {
	uint8_t *base;
	size_t len;	       /* bytes, whole pages; the last block may be shorter */
	uint64_t offset;       /* in the pattern */
	uint32_t *generations; /* a block's each; NULL if there is no pattern in it */
};

struct regions {
	struct region all[REGIONS_MAX];
	size_t n;
	uint64_t filled; /* bytes with a pattern */
};

/* New untouched memory of len bytes, rounded up to pages; `filled` if it is going to have the
 * pattern. NULL with errno: ENOSPC if there are too many regions, or mmap's. */
struct region *regions_add(struct regions *regions, uint64_t len, bool filled);
/* Gives all back. Returns how many bytes that were. */
uint64_t regions_clear(struct regions *regions);

size_t region_blocks(const struct region *region);

/* Writes the pattern over the whole region, in generation 0. */
void region_fill(struct region *region, uint64_t seed);
/* Checks n blocks from first on. False with the offset in the pattern of the first wrong byte. */
bool region_check(const struct region *region, size_t first, size_t n, uint64_t seed,
		  uint64_t *ret_wrong);
/* Gives the memory of n blocks from first on back to the kernel, which makes them zero. */
void region_drop(struct region *region, size_t first, size_t n);
/* Whether n blocks from first on are zero; the same result as region_check(). */
bool region_is_zero(const struct region *region, size_t first, size_t n, uint64_t *ret_wrong);
/* Writes the pattern over n blocks from first on in each one's next generation. */
void region_renew(struct region *region, size_t first, size_t n, uint64_t seed);

size_t region_pages(const struct region *region);
/* Writes a word of a page back as it is: a page of the guest's own again, with the same contents.
 */
void region_touch(const struct region *region, size_t page);

#endif
