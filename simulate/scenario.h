/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be simulated: a host, groups of equal guests, and what happens to the host.
 *
 * A scenario is a JSON file (docs/simulate.md). What isn't known is refused, with its place, so
 * that a member that was misspelt doesn't silently mean its default. Sizes are bytes, times ms.
 */
#ifndef LODGE_SIMULATE_SCENARIO_H
#define LODGE_SIMULATE_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/promise.h"

struct err;

/* So that no sum of a scenario leaves 64 bits. */
enum {
	SCENARIO_GUESTS_MAX = 100000, /* of all groups together */
	SCENARIO_GROUPS_MAX = 64,
	SCENARIO_NAME_MAX = 32,
	SCENARIO_DAYS_MAX = 366,
	SCENARIO_CPUS_MAX = 256,
	SCENARIO_FILE_MAX = 1 << 20, /* bytes */
};
#define SCENARIO_SIZE_MAX (UINT64_C(1) << 44)
#define SCENARIO_RATE_MAX (UINT64_C(1) << 36) /* bytes a second */

/* What a guest uses from one time on until another, instead of what its group says. */
struct scenario_phase {
	uint64_t from_ms;
	uint64_t to_ms;
	uint64_t working_set;
	uint64_t leak; /* bytes a second */
};

/* A working set that comes and goes, in straight lines: low at first, high in the middle. */
struct scenario_cycle {
	uint64_t period_ms; /* 0: there is none */
	uint64_t low;
	uint64_t high;
	uint64_t spread_ms; /* each guest begins so much later at most, as the seed says */
};

struct scenario_group {
	char name[SCENARIO_NAME_MAX + 1];
	uint64_t count;
	uint64_t cpus;
	struct promise promise; /* of each of its guests, overhead included */
	uint64_t weight;
	bool has_balloon;
	uint64_t start_ms;
	uint64_t touched; /* that a guest fills when it starts; more than its working set is idle */
	uint64_t cache_percent; /* of what falls out of use, what its kernel can spare */
	uint64_t working_set;	/* outside phases and without a cycle */
	uint64_t pace_ms;	/* in which a guest touches all its working set once */
	uint64_t leak;		/* bytes a second that it takes and never uses again */
	struct scenario_cycle cycle;
	struct scenario_phase *phases; /* in the order of the file; the last one that fits counts */
	size_t n_phases;
};

enum scenario_what { SCENARIO_SWAP, SCENARIO_OTHERS };

/* Something that happens to the host: it has more or less swap, others take RAM or give it back. */
struct scenario_event {
	uint64_t at_ms;
	enum scenario_what what;
	bool less;
	uint64_t bytes;
};

struct scenario_host {
	uint64_t memory;
	uint64_t reserve; /* that guests never get (promise_reserve()) */
	uint64_t swap;
	uint64_t swap_bandwidth; /* bytes a second, in and out together */
	uint64_t balloon_rate;	 /* bytes a second of one guest */
};

struct scenario {
	char name[SCENARIO_NAME_MAX + 1];
	uint64_t seed;
	uint64_t duration_ms;
	uint64_t step_ms;     /* of the model while something is going on */
	uint64_t interval_ms; /* of the governor while nothing is */
	struct scenario_host host;
	struct scenario_group *groups;
	size_t n_groups;
	struct scenario_event *events; /* by time */
	size_t n_events;
};

/* ERR_USAGE, with the place, for whatever is wrong with it. The caller clears the scenario. */
int scenario_parse(const char *text, size_t len, struct scenario *ret_scenario, struct err **err);
int scenario_load(const char *path, struct scenario *ret_scenario, struct err **err);
void scenario_clear(struct scenario *scenario);

/* What a guest of the group, whose time is so much behind, uses at that time. */
struct scenario_use {
	uint64_t working_set;
	uint64_t leak;	     /* bytes a second */
	uint64_t until_ms;   /* it stays so at least until then; UINT64_MAX: for good */
	const void *because; /* the phase, or the group: who asks can tell one from another */
};
struct scenario_use scenario_use(const struct scenario_group *group, uint64_t behind_ms,
				 uint64_t now_ms);

#endif
