/* SPDX-License-Identifier: Apache-2.0 */
/* The modelled host: see model.h. What guests do is in model_guest.c, reclaim in model_kernel.c. */
#include "simulate/model.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/sums.h"

/* What the kernel can't hand out any more, as it keeps that for itself (min_free_kbytes). */
#define HARDLY_ANY (UINT64_C(4) << 20)

/* A generator of numbers that are the same everywhere (Steele, Lea and Flood, "Fast splittable
 * pseudorandom number generators", OOPSLA 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void add_guests(struct model *model, const struct scenario *scenario)
{
	uint64_t seed = scenario->seed;

	for (size_t i = 0; i < scenario->n_groups; i++) {
		const struct scenario_group *group = &scenario->groups[i];

		for (uint64_t j = 0; j < group->count; j++)
			model->guests[model->n++] = (struct model_guest){
				.group = group,
				.number = j + 1,
				.behind_ms = next_random(&seed) % (group->cycle.spread_ms + 1),
				.free = group->promise.memory,
				.high = MODEL_NO_LIMIT,
				.max = group->promise.limit + group->promise.overhead,
			};
	}
}

int model_new(const struct scenario *scenario, struct model **ret_model, struct err **err)
{
	struct model *model = calloc(1, sizeof(*model));
	size_t n = 0;

	for (size_t i = 0; i < scenario->n_groups; i++)
		n += scenario->groups[i].count;
	if (model) {
		model->guests = calloc(n + 1, sizeof(*model->guests));
		model->ooms = calloc(n + 1, sizeof(*model->ooms));
	}
	if (!model || !model->guests || !model->ooms) {
		model_free(model);
		return err_set(err, ERR_NO_SPACE, ENOMEM, "simulation");
	}
	model->host = (struct model_host){
		.ram = scenario->host.memory,
		.limit = scenario->host.memory - scenario->host.reserve,
		.swap = scenario->host.swap,
		.bandwidth = scenario->host.swap_bandwidth,
		.balloon_rate = scenario->host.balloon_rate,
	};
	add_guests(model, scenario);
	*ret_model = model;
	return 0;
}

void model_free(struct model *model)
{
	if (!model)
		return;
	free(model->guests);
	free(model->ooms);
	free(model);
}

/* The host's own part of RAM is out of guests' reach, so others take it first. */
static uint64_t others_beyond_reserve(const struct model *model)
{
	return rest(model->host.others, model->host.ram - model->host.limit);
}

struct promise_capital model_capital(const struct model *model)
{
	return (struct promise_capital){
		.ram = model->host.ram,
		.limit = model->host.limit,
		.others = model->host.others,
		.swap = model->host.swap,
	};
}

uint64_t model_capacity(const struct model *model)
{
	return rest(model->host.limit, others_beyond_reserve(model));
}

static uint64_t changed(uint64_t bytes, const struct scenario_event *event)
{
	return event->less ? rest(bytes, event->bytes) : bytes + event->bytes;
}

void model_event(struct model *model, const struct scenario_event *event)
{
	uint64_t *bytes = event->what == SCENARIO_SWAP ? &model->host.swap : &model->host.others;

	*bytes = changed(*bytes, event);
}

void model_start(struct model *model, size_t i, bool protect)
{
	struct model_guest *g = &model->guests[i];
	const struct promise *promise = &g->group->promise;

	g->state = MODEL_RUNS;
	g->use = scenario_use(g->group, g->behind_ms, model->now_ms);
	if (protect && !promise->best_effort)
		g->min = promise->guarantee + promise->overhead;

	uint64_t idle = rest(g->group->touched, g->use.working_set);

	g->fill[MODEL_CACHE] = model_part(idle, g->group->cache_percent, 100);
	g->fill[MODEL_COLD] = idle - g->fill[MODEL_CACHE];
	g->active = g->active_next = promise->overhead + g->use.working_set;
	model->host.used += promise->overhead;
}

/* One step */

/* What a step may move between RAM and swap. */
static uint64_t budget_of(const struct model *model, uint64_t step_ms)
{
	uint64_t all = model_part(model->host.bandwidth, step_ms, 1000);

	return rest(all, model->read + model->written);
}

