/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of sizes that never go below nothing. */
#ifndef LODGE_BASE_SUMS_H
#define LODGE_BASE_SUMS_H

#include <stdint.h>

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What is left of have when need is taken away, or 0. */
static inline uint64_t rest(uint64_t have, uint64_t need)
{
	return have > need ? have - need : 0;
}

#endif
