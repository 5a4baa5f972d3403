/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lodge wrote last of a guest's promise, to tell what somebody else has changed since
 * (ledger/changes.h).
 *
 * At its start that is what the guest's config.json says. What `lodge set` writes later it notes in
 * the guest's runtime directory, in RUNDIR_PROMISE.
 */
#ifndef LODGE_API_PROMISE_RECORD_H
#define LODGE_API_PROMISE_RECORD_H

#include <stddef.h>

#include "ledger/changes.h"
#include "ledger/promise.h"

struct err;

/* Notes a running guest's new guarantee and limit. The slice's lock is held. */
int promise_record_write(const char *name, const struct promise *promise, struct err **err);

/* What lodge wrote last. ERR_NOT_FOUND if there's no such guest. */
int promise_record_read(const char *name, struct promise *ret_promise, struct err **err);

/* What differs from that in the guest's control group now: a number of changes, which is 0 for a
 * guest without a group. Asks no VM process. root_fd stands for "/". */
int promise_record_compare(int root_fd, const char *name,
			   struct ledger_change ret_changes[LEDGER_CHANGES_MAX], size_t *ret_n,
			   struct err **err);

#endif
