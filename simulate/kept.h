/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which promises were kept (docs/promises.md), looked at after every step.
 *
 * A guest's guarantee is broken while it has less than that and its overhead in RAM and something
 * in swap: then it was taken. The host is out of memory when a guest with a promise was ended for
 * want of RAM and swap. What was let in beyond the sums of the ledger was promised falsely.
 *
 * A scenario may take RAM or swap away. While the sums don't hold for that reason, promises are in
 * danger: what is broken then is counted apart, since no policy could have kept it.
 */
#ifndef LODGE_SIMULATE_KEPT_H
#define LODGE_SIMULATE_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/promise.h"
#include "simulate/model.h"
#include "simulate/scenario.h"

struct err;

enum kept_when { KEPT_SAFE, KEPT_IN_DANGER, KEPT_WHENS };

/* Times at which a guarantee was broken. */
struct kept_below {
	uint64_t times;
	uint64_t ms; /* of all times together */
	uint64_t first_ms;
	uint64_t worst; /* bytes that were missing */
};

struct kept_guest {
	struct kept_below below[KEPT_WHENS];
	bool is_below;
	bool beyond; /* let in beyond the sums */
	bool ended;  /* by the kernel, for want of memory */
	enum kept_when ended_when;
	uint64_t ended_ms;
	uint64_t lacking; /* bytes for which there was no place then */
};

struct kept_danger {
	uint64_t since_ms;
	uint64_t until_ms; /* UINT64_MAX: until the end */
	enum scenario_what because;
	struct promise_lack worst;
};

enum { KEPT_TEXT_MAX = 512 };

struct kept {
	struct promise_sum sum;
	struct promise_capital most; /* that the host had before anything was taken away */
	struct kept_guest *guests;   /* of the model's */
	size_t n;
	struct kept_danger *dangers;
	size_t n_dangers;
	bool in_danger;
	char refused[KEPT_TEXT_MAX]; /* why the first guest that was refused was, or "" */
};

/* n_events: how often the host may change. */
int kept_new(const struct model *model, size_t n_events, struct kept **ret_kept, struct err **err);
void kept_free(struct kept *kept);

/* Lets the guest in, if the sums allow it or nobody asks (refuse is false). */
bool kept_admit(struct kept *kept, const struct model *model, size_t i, bool refuse);
/* After the host has changed. */
void kept_event(struct kept *kept, const struct model *model, const struct scenario_event *event);
/* After a step of so much. */
void kept_look(struct kept *kept, const struct model *model, uint64_t step_ms);

/* Broken promises, of guests with one. */
struct kept_count {
	uint64_t guarantees;	/* times */
	uint64_t out_of_memory; /* guests */
	uint64_t beyond;	/* guests let in */
};
struct kept_count kept_count(const struct kept *kept, const struct model *model,
			     enum kept_when when);

#endif
