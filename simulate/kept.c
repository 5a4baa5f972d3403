/* SPDX-License-Identifier: Apache-2.0 */
/* Which promises were kept: see kept.h. */
#include "simulate/kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sums.h"

int kept_new(const struct model *model, size_t n_events, struct kept **ret_kept, struct err **err)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (k) {
		k->guests = calloc(model->n, sizeof(*k->guests));
		k->dangers = calloc(n_events + 1, sizeof(*k->dangers));
	}
	if (!k || !k->guests || !k->dangers) {
		kept_free(k);
		return err_set(err, ERR_NO_SPACE, ENOMEM, "simulation");
	}
	k->n = model->n;
	k->most = model_capital(model);
	*ret_kept = k;
	return 0;
}

void kept_free(struct kept *k)
{
	if (!k)
		return;
	free(k->guests);
	free(k->dangers);
	free(k);
}

bool kept_admit(struct kept *k, const struct model *model, size_t i, bool refuse)
{
	const struct promise *promise = &model->guests[i].group->promise;
	struct promise_capital capital = model_capital(model);
	_cleanup_err_ struct err *why = NULL;

	if (!promise->best_effort && promise_check(&capital, &k->sum, promise, NULL, &why) < 0) {
		if (refuse) {
			if (!k->refused[0])
				snprintf(k->refused, sizeof(k->refused), "%s", err_message(why));
			return false;
		}
		k->guests[i].beyond = true;
	}
	promise_add(&k->sum, promise);
	return true;
}

static bool lacks(const struct promise_lack *lack)
{
	return lack->ram > 0 || lack->total > 0 || lack->swap > 0;
}

static void worsen(uint64_t *worst, uint64_t now)
{
	if (now > *worst)
		*worst = now;
}

/* Whether promises can't be kept that could be on the host as it was. */
static bool is_danger(const struct kept *k, const struct model *model,
		      struct promise_lack *ret_lack)
{
	struct promise_capital capital = model_capital(model);
	struct promise_lack before = promise_lack(&k->most, &k->sum);

	*ret_lack = promise_lack(&capital, &k->sum);
	return lacks(ret_lack) && !lacks(&before);
}

static void look_for_danger(struct kept *k, const struct model *model, enum scenario_what because)
{
	struct promise_lack lack;
	bool danger = is_danger(k, model, &lack);

	if (danger && !k->in_danger)
		k->dangers[k->n_dangers++] = (struct kept_danger){
			.since_ms = model->now_ms,
			.until_ms = UINT64_MAX,
			.because = because,
		};
	if (danger) {
		struct promise_lack *worst = &k->dangers[k->n_dangers - 1].worst;

		worsen(&worst->ram, lack.ram);
		worsen(&worst->total, lack.total);
		worsen(&worst->swap, lack.swap);
	} else if (k->in_danger) {
		k->dangers[k->n_dangers - 1].until_ms = model->now_ms;
	}
	k->in_danger = danger;
}

void kept_event(struct kept *k, const struct model *model, const struct scenario_event *event)
{
	worsen(&k->most.swap, model->host.swap);
	k->most.others = least(k->most.others, model->host.others);
	look_for_danger(k, model, event->what);
}

/* A guest that has ended is promised nothing any more. */
static void add_up(struct kept *k, const struct model *model)
{
	k->sum = (struct promise_sum){ 0 };
	for (size_t i = 0; i < model->n; i++)
		if (model->guests[i].state == MODEL_RUNS)
			promise_add(&k->sum, &model->guests[i].group->promise);
	if (k->in_danger)
		look_for_danger(k, model, k->dangers[k->n_dangers - 1].because);
}

static void look_at_ends(struct kept *k, const struct model *model, enum kept_when when)
{
	for (size_t i = 0; i < model->n_ooms; i++) {
		const struct model_oom *oom = &model->ooms[i];
		struct kept_guest *g = &k->guests[oom->guest];

		g->ended = true;
		g->ended_when = when;
		g->ended_ms = model->now_ms;
		g->lacking = oom->lacking;
	}
	if (model->n_ooms > 0)
		add_up(k, model);
}

static uint64_t missing(const struct model_guest *g)
{
	const struct promise *promise = &g->group->promise;

	if (g->state != MODEL_RUNS || promise->best_effort || model_swapped(g) == 0)
		return 0;
	return rest(promise->guarantee + promise->overhead, model_resident(g));
}

void kept_look(struct kept *k, const struct model *model, uint64_t step_ms)
{
	enum kept_when when = k->in_danger ? KEPT_IN_DANGER : KEPT_SAFE;

	for (size_t i = 0; i < model->n; i++) {
		uint64_t bytes = missing(&model->guests[i]);
		struct kept_guest *g = &k->guests[i];
		struct kept_below *below = &g->below[when];

		if (bytes > 0) {
			if (below->times == 0)
				below->first_ms = model->now_ms;
			below->times += !g->is_below || below->times == 0;
			below->ms += step_ms;
			worsen(&below->worst, bytes);
		}
		g->is_below = bytes > 0;
	}
	look_at_ends(k, model, when);
}

struct kept_count kept_count(const struct kept *k, const struct model *model, enum kept_when when)
{
	struct kept_count count = { 0 };

	for (size_t i = 0; i < k->n; i++) {
		const struct kept_guest *g = &k->guests[i];
		bool promised = !model->guests[i].group->promise.best_effort;

		count.guarantees += g->below[when].times;
		count.out_of_memory += promised && g->ended && g->ended_when == when;
		count.beyond += when == KEPT_SAFE && g->beyond;
	}
	return count;
}
