/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The division of RAM: see share.h.
 *
 * All that can still change pay the same price at the end. Called the level here is how many bytes
 * a weight of 1 gives a guest that uses all of it: a guest of weight w has w * level beyond its
 * floor as far as it's active, and of what is beyond that only the part that the tax leaves. What
 * all have together grows with the level, ever slower, in straight pieces. So Newton's method,
 * started from below, never goes too far, and ends after as many steps as there are pieces at most.
 */
#include "govern/share.h"

#include "base/sums.h"

enum { STEPS_MAX = 64 }; /* of Newton's method; a dozen in practice */

/* What a guest has beyond its floor at that level, and how fast that grows with it. */
static double beyond(const struct share_claim *c, double level, double untaxed, double *ret_slope)
{
	double active = (double)rest(c->active, c->floor);
	double room = (double)(c->ceiling - c->floor);
	double busy = c->weight * level;

	*ret_slope = 0;
	if (c->weight == 0 || room <= 0)
		return 0;

	double has = busy < active ? busy : active + (busy - active) * untaxed;

	if (has >= room)
		return room;
	*ret_slope = busy < active ? c->weight : c->weight * untaxed;
	return has;
}

/* The level at which all have so much together beyond their floors. */
static double find_level(const struct share_claim *claims, size_t n, double wanted, double untaxed)
{
	double level = 0;

	for (int i = 0; i < STEPS_MAX; i++) {
		double sum = 0;
		double slopes = 0;

		for (size_t j = 0; j < n; j++) {
			double slope;

			sum += beyond(&claims[j], level, untaxed, &slope);
			slopes += slope;
		}
		/* A byte is near enough; without a slope everybody has all that it can use. */
		if (slopes <= 0 || wanted - sum < 1)
			break;
		level += (wanted - sum) / slopes;
	}
	return level;
}

void share_divide(struct share_claim *claims, size_t n, uint64_t capacity, unsigned tax_percent)
{
	double untaxed = 1 - (double)least(tax_percent, SHARE_TAX_MAX) / 100;
	uint64_t floors = 0;
	double slope;

	for (size_t i = 0; i < n; i++)
		floors += claims[i].floor;

	double level = find_level(claims, n, (double)rest(capacity, floors), untaxed);

	for (size_t i = 0; i < n; i++)
		claims[i].target = claims[i].floor +
				   (uint64_t)beyond(&claims[i], level, untaxed, &slope);
}
