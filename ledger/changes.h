/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody else has changed in the ledger's files: what they hold now beside what lodge wrote.
 *
 * It's only told. What the files hold is what is promised, whoever wrote it (docs/promises.md).
 */
#ifndef LODGE_LEDGER_CHANGES_H
#define LODGE_LEDGER_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#include "ledger/ledger.h"

struct err;

struct ledger_change {
	const char *file; /* "memory.max"; static */
	uint64_t written; /* bytes that lodge wrote; UINT64_MAX: max */
	uint64_t now;	  /* bytes; UINT64_MAX: max */
};

/* Of a guest's group or the slice there are three such files. */
enum { LEDGER_CHANGES_MAX = 3 };

/* A guest's group as it is now, beside the promise as lodge wrote it last. A guest without a
 * guarantee may have less protection than its overhead, as it has under delegation. Returns how
 * many changes there are. */
size_t ledger_compare(const struct ledger_entry *now, const struct promise *promise,
		      struct ledger_change ret_changes[LEDGER_CHANGES_MAX]);

/* The slice's own files: its limit, which lodge takes from the host's RAM, its protection, which is
 * at least the guests' added up, and its limit of swap, which lodge never sets. There are none
 * without a slice, or without guests. */
int ledger_compare_slice(int root_fd, const struct ledger *ledger,
			 struct ledger_change ret_changes[LEDGER_CHANGES_MAX], size_t *ret_n,
			 struct err **err);

/* "memory.max is 100M, lodge wrote 260M" */
enum { LEDGER_CHANGE_TEXT_MAX = 96 };
char *ledger_describe_change(const struct ledger_change *change, char text[LEDGER_CHANGE_TEXT_MAX]);

#endif
