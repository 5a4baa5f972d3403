/* SPDX-License-Identifier: Apache-2.0 */
/* Running a scenario: see run.h. */
#include "simulate/run.h"

#include "base/sums.h"
#include "simulate/mom.h"
#include "simulate/turn.h"

/* A run that is going on. */
struct run {
	const struct scenario *scenario;
	struct run_options options;
	struct model *model;
	struct kept *kept;
	struct figures *figures;
	struct turn_lodge *lodge; /* NULL if it's MOM that governs */
	enum policy_state state;
	size_t event;	  /* the next one */
	uint64_t turn_ms; /* when the next turn is due */
	uint64_t last_turn_ms;
};

static void start_guests(struct run *run)
{
	bool refuses = run->options.policy == RUN_LODGE;

	for (size_t i = 0; i < run->model->n; i++) {
		struct model_guest *g = &run->model->guests[i];

		if (g->state != MODEL_WAITS || g->group->start_ms > run->model->now_ms)
			continue;
		if (kept_admit(run->kept, run->model, i, refuses))
			model_start(run->model, i, refuses);
		else
			g->state = MODEL_REFUSED;
	}
}

static void let_happen(struct run *run)
{
	const struct scenario *scenario = run->scenario;

	for (; run->event < scenario->n_events &&
	       scenario->events[run->event].at_ms <= run->model->now_ms;
	     run->event++) {
		model_event(run->model, &scenario->events[run->event]);
		kept_event(run->kept, run->model, &scenario->events[run->event]);
	}
}

static void take_turn(struct run *run)
{
	struct turn_result result;

	if (run->lodge)
		turn_lodge(run->lodge, run->model, &result);
	else
		mom_turn(run->model, &result);
	run->state = result.state;
	run->last_turn_ms = run->model->now_ms;
	run->turn_ms = run->model->now_ms + result.next_ms;
	figures_turn(run->figures, &result);
}

/* Nothing that is to happen falls into the middle of a step. */
static uint64_t next_step(const struct run *run, uint64_t steady_ms)
{
	const struct scenario *scenario = run->scenario;
	uint64_t now = run->model->now_ms;
	uint64_t until = least(scenario->duration_ms, run->turn_ms);

	if (run->event < scenario->n_events)
		until = least(until, scenario->events[run->event].at_ms);
	if (!run->model->calm)
		until = least(until, now + scenario->step_ms);
	/* Guests change what they use at any time; that's followed as finely as the model's step.
	 */
	if (steady_ms < now + scenario->step_ms)
		steady_ms = now + scenario->step_ms;
	return least(until, steady_ms) - now;
}

static void hurry(struct run *run)
{
	if (run->lodge && run->model->hurts)
		run->turn_ms = least(run->turn_ms, run->last_turn_ms + POLICY_FAST_MS);
	if (run->turn_ms < run->model->now_ms)
		run->turn_ms = run->model->now_ms;
}

static void go(struct run *run)
{
	uint64_t steady_ms = 0;

	while (run->model->now_ms < run->scenario->duration_ms) {
		if (run->model->now_ms >= steady_ms)
			start_guests(run);
		let_happen(run);
		if (run->model->now_ms >= run->turn_ms)
			take_turn(run);

		uint64_t step_ms = next_step(run, steady_ms);

		model_step(run->model, step_ms);
		if (run->model->now_ms >= steady_ms)
			steady_ms = model_steady_until(run->model);
		kept_look(run->kept, run->model, step_ms);
		figures_step(run->figures, run->scenario, run->model,
			     run->lodge ? turn_lodge_targets(run->lodge) : NULL, run->state,
			     step_ms);
		hurry(run);
	}
	figures_end(run->figures, run->scenario, run->model);
}

int run_scenario(const struct scenario *scenario, const struct run_options *options,
		 struct run_result *ret_result, struct err **err)
{
	const struct policy_settings settings = {
		.tax_percent = options->tax_percent,
		.interval_ms = (unsigned)scenario->interval_ms,
	};
	struct run run = { .scenario = scenario, .options = *options };
	int rc = -1;

	if (model_new(scenario, &run.model, err) == 0 &&
	    kept_new(run.model, scenario->n_events, &run.kept, err) == 0 &&
	    figures_new(scenario, run.model, &run.figures, err) == 0 &&
	    (options->policy == RUN_MOM ||
	     turn_lodge_new(run.model->n, &settings, &run.lodge, err) == 0)) {
		go(&run);
		rc = 0;
	}

	struct run_result result = { *options, run.model, run.kept, run.figures };

	turn_lodge_free(run.lodge);
	if (rc == 0)
		*ret_result = result;
	else
		run_result_clear(&result);
	return rc;
}

void run_result_clear(struct run_result *result)
{
	model_free(result->model);
	kept_free(result->kept);
	figures_free(result->figures);
	*result = (struct run_result){ 0 };
}

uint64_t run_breaches(const struct run_result *result)
{
	struct kept_count count = kept_count(result->kept, result->model, KEPT_SAFE);

	return count.guarantees + count.out_of_memory + count.beyond;
}
