/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sense: what guests use of their memory, by DAMON (host/damon.h) where the kernel has it.
 *
 * Looking costs a kernel thread that wakes every few seconds, so it goes on only while somebody
 * wants to know, and a minute longer.
 */
#ifndef LODGE_GOVERN_WORKING_SETS_H
#define LODGE_GOVERN_WORKING_SETS_H

#include <stdbool.h>

#include "govern/sensor.h"

struct working_sets;

enum {
	WORKING_SETS_STAY_MS = 60000,	/* after somebody last wanted to know */
	WORKING_SETS_RENEW_MS = 20000,	/* from start to start while guests come and go */
	WORKING_SETS_RETRY_MS = 600000, /* after it couldn't be started */
};

/* root_fd stays the caller's. NULL if there's no memory for it. */
struct working_sets *working_sets_new(int root_fd);
/* What was switched on is switched off. NULL is fine. */
void working_sets_free(struct working_sets *sets);

/* Fills in what guests use, as far as that's known, and has DAMON look at those that are there now,
 * or at a new one some seconds after it has come. wanted: somebody is short of memory. Why DAMON
 * can't be used is logged once. */
void working_sets_read(struct working_sets *sets, struct sensor *sensor, bool wanted);

#endif
