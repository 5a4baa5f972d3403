/* SPDX-License-Identifier: Apache-2.0 */
/* What was done to guests, put into words and into the governor's record (record.h). Pure. */
#ifndef LODGE_GOVERN_DECISIONS_H
#define LODGE_GOVERN_DECISIONS_H

#include <stdbool.h>

#include "govern/record.h"

/* Decisions of one kind that follow each other so quickly are one, that goes on. */
enum { GOVERN_DECISION_GOES_ON_MS = 60000 };

/* Writes the text of a decision from its other members: "12M taken by reclaim for db; the host was
 * hard (margin 4M of 12M)". margin is what the host had, wanted what it wanted of it, bytes. */
void govern_decision_describe(struct govern_decision *decision, uint64_t margin, uint64_t wanted);

/* Adds a decision to the record, in place of the guest's last one if it goes on with that (its
 * bytes are then both's together), describes it, and drops the oldest where there is no more room.
 * True if it's a new one. */
bool govern_decisions_add(struct govern_record *record, const struct govern_decision *decision,
			  uint64_t margin, uint64_t wanted);

/* The guest's last one, or NULL. */
const struct govern_decision *govern_decisions_last(const struct govern_record *record,
						    const char *guest);

#endif
