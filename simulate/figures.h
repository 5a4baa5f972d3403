/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted while a scenario runs: for each group over all of it, and in up to FIGURES_POINTS
 * pieces of time for a plot. Bytes and ms; parts of MODEL_FULL.
 */
#ifndef LODGE_SIMULATE_FIGURES_H
#define LODGE_SIMULATE_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simulate/model.h"
#include "simulate/scenario.h"
#include "simulate/turn.h"

struct err;

enum { FIGURES_POINTS = 300, FIGURES_STATES = 4 };

/* Bytes times ms outgrow 64 bits. */
__extension__ typedef unsigned __int128 figures_sum;

/* Averages over guests and time are the sums by guest_ms. */
struct figures_mean {
	figures_sum resident;
	figures_sum swapped;
	figures_sum ballooned;
	figures_sum target;
	figures_sum waited;
	uint64_t guest_ms;
};

/* How long guests waited for their memory after a phase with more of it had begun. */
struct figures_woken {
	uint64_t times;
	uint64_t unfinished; /* that didn't have it when the phase, or all, ended */
	uint64_t sum_ms;
	uint64_t most_ms;
};

struct figures_group {
	struct figures_mean mean;
	uint64_t least_resident; /* of any guest, once it had filled what it starts with */
	uint64_t most_resident;
	uint64_t most_waited; /* of any guest: part of its time */
	struct figures_woken woken;
	uint64_t started;
	uint64_t refused;
	uint64_t ended;
};

struct figures_point {
	figures_sum margin; /* by ms */
	uint64_t least_margin;
	uint64_t ms;
	uint64_t state_ms[FIGURES_STATES];
};

struct figures_guest {
	uint64_t ms;
	uint64_t waited; /* ms times MODEL_FULL */
	bool filled;
	const void *because; /* of its use, to notice a phase */
	uint64_t working_set;
	bool wakes;
	uint64_t wakes_since_ms;
};

struct figures {
	struct figures_group *groups;
	size_t n_groups;
	struct figures_guest *guests;
	size_t n;

	uint64_t least_margin;
	uint64_t least_margin_ms; /* when */
	uint64_t state_ms[FIGURES_STATES];
	uint64_t read;
	uint64_t written;
	uint64_t turns;
	struct turn_acts acts;
	uint64_t steps;

	uint64_t point_ms; /* how long a point is */
	struct figures_point points[FIGURES_POINTS];
	struct figures_mean *by_point; /* FIGURES_POINTS for each group */
};

int figures_new(const struct scenario *scenario, const struct model *model,
		struct figures **ret_figures, struct err **err);
void figures_free(struct figures *figures);

/* A step of so much that has been made; targets is NULL if there are none. */
void figures_step(struct figures *figures, const struct scenario *scenario,
		  const struct model *model, const uint64_t *targets, enum policy_state state,
		  uint64_t step_ms);
void figures_turn(struct figures *figures, const struct turn_result *result);
/* After the last step. */
void figures_end(struct figures *figures, const struct scenario *scenario,
		 const struct model *model);

/* sum by whole, 0 of nothing. */
uint64_t figures_average(figures_sum sum, uint64_t whole);

#endif
