/* SPDX-License-Identifier: Apache-2.0 */
/* Page numbers into ranges: see page_ranges.h. */
#include "virtio/page_ranges.h"

#include <stdbool.h>

unsigned page_ranges_runs(const uint32_t *pages, unsigned n, page_range *ret_ranges)
{
	unsigned n_ranges = 0;
	unsigned i = 0;

	while (i < n) {
		uint32_t first = pages[i], last = first;

		for (i++; i < n && pages[i] - last <= 1; i++)
			last = pages[i];
		/* Downwards, if it didn't go up. */
		if (last == first)
			for (; i < n && first - pages[i] <= 1; i++)
				first = pages[i];
		ret_ranges[n_ranges++] = page_range_pack(first, last - first + 1);
	}
	return n_ranges;
}

static bool is_sorted(const page_range *ranges, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (ranges[i] < ranges[i - 1])
			return false;
	return true;
}

/* Shellsort with Ciura's gaps, continued by 2.25 each: no recursion, no memory, and quick for the
 * few hundred ranges that there are at most. qsort(3) may allocate. */
static void sort(page_range *ranges, unsigned n)
{
	static const unsigned gaps[] = { 1750, 701, 301, 132, 57, 23, 10, 4, 1 };

	for (unsigned g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		unsigned gap = gaps[g];

		for (unsigned i = gap; i < n; i++) {
			page_range range = ranges[i];
			unsigned at = i;

			for (; at >= gap && ranges[at - gap] > range; at -= gap)
				ranges[at] = ranges[at - gap];
			ranges[at] = range;
		}
	}
}

unsigned page_ranges_join(page_range *ranges, unsigned n)
{
	unsigned kept = 0;

	if (n == 0)
		return 0;
	if (!is_sorted(ranges, n))
		sort(ranges, n);
	for (unsigned i = 1; i < n; i++) {
		uint32_t first = page_range_first(ranges[kept]);
		uint64_t end = (uint64_t)first + page_range_len(ranges[kept]);
		uint64_t other_end = (uint64_t)page_range_first(ranges[i]) +
				     page_range_len(ranges[i]);

		if (page_range_first(ranges[i]) > end)
			ranges[++kept] = ranges[i];
		else if (other_end > end)
			ranges[kept] = page_range_pack(first, (uint32_t)(other_end - first));
	}
	return kept + 1;
}
