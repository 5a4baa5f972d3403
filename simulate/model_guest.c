/* SPDX-License-Identifier: Apache-2.0 */
/* The guests' side of the model: see model.h. */
#include "base/sums.h"
#include "simulate/model.h"

/* What the kernel reads from swap at least, eight pages (vm.page-cluster). */
#define CLUSTER (UINT64_C(32) << 10)

static uint64_t all_of(const struct model_guest *g, enum model_class c)
{
	return g->res[c] + g->swp[c];
}

uint64_t model_part(uint64_t bytes, uint64_t part, uint64_t whole)
{
	__extension__ typedef unsigned __int128 wide;
	uint64_t product;

	if (whole == 0)
		return 0;
	/* Dividing 128 bits takes several times as long, and nearly never has to be. */
	if (!__builtin_mul_overflow(bytes, part, &product))
		return product / whole;
	return (uint64_t)((wide)bytes * part / whole);
}

uint64_t model_resident(const struct model_guest *g)
{
	if (g->state != MODEL_RUNS)
		return 0;
	return g->group->promise.overhead + g->res[MODEL_HOT] + g->res[MODEL_COLD] +
	       g->res[MODEL_CACHE];
}

uint64_t model_swapped(const struct model_guest *g)
{
	return g->swp[MODEL_HOT] + g->swp[MODEL_COLD] + g->swp[MODEL_CACHE];
}

uint64_t model_spare(const struct model_guest *g)
{
	return g->free + all_of(g, MODEL_CACHE);
}

/* What it wants */

/* Pages change what they are and stay where they are, some in RAM and some in swap. */
static void become(struct model_guest *g, enum model_class from, enum model_class to,
		   uint64_t bytes)
{
	uint64_t res = model_part(g->res[from], bytes, all_of(g, from));
	uint64_t swp;

	res = least(res + rest(bytes, res + g->swp[from]), g->res[from]);
	swp = least(bytes - res, g->swp[from]);
	g->res[from] -= res;
	g->swp[from] -= swp;
	g->res[to] += res;
	g->swp[to] += swp;
}

static void shrink(struct model_guest *g, uint64_t bytes)
{
	uint64_t cache = model_part(bytes, g->group->cache_percent, 100);

	become(g, MODEL_HOT, MODEL_CACHE, cache);
	become(g, MODEL_HOT, MODEL_COLD, bytes - cache);
}

/* What it used before comes first; the rest has to be filled. */
static void grow(struct model_guest *g, uint64_t bytes)
{
	uint64_t idle = all_of(g, MODEL_COLD) + all_of(g, MODEL_CACHE);
	uint64_t again = least(bytes, idle);
	uint64_t cold = model_part(again, all_of(g, MODEL_COLD), idle);

	cold = least(cold + rest(again, cold + all_of(g, MODEL_CACHE)), all_of(g, MODEL_COLD));
	become(g, MODEL_COLD, MODEL_HOT, cold);
	become(g, MODEL_CACHE, MODEL_HOT, again - cold);
}

/* A leak takes free memory, then what its kernel can drop, then what the balloon has. */
static void leak(struct model_guest *g, uint64_t step_ms)
{
	uint64_t thousandths = g->use.leak * step_ms + g->leak_rest;
	uint64_t bytes = thousandths / 1000;
	uint64_t room = rest(g->free + g->balloon, g->fill[MODEL_COLD] + g->fill[MODEL_CACHE]);
	uint64_t cache = least(rest(bytes, rest(room, g->balloon)), all_of(g, MODEL_CACHE));

	g->leak_rest = thousandths % 1000;
	become(g, MODEL_CACHE, MODEL_COLD, cache);
	g->fill[MODEL_COLD] += least(bytes - cache, room);
}

