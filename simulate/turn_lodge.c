/* SPDX-License-Identifier: Apache-2.0 */
/* lodge's policy at work on the model: see turn.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "govern/share.h"
#include "simulate/model.h"
#include "simulate/turn.h"

struct turn_lodge {
	struct policy_settings settings;
	struct policy_memory memory;
	struct policy_guest_memory *known; /* of each guest of the model */
	uint64_t *targets;		   /* of each guest of the model */

	/* Of those that run, in the order of who. */
	size_t *who;
	struct policy_guest *guests;
	struct policy_guest_memory *memories;
	struct share_claim *work;
	struct policy_act *acts;
};

int turn_lodge_new(size_t n, const struct policy_settings *settings, struct turn_lodge **ret_lodge,
		   struct err **err)
{
	struct turn_lodge *l = calloc(1, sizeof(*l));

	if (l) {
		l->settings = *settings;
		l->known = calloc(n, sizeof(*l->known));
		l->targets = calloc(n, sizeof(*l->targets));
		l->who = calloc(n, sizeof(*l->who));
		l->guests = calloc(n, sizeof(*l->guests));
		l->memories = calloc(n, sizeof(*l->memories));
		l->work = calloc(n, sizeof(*l->work));
		l->acts = calloc(n, sizeof(*l->acts));
	}
	if (!l || !l->known || !l->targets || !l->who || !l->guests || !l->memories || !l->work ||
	    !l->acts) {
		turn_lodge_free(l);
		return err_set(err, ERR_NO_SPACE, ENOMEM, "simulation");
	}
	*ret_lodge = l;
	return 0;
}

void turn_lodge_free(struct turn_lodge *l)
{
	if (!l)
		return;
	free(l->known);
	free(l->targets);
	free(l->who);
	free(l->guests);
	free(l->memories);
	free(l->work);
	free(l->acts);
	free(l);
}

const uint64_t *turn_lodge_targets(const struct turn_lodge *l)
{
	return l->targets;
}

struct policy_host turn_host(const struct model *model)
{
	uint64_t capacity = model_capacity(model);
	uint64_t used = model->host.used;

	return (struct policy_host){
		.now_ms = model->now_ms,
		.capacity = capacity,
		.used = used,
		/* What the host keeps for itself it uses. */
		.available = capacity > used ? capacity - used : 0,
	};
}

static struct policy_guest view_of(const struct model_guest *g)
{
	const struct promise *promise = &g->group->promise;
	struct policy_guest guest = {
		.floor = promise->best_effort ? 0 : promise->guarantee + promise->overhead,
		.ceiling = promise->limit + promise->overhead,
		.weight = (unsigned)g->group->weight,
		.best_effort = promise->best_effort,
		.resident = model_resident(g),
		.swapped = model_swapped(g),
		.active = g->active,
		.has_balloon = g->group->has_balloon,
		.balloon = g->balloon_target,
		.refaulted = g->turn_refaulted,
		.pain_permille = (unsigned)model_part(1000, g->turn_waited,
						      g->turn_ms * MODEL_FULL),
		.low = g->low,
		.high = g->high == MODEL_NO_LIMIT ? POLICY_UNKNOWN : g->high,
	};

	guest.spare = policy_spare(&guest, promise->memory, model_spare(g));
	return guest;
}

static size_t look(struct turn_lodge *l, struct model *model)
{
	size_t n = 0;

	for (size_t i = 0; i < model->n; i++) {
		struct model_guest *g = &model->guests[i];

		l->targets[i] = 0;
		if (g->state != MODEL_RUNS)
			continue;
		l->who[n] = i;
		l->guests[n] = view_of(g);
		l->memories[n++] = l->known[i];
		g->turn_refaulted = g->turn_waited = g->turn_ms = 0;
	}
	return n;
}

static void act_on(struct model_guest *g, const struct policy_act *act, struct turn_acts *acts)
{
	g->reclaim = act->reclaim;
	acts->reclaim += act->reclaim > 0;
	if (act->write_low) {
		g->low = act->low;
		acts->low++;
	}
	if (act->write_high) {
		g->high = act->high == POLICY_UNKNOWN ? MODEL_NO_LIMIT : act->high;
		acts->high++;
	}
	if (act->write_balloon) {
		acts->inflate += act->balloon > g->balloon_target;
		acts->deflate += act->balloon < g->balloon_target;
		g->balloon_target = act->balloon;
	}
}

void turn_lodge(struct turn_lodge *l, struct model *model, struct turn_result *ret_result)
{
	struct policy_host host = turn_host(model);
	struct turn_result result = { 0 };
	struct policy_plan plan;
	size_t n = look(l, model);

	policy_decide(&l->settings, &host, l->guests, n, &l->memory, l->memories, l->work, l->acts,
		      &plan);
	for (size_t i = 0; i < n; i++) {
		act_on(&model->guests[l->who[i]], &l->acts[i], &result.acts);
		l->targets[l->who[i]] = l->acts[i].target;
		l->known[l->who[i]] = l->memories[i];
	}
	result.state = plan.state;
	result.next_ms = plan.next_ms;
	*ret_result = result;
}
