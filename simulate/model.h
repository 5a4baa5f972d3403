/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modelled host: its kernel, as far as it moves guests' memory, and the guests.
 *
 * A guest's memory is made of
 *
 *	hot	its working set: it touches all of that once in its pace
 *	cold	what it keeps and doesn't touch
 *	cache	what its kernel can drop
 *	free	what it has never touched, or gave back (free page reporting)
 *	balloon	what it gave up
 *
 * and these always add up to it. Of the first three a part is in RAM and the rest in the host's
 * swap. A working set that grows takes from cold and cache, then free, then the balloon (deflate on
 * OOM); one that shrinks leaves cold and cache behind. The overhead is all in RAM, always.
 *
 * The host's kernel. Guests together have at most capacity in RAM. A guest that touches what isn't
 * there takes free RAM; where there's none, the kernel reclaims. It takes from guests in proportion
 * to what they have beyond memory.low, idle pages (cold, cache) before busy ones (hot); then from
 * those below their memory.low, and never below memory.min. memory.reclaim, memory.high and
 * memory.max take from one guest alone, whatever its memory.min. What is taken goes to swap, which
 * has a bandwidth that reading and writing share; who reads or allocates waits for both. If neither
 * RAM nor swap has room, the kernel ends a guest: one of best effort if there is one, else that
 * with most in RAM.
 *
 * Waiting. Uncontended, a guest that touches so much swapped memory in a second of work waits for
 * as long as the device needs for that. If guests together ask for more than the device gives, it's
 * divided by weight (io.weight), and each waits for what it doesn't get.
 *
 * What isn't in it: processors; huge pages; sharing of pages (never counted in a promise); zswap;
 *swap cache, so that what comes back must be written again when it's taken; page tables of the
 *kernel's own; what a guest pays for reading again what its kernel dropped; swapping within guests;
 *the kernel's errors (it finds the idle page where a real one guesses). Steps are of a second or
 *so: nothing faster is seen, and what happens within one happens at once.
 *
 * Bytes, in whole numbers; ms.
 */
#ifndef LODGE_SIMULATE_MODEL_H
#define LODGE_SIMULATE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/promise.h"
#include "simulate/scenario.h"

struct err;

enum model_class { MODEL_HOT, MODEL_COLD, MODEL_CACHE, MODEL_CLASSES };

enum model_state {
	MODEL_WAITS, /* for its start */
	MODEL_RUNS,
	MODEL_REFUSED, /* its promise couldn't be made */
	MODEL_ENDED,   /* by the kernel, for want of memory */
};

enum {
	MODEL_ACTIVITY_MS =
	    10000,	      /* what a guest uses is known as it was so long ago, or twice that */
	MODEL_FULL = 1000000, /* parts are of a million */
	MODEL_HURTS = MODEL_FULL /
		      10, /* of a step's time waited: what PSI triggers are set to tell */
};

/* How fast a guest can fill memory that it hasn't used yet, a second. */
#define MODEL_FILL_RATE (UINT64_C(512) << 20)
#define MODEL_NO_LIMIT	UINT64_MAX

struct model_guest {
	const struct scenario_group *group;
	size_t number; /* within its group, from 1 */
	enum model_state state;
	uint64_t behind_ms; /* that its cycle begins later than its group's */

	uint64_t res[MODEL_CLASSES]; /* in RAM */
	uint64_t swp[MODEL_CLASSES]; /* in swap */
	uint64_t free;
	uint64_t balloon;

	/* Of its control group, and what was asked. */
	uint64_t min;
	uint64_t low;
	uint64_t high; /* MODEL_NO_LIMIT */
	uint64_t max;
	uint64_t balloon_target;
	uint64_t reclaim; /* still to be taken */

	/* What it wants. */
	struct scenario_use use;
	uint64_t fill[MODEL_CLASSES]; /* that it's about to use for the first time */
	uint64_t leak_rest;	      /* thousandths of a byte */

	/* In the step that is being made. */
	uint64_t reads; /* from swap */
	uint64_t fills; /* of free memory */
	uint64_t part;	/* of these, what it gets; of MODEL_FULL */
	uint64_t own;	/* what it must give up for these, for its limits */
	uint64_t work;	/* of MODEL_FULL: the part of the time that it doesn't wait */

	/* Since the last turn of the governor. */
	uint64_t turn_refaulted;
	uint64_t turn_waited; /* ms * MODEL_FULL */
	uint64_t turn_ms;

	/* As DAMON knows it. */
	uint64_t active;
	uint64_t active_next;
};

struct model_host {
	uint64_t ram;
	uint64_t limit;	 /* of guests together */
	uint64_t others; /* what others have of RAM beyond the reserve */
	uint64_t swap;
	uint64_t bandwidth;
	uint64_t balloon_rate;
	uint64_t used;	  /* by guests in RAM */
	uint64_t swapped; /* by guests */
};

/* Something that must not be: there was neither RAM nor swap for a page. */
struct model_oom {
	size_t guest; /* which was ended */
	uint64_t lacking;
};

struct model {
	struct model_host host;
	struct model_guest *guests;
	size_t n;
	uint64_t now_ms;
	uint64_t sampled_ms; /* when activity was looked at */

	/* Of the last step. */
	uint64_t read;	    /* from swap */
	uint64_t written;   /* to it */
	uint64_t ballooned; /* given and taken */
	bool hurts;	    /* a guest waited for long */
	bool calm;	    /* nobody waited, and nothing is under way */
	struct model_oom *ooms;
	size_t n_ooms;
};

int model_new(const struct scenario *scenario, struct model **ret_model, struct err **err);
void model_free(struct model *model);

/* What guests may have together in RAM now. */
uint64_t model_capacity(const struct model *model);
struct promise_capital model_capital(const struct model *model);
void model_event(struct model *model, const struct scenario_event *event);

/* Starts a guest, with the limits that its promise sets; the kernel protects its guarantee if
 * protect is set. */
void model_start(struct model *model, size_t i, bool protect);

/* Moves on by so much. Until model_steady_until() no guest changes by itself what it wants. */
void model_step(struct model *model, uint64_t step_ms);
uint64_t model_steady_until(const struct model *model);

/* A guest's sums. */
uint64_t model_resident(const struct model_guest *guest);
uint64_t model_swapped(const struct model_guest *guest);
/* Free memory and caches, as its kernel counts them. */
uint64_t model_spare(const struct model_guest *guest);

/* bytes * part / whole, without overflow; 0 of nothing. */
uint64_t model_part(uint64_t bytes, uint64_t part, uint64_t whole);

/* For the model's parts. */

/* guest.c: the guest's side. */
void model_guest_want(struct model_guest *guest, uint64_t now_ms, uint64_t step_ms);
/* What it asks for in this step, into reads, fills and work. */
void model_guest_ask(const struct model *model, struct model_guest *guest, uint64_t step_ms);
/* It gets this part of what it asked for. */
void model_guest_get(struct model *model, struct model_guest *guest, uint64_t part);
/* Moves its balloon towards its target; returns by how much. */
uint64_t model_guest_balloon(struct model *model, struct model_guest *guest, uint64_t step_ms);

/* kernel.c: reclaim. */
/* Takes up to bytes from one guest, idle pages first. Returns how much. */
uint64_t model_take(struct model *model, struct model_guest *guest, uint64_t bytes);
/* Takes up to bytes from all. Returns how much. */
uint64_t model_reclaim(struct model *model, uint64_t bytes);
/* Ends a guest, since bytes find no place. */
void model_out_of_memory(struct model *model, uint64_t bytes);

#endif