void model_guest_want(struct model_guest *g, uint64_t now_ms, uint64_t step_ms)
{
	uint64_t hot = all_of(g, MODEL_HOT);

	if (now_ms >= g->use.until_ms)
		g->use = scenario_use(g->group, g->behind_ms, now_ms);
	if (hot > g->use.working_set)
		shrink(g, hot - g->use.working_set);
	else if (hot < g->use.working_set)
		grow(g, g->use.working_set - hot);
	g->fill[MODEL_HOT] = rest(g->use.working_set, all_of(g, MODEL_HOT));
	if (g->use.leak > 0)
		leak(g, step_ms);
}

/* What it asks for and gets */

static uint64_t limit_of(const struct model_guest *g)
{
	return least(g->high, g->max);
}

void model_guest_ask(const struct model *model, struct model_guest *g, uint64_t step_ms)
{
	uint64_t missing = g->swp[MODEL_HOT];
	uint64_t fills = g->fill[MODEL_HOT] + g->fill[MODEL_COLD] + g->fill[MODEL_CACHE];
	/* A second of work reads missing / pace, which takes the device this part of a second. */
	uint64_t device = model_part(missing * 1000, MODEL_FULL,
				     g->group->pace_ms * model->host.bandwidth);

	g->work = MODEL_FULL * (uint64_t)MODEL_FULL / (MODEL_FULL + device);
	g->reads = least(missing,
			 model_part(missing, step_ms * g->work, g->group->pace_ms * MODEL_FULL));
	if (g->reads < CLUSTER)
		g->reads = least(missing, CLUSTER);
	g->fills = least(least(fills, g->free + g->balloon),
			 model_part(MODEL_FILL_RATE, step_ms, 1000));
	g->own = rest(g->reads + g->fills, rest(limit_of(g), model_resident(g)));
}

/* Fills as much of one class, and takes the memory from the balloon if there's no other. */
static uint64_t fill(struct model_guest *g, enum model_class c, uint64_t bytes)
{
	uint64_t filled = least(least(bytes, g->fill[c]), g->free + g->balloon);
	uint64_t deflate = rest(filled, g->free);

	g->balloon -= deflate;
	g->balloon_target = least(g->balloon_target, g->balloon);
	g->free += deflate;
	g->free -= filled;
	g->fill[c] -= filled;
	g->res[c] += filled;
	return filled;
}

void model_guest_get(struct model *model, struct model_guest *g, uint64_t part)
{
	uint64_t reads = least(model_part(g->reads, part, MODEL_FULL), g->swp[MODEL_HOT]);
	uint64_t fills = model_part(g->fills, part, MODEL_FULL);
	uint64_t filled = fill(g, MODEL_HOT, fills);

	filled += fill(g, MODEL_COLD, fills - filled);
	filled += fill(g, MODEL_CACHE, fills - filled);
	g->swp[MODEL_HOT] -= reads;
	g->res[MODEL_HOT] += reads;
	g->turn_refaulted += reads;
	model->host.swapped -= reads;
	model->host.used += reads + filled;
	model->read += reads;
	if (g->reads + g->fills > 0)
		g->work = model_part(g->work, part, MODEL_FULL);
}

/* The balloon */

static uint64_t inflate(struct model *model, struct model_guest *g, uint64_t bytes)
{
	uint64_t from_free = least(bytes, g->free);
	uint64_t from_cache = least(bytes - from_free, all_of(g, MODEL_CACHE));
	uint64_t res = least(from_cache, g->res[MODEL_CACHE]);

	g->free -= from_free;
	g->res[MODEL_CACHE] -= res;
	g->swp[MODEL_CACHE] -= from_cache - res;
	model->host.used -= res;
	model->host.swapped -= from_cache - res;
	g->balloon += from_free + from_cache;
	return from_free + from_cache;
}

uint64_t model_guest_balloon(struct model *model, struct model_guest *g, uint64_t step_ms)
{
	uint64_t most = model_part(model->host.balloon_rate, step_ms, 1000);

	if (g->balloon_target > g->balloon)
		return inflate(model, g, least(most, g->balloon_target - g->balloon));

	uint64_t bytes = least(most, g->balloon - g->balloon_target);

	g->balloon -= bytes;
	g->free += bytes;
	return bytes;
}
