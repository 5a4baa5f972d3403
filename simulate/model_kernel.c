/* SPDX-License-Identifier: Apache-2.0 */
/* The host's kernel in the model, as it takes memory from guests: see model.h. */
#include "base/sums.h"
#include "simulate/model.h"

/* Until when a guest's pages are let alone, from the first pass to the last. */
enum protection { ABOVE_LOW, ABOVE_MIN };

static uint64_t swap_room(const struct model *model)
{
	return rest(model->host.swap, model->host.swapped);
}

static uint64_t swap_out(struct model *model, struct model_guest *g, enum model_class c,
			 uint64_t bytes)
{
	bytes = least(least(bytes, g->res[c]), swap_room(model));
	g->res[c] -= bytes;
	g->swp[c] += bytes;
	model->host.used -= bytes;
	model->host.swapped += bytes;
	model->written += bytes;
	return bytes;
}

static uint64_t take_idle(struct model *model, struct model_guest *g, uint64_t bytes)
{
	uint64_t idle = g->res[MODEL_COLD] + g->res[MODEL_CACHE];
	uint64_t cold = model_part(least(bytes, idle), g->res[MODEL_COLD], idle);
	uint64_t taken = swap_out(model, g, MODEL_COLD, cold);

	taken += swap_out(model, g, MODEL_CACHE, bytes - taken);
	return taken + swap_out(model, g, MODEL_COLD, bytes - taken);
}

/* One of best effort may have nothing in swap (memory.swap.max is 0). */
static bool can_swap(const struct model_guest *g)
{
	return g->state == MODEL_RUNS && !g->group->promise.best_effort;
}

uint64_t model_take(struct model *model, struct model_guest *g, uint64_t bytes)
{
	if (!can_swap(g))
		return 0;

	uint64_t taken = take_idle(model, g, bytes);

	return taken + swap_out(model, g, MODEL_HOT, bytes - taken);
}

static uint64_t excess(const struct model_guest *g, enum protection protection)
{
	uint64_t keep = g->min;

	if (protection == ABOVE_LOW && g->low > keep)
		keep = g->low;
	return can_swap(g) ? rest(model_resident(g), keep) : 0;
}

/* What can be taken of a guest in such a pass. */
static uint64_t takeable(const struct model_guest *g, enum protection protection, bool busy)
{
	uint64_t idle = g->res[MODEL_COLD] + g->res[MODEL_CACHE];

	return least(excess(g, protection), busy ? g->res[MODEL_HOT] : idle);
}

/* Asks each guest once for its part of what is wanted, in proportion to its excess. */
static uint64_t round_of(struct model *model, uint64_t bytes, enum protection protection, bool busy)
{
	uint64_t sum = 0;
	uint64_t taken = 0;

	for (size_t i = 0; i < model->n; i++)
		if (takeable(&model->guests[i], protection, busy) > 0)
			sum += excess(&model->guests[i], protection);
	for (size_t i = 0; i < model->n && taken < bytes; i++) {
		struct model_guest *g = &model->guests[i];
		uint64_t most = takeable(g, protection, busy);
		uint64_t part = model_part(bytes, excess(g, protection), sum) + 1;

		if (most == 0)
			continue;
		part = least(least(part, most), bytes - taken);
		taken += busy ? swap_out(model, g, MODEL_HOT, part) : take_idle(model, g, part);
	}
	return taken;
}

uint64_t model_reclaim(struct model *model, uint64_t bytes)
{
	static const struct {
		enum protection protection;
		bool busy;
	} passes[] = {
		{ ABOVE_LOW, false }, { ABOVE_LOW, true }, { ABOVE_MIN, false }, { ABOVE_MIN, true }
	};
	uint64_t taken = 0;

	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		uint64_t now = 1;

		while (taken < bytes && now > 0) {
			now = round_of(model, bytes - taken, passes[i].protection, passes[i].busy);
			taken += now;
		}
	}
	return taken;
}

static void end(struct model *model, struct model_guest *g)
{
	uint64_t memory = g->group->promise.memory;

	model->host.used -= model_resident(g);
	model->host.swapped -= model_swapped(g);
	for (int c = 0; c < MODEL_CLASSES; c++)
		g->res[c] = g->swp[c] = g->fill[c] = 0;
	g->balloon = g->balloon_target = 0;
	g->free = memory;
	g->reads = g->fills = g->own = g->reclaim = 0;
	g->state = MODEL_ENDED;
}

/* Whether the kernel would rather end a than b. */
static bool rather(const struct model_guest *a, const struct model_guest *b)
{
	if (a->group->promise.best_effort != b->group->promise.best_effort)
		return a->group->promise.best_effort;
	return model_resident(a) > model_resident(b);
}

void model_out_of_memory(struct model *model, uint64_t bytes)
{
	struct model_guest *victim = NULL;

	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];

		if (g->state == MODEL_RUNS && (!victim || rather(g, victim)))
			victim = g;
	}
	if (!victim)
		return;
	end(model, victim);
	model->ooms[model->n_ooms++] = (struct model_oom){
		.guest = (size_t)(victim - model->guests),
		.lacking = bytes,
	};
}
