/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The groups above the slice, for ledger.c: what they leave guests of the host's RAM and swap, and
 * what they protect.
 *
 * The kernel holds a group to the limits of all the groups above it, and protects it only as far as
 * they are protected themselves: of a group's memory.min each group in it gets its own, or less in
 * proportion if together they ask for more ("memory.min" in cgroup-v2.rst). So what guests can be
 * promised is what is left when the others in each of these groups have theirs. The root of all
 * groups has neither limits nor anybody above it, and ends the list.
 */
#ifndef LODGE_LEDGER_ABOVE_H
#define LODGE_LEDGER_ABOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"

struct err;

/* More than any guest: a limit beyond was meant as none. */
#define LEDGER_LIMIT_MAX (UINT64_C(1) << 50)

/* Sets the ledger's list of groups above it, and capital.bound. there: the slice is. */
int above_read(int root_fd, const char *slice, bool there, struct ledger *ledger, struct err **err);

#endif
