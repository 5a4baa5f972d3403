/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn of the governor: sense, decide and act on all that it governs.
 *
 * KSM and promises are looked at every interval, guests' memory (balance.h) as often as it asks
 * for.
 */
#ifndef LODGE_GOVERN_TURN_H
#define LODGE_GOVERN_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "govern/governor.h"
#include "ledger/ledger.h"

struct err;
struct turns;

/* root_fd, dir_fd (the runtime directory; -1 in a dry run where there is none) and options stay the
 * caller's. */
int turns_new(int root_fd, int dir_fd, const struct governor_options *options,
	      struct turns **ret_turns, struct err **err);
void turns_free(struct turns *turns);

/* One turn; *ret_next_ms says when the next is due. What goes wrong in one part keeps no other from
 * its turn: the first failure is returned. */
int turns_take(struct turns *turns, unsigned *ret_next_ms, struct err **err);

/* The next turn is one for everything, whenever it comes. */
void turns_hurry(struct turns *turns);

/* Where guests' groups are, as of the last turn; NULL if there are none. */
const char *turns_slice(const struct turns *turns);

/* The governor ends: nothing that only it could undo is left behind. */
void turns_end(struct turns *turns);

#endif