/* memory.reclaim, memory.high and memory.max, with half the device at most. */
static void take_what_is_asked(struct model *model, uint64_t step_ms)
{
	uint64_t most = budget_of(model, step_ms) / 2;

	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];
		uint64_t beyond = rest(model_resident(g), least(g->high, g->max));
		uint64_t wanted = beyond > g->reclaim ? beyond : g->reclaim;
		uint64_t taken;

		if (wanted == 0 || most == 0)
			continue;
		taken = model_take(model, g, least(wanted, most));
		g->reclaim = taken < least(wanted, most) ? 0 : rest(g->reclaim, taken);
		most -= taken;
	}
}

/* swapoff brings back what has no place in swap any more, as far as there's RAM for it. */
static void bring_back(struct model *model, uint64_t step_ms)
{
	uint64_t free = rest(model_capacity(model), model->host.used);
	uint64_t bytes = least(rest(model->host.swapped, model->host.swap), free);

	bytes = least(bytes, budget_of(model, step_ms) / 2);
	for (size_t i = 0; i < model->n && bytes > 0; i++)
		for (int c = 0; c < MODEL_CLASSES; c++) {
			struct model_guest *g = &model->guests[i];
			uint64_t back = least(bytes, g->swp[c]);

			g->swp[c] -= back;
			g->res[c] += back;
			model->host.swapped -= back;
			model->host.used += back;
			model->read += back;
			bytes -= back;
		}
}

/* Ends guests until so much is there. */
static void make_room(struct model *model, uint64_t bytes)
{
	uint64_t lacking = rest(bytes, rest(model_capacity(model), model->host.used));

	while (lacking > 0) {
		size_t before = model->n_ooms;
		uint64_t used = model->host.used;

		model_out_of_memory(model, lacking);
		if (model->n_ooms == before)
			return;
		lacking = rest(lacking, used - model->host.used);
	}
}

/* What others took of guests' RAM has to be given up first. */
static void give_up_what_is_beyond(struct model *model, uint64_t step_ms)
{
	uint64_t beyond = rest(model->host.used, model_capacity(model));
	uint64_t wanted = least(beyond, budget_of(model, step_ms));
	uint64_t taken = model_reclaim(model, wanted);

	if (taken < wanted)
		model_out_of_memory(model, wanted - taken);
}

struct demand {
	uint64_t io;	/* reads, and what guests give up themselves */
	uint64_t fills; /* of memory that is new */
	uint64_t room;	/* RAM for both that guests don't give up themselves */
};

static struct demand ask_all(struct model *model, uint64_t step_ms)
{
	struct demand d = { 0 };

	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];

		g->work = MODEL_FULL;
		g->reads = g->fills = g->own = 0;
		if (g->state != MODEL_RUNS)
			continue;
		model_guest_want(g, model->now_ms, step_ms);
		model_guest_ask(model, g, step_ms);
		d.io += g->reads + g->own;
		d.fills += g->fills;
		d.room += g->reads + g->fills - g->own;
	}
	return d;
}

/* What serving a guest takes of the device: what it reads and gives up, and what has to be taken
 * from others to make room for it. */
static uint64_t cost_of(const struct model_guest *g, const struct demand *d, uint64_t lacking)
{
	uint64_t room = g->reads + g->fills - g->own;

	return g->reads + g->own + model_part(room, lacking, d->room);
}

/* Divides what the device can do by weight (io.weight); who needs less than its share leaves the
 * rest to the others. */
static void share_device(struct model *model, const struct demand *d, uint64_t budget,
			 uint64_t lacking)
{
	uint64_t weights = 0;
	bool again = true;

	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];

		g->part = 0;
		if (g->reads + g->fills > 0)
			weights += g->group->weight;
	}
	while (again) {
		again = false;
		for (size_t i = 0; i < model->n; i++) {
			struct model_guest *g = &model->guests[i];
			uint64_t cost = cost_of(g, d, lacking);
			uint64_t share = model_part(budget, g->group->weight, weights);

			if (g->reads + g->fills == 0 || g->part == MODEL_FULL)
				continue;
			if (cost > share) {
				g->part = model_part(MODEL_FULL, share, cost);
				continue;
			}
			g->part = MODEL_FULL;
			budget -= cost;
			weights -= g->group->weight;
			again = true;
		}
	}
}

