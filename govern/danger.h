/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decide: whether what guests were promised can still be kept, and what to say of it
 * (docs/promises.md).
 *
 * A host may lose what it promised with: swap is switched off, RAM is taken out, or others than
 * guests take it. Nothing is done about that here, since none of it is lodge's to undo; the ledger
 * lets nobody in meanwhile. It's said when it begins, when it gets worse by a quarter or changes
 * its kind, and when it's over. Pure.
 */
#ifndef LODGE_GOVERN_DANGER_H
#define LODGE_GOVERN_DANGER_H

#include <stdbool.h>

#include "ledger/ledger.h"

enum { DANGER_TEXT_MAX = 512 };

/* What was said last. All zeros at first. */
struct danger_memory {
	struct promise_lack lack;
	bool unlimited;
};

/* text: one line for the log, "" if there is nothing to say. */
void danger_decide(const struct ledger *ledger, struct danger_memory *memory,
		   char text[DANGER_TEXT_MAX]);

/* The same of how it is now, whatever was said before; "every promise can be kept" if so. */
void danger_describe(const struct ledger *ledger, char text[DANGER_TEXT_MAX]);

#endif
