/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of page numbers, made into as few ranges as it allows.
 *
 * A balloon's driver names pages one by one, in the order in which its allocator handed them out:
 * mostly long runs, upwards or downwards, that continue each other in any order. So runs are found
 * first, in one pass, and only they are sorted and joined. A list that is one run costs no sorting.
 */
#ifndef LODGE_VIRTIO_PAGE_RANGES_H
#define LODGE_VIRTIO_PAGE_RANGES_H

#include <stdint.h>

/* A range packed into one word, so that sorting compares and moves words: the first page above, how
 * many below. Page numbers have 32 bits, as the balloon's protocol has; the last one doesn't exist,
 * since the device hole isn't counted. */
typedef uint64_t page_range;

static inline page_range page_range_pack(uint32_t page, uint32_t n)
{
	return (uint64_t)page << 32 | n;
}
static inline uint32_t page_range_first(page_range range)
{
	return (uint32_t)(range >> 32);
}
static inline uint32_t page_range_len(page_range range)
{
	return (uint32_t)range;
}

/* Finds the runs of n pages, as they come; a page given twice in a row is one. Room for n ranges.
 * How many there are. */
unsigned page_ranges_runs(const uint32_t *pages, unsigned n, page_range *ret_ranges);
/* Sorts ranges by page and joins those that touch or overlap. How many are left. */
unsigned page_ranges_join(page_range *ranges, unsigned n);

#endif