/* Less can be had than is asked for if RAM and swap are both full, or if what is in RAM can't be
 * swapped; then all wait for each other, and reading back can wait for good. New memory can't: if
 * hardly any is left, a guest has to end. */
static uint64_t part_with_room(struct model *model, const struct demand *d)
{
	uint64_t needed = 0;
	uint64_t free;

	for (size_t i = 0; i < model->n; i++)
		needed += model_part(model->guests[i].reads + model->guests[i].fills,
				     model->guests[i].part, MODEL_FULL);
	free = rest(model_capacity(model), model->host.used);
	free += model_reclaim(model, rest(needed, free));
	if (free >= needed)
		return MODEL_FULL;
	if (d->fills > 0 && free < HARDLY_ANY) {
		make_room(model, least(d->fills, needed));
		free = rest(model_capacity(model), model->host.used);
	}
	return least(MODEL_FULL, model_part(MODEL_FULL, free, needed));
}

static void serve_all(struct model *model, uint64_t step_ms)
{
	struct demand d = ask_all(model, step_ms);
	uint64_t free = rest(model_capacity(model), model->host.used);
	uint64_t part;

	if (d.io + d.fills == 0)
		return;
	share_device(model, &d, budget_of(model, step_ms), rest(d.room, free));
	for (size_t i = 0; i < model->n; i++)
		if (model->guests[i].own > 0)
			model_take(
			    model, &model->guests[i],
			    model_part(model->guests[i].own, model->guests[i].part, MODEL_FULL));
	part = part_with_room(model, &d);
	for (size_t i = 0; i < model->n; i++)
		if (model->guests[i].state == MODEL_RUNS)
			model_guest_get(model, &model->guests[i],
					model_part(model->guests[i].part, part, MODEL_FULL));
}

static void move_balloons(struct model *model, uint64_t step_ms)
{
	for (size_t i = 0; i < model->n; i++)
		if (model->guests[i].state == MODEL_RUNS &&
		    model->guests[i].balloon != model->guests[i].balloon_target)
			model->ballooned += model_guest_balloon(model, &model->guests[i], step_ms);
}

static void look_at_activity(struct model *model)
{
	if (model->now_ms < model->sampled_ms + MODEL_ACTIVITY_MS)
		return;
	model->sampled_ms = model->now_ms;
	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];

		g->active = g->active_next;
		g->active_next = g->group->promise.overhead + g->res[MODEL_HOT];
	}
}

static void count_waiting(struct model *model, uint64_t step_ms)
{
	model->hurts = false;
	model->calm = model->read + model->written + model->ballooned == 0;
	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];

		if (g->state != MODEL_RUNS)
			continue;
		g->turn_ms += step_ms;
		g->turn_waited += (MODEL_FULL - g->work) * step_ms;
		model->hurts |= MODEL_FULL - g->work >= MODEL_HURTS;
		model->calm &= g->work == MODEL_FULL && g->fills == 0;
	}
}

void model_step(struct model *model, uint64_t step_ms)
{
	model->read = model->written = model->ballooned = 0;
	model->n_ooms = 0;
	give_up_what_is_beyond(model, step_ms);
	move_balloons(model, step_ms);
	take_what_is_asked(model, step_ms);
	bring_back(model, step_ms);
	serve_all(model, step_ms);
	count_waiting(model, step_ms);
	model->now_ms += step_ms;
	look_at_activity(model);
}

uint64_t model_steady_until(const struct model *model)
{
	uint64_t until = UINT64_MAX;

	for (size_t i = 0; i < model->n; i++) {
		const struct model_guest *g = &model->guests[i];

		if (g->state == MODEL_WAITS)
			until = least(until, g->group->start_ms);
		if (g->state == MODEL_RUNS)
			until = least(until, g->use.until_ms);
	}
	return until;
}
