/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted: see figures.h. */
#include "simulate/figures.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/sums.h"

/* A guest has its memory back when this much of its working set is in RAM. */
enum { BACK_PERCENT = 95 };

int figures_new(const struct scenario *scenario, const struct model *model,
		struct figures **ret_figures, struct err **err)
{
	struct figures *f = calloc(1, sizeof(*f));

	if (f) {
		f->groups = calloc(scenario->n_groups, sizeof(*f->groups));
		f->guests = calloc(model->n, sizeof(*f->guests));
		f->by_point = calloc(scenario->n_groups, FIGURES_POINTS * sizeof(*f->by_point));
	}
	if (!f || !f->groups || !f->guests || !f->by_point) {
		figures_free(f);
		return err_set(err, ERR_NO_SPACE, ENOMEM, "simulation");
	}
	f->n_groups = scenario->n_groups;
	f->n = model->n;
	f->point_ms = scenario->duration_ms / FIGURES_POINTS + 1;
	f->least_margin = UINT64_MAX;
	for (size_t i = 0; i < f->n_groups; i++)
		f->groups[i].least_resident = UINT64_MAX;
	*ret_figures = f;
	return 0;
}

void figures_free(struct figures *f)
{
	if (!f)
		return;
	free(f->groups);
	free(f->guests);
	free(f->by_point);
	free(f);
}

uint64_t figures_average(figures_sum sum, uint64_t whole)
{
	return whole == 0 ? 0 : (uint64_t)(sum / whole);
}

static void add_guest(struct figures_mean *mean, const struct model_guest *g, uint64_t target,
		      uint64_t ms)
{
	mean->resident += (figures_sum)model_resident(g) * ms;
	mean->swapped += (figures_sum)model_swapped(g) * ms;
	mean->ballooned += (figures_sum)g->balloon * ms;
	mean->target += (figures_sum)target * ms;
	mean->waited += (figures_sum)(MODEL_FULL - g->work) * ms;
	mean->guest_ms += ms;
}

static void woken(struct figures_group *group, struct figures_guest *known, uint64_t now_ms)
{
	uint64_t ms = now_ms - known->wakes_since_ms;

	known->wakes = false;
	group->woken.times++;
	group->woken.sum_ms += ms;
	if (ms > group->woken.most_ms)
		group->woken.most_ms = ms;
}

/* step_ms: what has just been made of the phase that g is in. */
static void look_at_waking(struct figures_group *group, struct figures_guest *known,
			   const struct model_guest *g, uint64_t now_ms, uint64_t step_ms)
{
	if (known->because && known->because != g->use.because) {
		group->woken.unfinished += known->wakes;
		known->wakes = g->use.working_set > known->working_set;
		known->wakes_since_ms = now_ms - step_ms;
	}
	known->because = g->use.because;
	known->working_set = g->use.working_set;
	if (known->wakes && g->res[MODEL_HOT] >= model_part(g->use.working_set, BACK_PERCENT, 100))
		woken(group, known, now_ms);
}

static bool has_filled(const struct model_guest *g)
{
	return g->fill[MODEL_HOT] + g->fill[MODEL_COLD] + g->fill[MODEL_CACHE] == 0;
}

static void look_at_size(struct figures_group *group, struct figures_guest *known,
			 const struct model_guest *g)
{
	uint64_t resident = model_resident(g);

	known->filled |= has_filled(g);
	if (known->filled)
		group->least_resident = least(group->least_resident, resident);
	if (resident > group->most_resident)
		group->most_resident = resident;
}

static void step_guest(struct figures *f, size_t i, size_t group, size_t point,
		       const struct model *model, uint64_t target, uint64_t step_ms)
{
	const struct model_guest *g = &model->guests[i];
	struct figures_guest *known = &f->guests[i];

	if (g->state != MODEL_RUNS)
		return;
	add_guest(&f->groups[group].mean, g, target, step_ms);
	add_guest(&f->by_point[group * FIGURES_POINTS + point], g, target, step_ms);
	known->ms += step_ms;
	known->waited += (MODEL_FULL - g->work) * step_ms;
	look_at_waking(&f->groups[group], known, g, model->now_ms, step_ms);
	look_at_size(&f->groups[group], known, g);
}

static void step_host(struct figures *f, struct figures_point *point, const struct model *model,
		      enum policy_state state, uint64_t step_ms)
{
	struct policy_host host = turn_host(model);
	uint64_t margin = policy_margin(&host);

	if (point->ms == 0 || margin < point->least_margin)
		point->least_margin = margin;
	point->margin += (figures_sum)margin * step_ms;
	point->ms += step_ms;
	point->state_ms[state] += step_ms;
	f->state_ms[state] += step_ms;
	if (margin < f->least_margin) {
		f->least_margin = margin;
		f->least_margin_ms = model->now_ms;
	}
	f->read += model->read;
	f->written += model->written;
	f->steps++;
}

void figures_step(struct figures *f, const struct scenario *scenario, const struct model *model,
		  const uint64_t *targets, enum policy_state state, uint64_t step_ms)
{
	size_t point = (size_t)((model->now_ms - step_ms) / f->point_ms);

	for (size_t i = 0; i < model->n; i++)
		step_guest(f, i, (size_t)(model->guests[i].group - scenario->groups), point, model,
			   targets ? targets[i] : 0, step_ms);
	step_host(f, &f->points[point], model, state, step_ms);
}

void figures_turn(struct figures *f, const struct turn_result *result)
{
	f->turns++;
	f->acts.low += result->acts.low;
	f->acts.high += result->acts.high;
	f->acts.inflate += result->acts.inflate;
	f->acts.deflate += result->acts.deflate;
	f->acts.reclaim += result->acts.reclaim;
}

void figures_end(struct figures *f, const struct scenario *scenario, const struct model *model)
{
	for (size_t i = 0; i < model->n; i++) {
		const struct model_guest *g = &model->guests[i];
		struct figures_group *group = &f->groups[g->group - scenario->groups];
		uint64_t waited = figures_average(f->guests[i].waited, f->guests[i].ms);

		group->started += g->state == MODEL_RUNS || g->state == MODEL_ENDED;
		group->refused += g->state == MODEL_REFUSED;
		group->ended += g->state == MODEL_ENDED;
		group->woken.unfinished += f->guests[i].wakes;
		if (waited > group->most_waited)
			group->most_waited = waited;
	}
	for (size_t i = 0; i < f->n_groups; i++)
		if (f->groups[i].least_resident == UINT64_MAX)
			f->groups[i].least_resident = 0;
}
