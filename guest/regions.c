/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that orders took, and the pattern in it: see regions.h. */
#include "guest/regions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guest/pattern.h"

enum { PAGE = 4096 };

/* Makes a generation another seed. Odd, and none of the pattern's own factors. */
#define GENERATION UINT64_C(0xa0761d6478bd642f)

struct region *regions_add(struct regions *regions, uint64_t len, bool filled)
{
	struct region region = { 0 };

	if (regions->n == REGIONS_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	if (len == 0 || len > SIZE_MAX - PAGE) {
		errno = EINVAL;
		return NULL;
	}
	region.len = (len + PAGE - 1) / PAGE * PAGE;
	region.offset = regions->filled;
	if (filled) {
		region.generations = calloc(region_blocks(&region), sizeof(*region.generations));
		if (!region.generations)
			return NULL;
	}

	void *base = mmap(NULL, region.len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED) {
		free(region.generations);
		return NULL;
	}
	region.base = base;
	if (filled)
		regions->filled += region.len;
	regions->all[regions->n] = region;
	return &regions->all[regions->n++];
}

uint64_t regions_clear(struct regions *regions)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < regions->n; i++) {
		struct region *region = &regions->all[i];

		bytes += region->len;
		munmap(region->base, region->len);
		free(region->generations);
	}
	*regions = (struct regions){ 0 };
	return bytes;
}

size_t region_blocks(const struct region *region)
{
	return (region->len + REGION_BLOCK - 1) / REGION_BLOCK;
}

/* A block's bytes, which are fewer in the last one. */
static size_t block_len(const struct region *region, size_t block)
{
	size_t left = region->len - block * REGION_BLOCK;

	return left < REGION_BLOCK ? left : REGION_BLOCK;
}

static size_t range_len(const struct region *region, size_t first, size_t n)
{
	return (n - 1) * REGION_BLOCK + block_len(region, first + n - 1);
}

static uint64_t block_seed(const struct region *region, size_t block, uint64_t seed)
{
	return seed + region->generations[block] * GENERATION;
}

static void fill_block(struct region *region, size_t block, uint64_t seed)
{
	size_t at = block * REGION_BLOCK;

	pattern_fill(region->base + at, region->offset + at, block_len(region, block),
		     block_seed(region, block, seed));
}

void region_fill(struct region *region, uint64_t seed)
{
	for (size_t block = 0; block < region_blocks(region); block++) {
		region->generations[block] = 0;
		fill_block(region, block, seed);
	}
}

bool region_check(const struct region *region, size_t first, size_t n, uint64_t seed,
		  uint64_t *ret_wrong)
{
	for (size_t block = first; block < first + n; block++) {
		size_t at = block * REGION_BLOCK;
		size_t len = block_len(region, block);
		size_t right = pattern_check(region->base + at, region->offset + at, len,
					     block_seed(region, block, seed));

		if (right != len) {
			*ret_wrong = region->offset + at + right;
			return false;
		}
	}
	return true;
}

void region_drop(struct region *region, size_t first, size_t n)
{
	madvise(region->base + first * REGION_BLOCK, range_len(region, first, n), MADV_DONTNEED);
}

bool region_is_zero(const struct region *region, size_t first, size_t n, uint64_t *ret_wrong)
{
	const uint8_t *base = region->base + first * REGION_BLOCK;
	size_t len = range_len(region, first, n);

	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, base + at, sizeof(word));
		if (word) {
			*ret_wrong = region->offset + first * REGION_BLOCK + at;
			return false;
		}
	}
	return true;
}

void region_renew(struct region *region, size_t first, size_t n, uint64_t seed)
{
	for (size_t block = first; block < first + n; block++) {
		region->generations[block]++;
		fill_block(region, block, seed);
	}
}

size_t region_pages(const struct region *region)
{
	return region->len / PAGE;
}

void region_touch(const struct region *region, size_t page)
{
	volatile uint64_t *word = (volatile uint64_t *)(void *)(region->base + page * PAGE);
	uint64_t value = *word;

	*word = value;
}
