/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order `work`: a program with a working set.
 *
 * Until time is up it writes a word of a page at random back as it is, among the first pages of all
 * that was filled and taken. How many it got done says what its memory was worth: a page that the
 * host has to fetch takes as long as many that are there.
 */
#include <inttypes.h>

#include "guest/chance.h"
#include "guest/guest.h"
#include "guest/regions.h"

/* Pages between two looks at the clock. */
enum { STRIDE = 64 };

/* The nth page of all regions. */
static void touch_nth(const struct regions *regions, uint64_t page)
{
	for (size_t i = 0; i < regions->n; i++) {
		uint64_t here = region_pages(&regions->all[i]);

		if (page < here) {
			region_touch(&regions->all[i], page);
			return;
		}
		page -= here;
	}
}

void work_order(const char *order, const struct regions *regions, uint64_t pages, uint64_t ns)
{
	uint64_t end = clock_now() + ns;
	uint64_t chance = chance_start(pages);
	uint64_t done = 0;

	while (clock_now() < end) {
		for (unsigned i = 0; i < STRIDE; i++)
			touch_nth(regions, chance_below(&chance, pages));
		done += STRIDE;
	}
	ok(order, "%" PRIu64 " pages of %" PRIu64, done, pages);
}
