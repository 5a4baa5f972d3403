/* SPDX-License-Identifier: Apache-2.0 */
/* MOM's rules: see mom.h. */
#include "simulate/mom.h"

#include "base/sums.h"
#include "simulate/model.h"
#include "simulate/turn.h"

/* Of MOM's rules, in ten-thousandths. */
enum {
	WHOLE = 10000,
	PRESSURE = 2000,   /* of the host free: shrink below, grow above */
	CRITICAL = 500,	   /* so little that guests are to swap */
	GUEST_FREE = 2000, /* that a guest may keep free */
	CHANGE_MOST = 500, /* in a turn */
	CHANGE_LEAST = 25,
};

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t of(uint64_t bytes, uint64_t part)
{
	return model_part(bytes, part, WHOLE);
}

static uint64_t shrunk(const struct mom_guest *g, uint64_t host_free)
{
	uint64_t used = rest(g->size, g->unused);
	uint64_t keep;

	if (host_free <= CRITICAL)
		keep = rest(used, of(g->size, CRITICAL - host_free));
	else
		keep = used + of(g->size, GUEST_FREE * host_free / PRESSURE);
	return least(g->size, most(most(g->least, keep), of(g->size, WHOLE - CHANGE_MOST)));
}

static uint64_t grown(const struct mom_guest *g)
{
	uint64_t keep = most(g->least, rest(g->size, g->unused) + of(g->size, GUEST_FREE));

	return most(g->size, least(g->memory, most(keep, of(g->size, WHOLE + CHANGE_MOST))));
}

uint64_t mom_size(const struct mom_guest *g, uint64_t free, uint64_t total)
{
	uint64_t host_free = model_part(WHOLE, free, total);
	uint64_t size = host_free < PRESSURE ? shrunk(g, host_free) : grown(g);
	uint64_t change = size > g->size ? size - g->size : g->size - size;

	return change > of(g->size, CHANGE_LEAST) ? size : g->size;
}

void mom_turn(struct model *model, struct turn_result *ret_result)
{
	struct turn_result result = { .next_ms = MOM_INTERVAL_MS };
	uint64_t free = rest(model_capacity(model), model->host.used);

	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];
		const struct promise *promise = &g->group->promise;
		struct mom_guest guest = {
			.memory = promise->memory,
			.size = promise->memory - g->balloon,
			.unused = g->free,
			.least = promise->guarantee,
		};

		if (g->state != MODEL_RUNS || !g->group->has_balloon)
			continue;

		uint64_t size = mom_size(&guest, free, model->host.ram);
		uint64_t balloon = promise->memory - size;

		result.acts.inflate += balloon > g->balloon;
		result.acts.deflate += balloon < g->balloon;
		g->balloon_target = balloon;
	}
	*ret_result = result;
}
