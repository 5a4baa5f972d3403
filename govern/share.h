/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How RAM is divided between guests beyond their guarantees: by weight, with idle memory taxed.
 *
 * Source: C. Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002, sections 4
 * and 5. There, memory is revoked from the guest that pays least for a page. With E what a guest
 *has beyond its floor, of which a is active, the price that a guest of weight w pays is
 *
 *	w / (min(E, a) + k * rest(E, a))	with k = 1 / (1 - tax)
 *
 * so an idle page costs k times as much as a busy one. Taking from the cheapest and giving to the
 * dearest ends where all that can still change pay the same; that point is found here directly.
 * Nobody is taken below its floor or given beyond its ceiling. Pure; bytes.
 */
#ifndef LODGE_GOVERN_SHARE_H
#define LODGE_GOVERN_SHARE_H

#include <stddef.h>
#include <stdint.h>

enum { SHARE_TAX_MAX = 99 }; /* percent */

struct share_claim {
	uint64_t floor;	  /* that it has in any case */
	uint64_t ceiling; /* at least floor: more than that it has no use for */
	uint64_t active;  /* of all that it has, what it uses */
	unsigned weight;  /* 0: nothing beyond its floor */
	uint64_t target;  /* the answer */
};

/* Fills the targets: they add up to capacity, or to all ceilings if those are less, or to all
 * floors if those are more. */
void share_divide(struct share_claim *claims, size_t n, uint64_t capacity, unsigned tax_percent);

#endif
