/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers at random and the time, for orders that go on until it is up. */
#ifndef LODGE_GUEST_CHANCE_H
#define LODGE_GUEST_CHANCE_H

#include <stdint.h>

/* A state to begin with. The same seed gives the same numbers. */
uint64_t chance_start(uint64_t seed);
/* The next number below a limit, which is less than 2^32 and not 0. */
uint64_t chance_below(uint64_t *state, uint64_t limit);

/* The monotonic clock in nanoseconds. */
uint64_t clock_now(void);

#endif
