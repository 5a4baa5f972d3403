/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests' memory, turn by turn: sense (sensor.h, ask.h), decide (policy.h), act, and write down
 * what was done and why (record.h).
 *
 * What is done is in the kernel and in the guests, where the next turn, or the next governor, finds
 * it: memory.low and memory.high of guests' groups are the governor's alone. Of balloons it knows
 * from the record which ones were its own.
 */
#ifndef LODGE_GOVERN_BALANCE_H
#define LODGE_GOVERN_BALANCE_H

#include <stdbool.h>
#include <stdio.h>

#include "govern/policy.h"
#include "ledger/ledger.h"

struct err;
struct balance;

/* dir_fd is the runtime directory, -1 if there is none; it and root_fd stay the caller's. */
int balance_new(int root_fd, int dir_fd, const struct policy_settings *settings, bool dry_run,
		struct balance **ret_balance, struct err **err);
void balance_free(struct balance *balance);

/* A whole turn for the guests of a slice. *ret_next_ms: when to take the next one.
 *
 * A guest that can't be acted on doesn't keep the others from it: the first failure is returned. */
int balance_turn(struct balance *balance, const char *slice, const struct ledger *ledger,
		 unsigned *ret_next_ms, struct err **err);

/* What the last turn found and decided, for people. */
void balance_print(const struct balance *balance, FILE *out);

/* Lets go of every throttle: nobody would once the governor has ended. */
void balance_let_go(struct balance *balance, const char *slice);

#endif
