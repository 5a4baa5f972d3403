/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a scenario, for programs: see account.h. */
#include "simulate/account.h"
#include "simulate/run.h"

static json_int_t average(figures_sum sum, uint64_t ms)
{
	return (json_int_t)figures_average(sum, ms);
}

static json_t *woken_to_json(const struct figures_woken *w)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "times", (json_int_t)w->times, "never",
			 (json_int_t)w->unfinished, "mean_ms", average(w->sum_ms, w->times),
			 "most_ms", (json_int_t)w->most_ms);
}

/* Parts of time are in millionths. */
static json_t *group_to_json(const struct scenario_group *group, const struct figures_group *f,
			     bool has_target)
{
	uint64_t ms = f->mean.guest_ms;
	json_int_t waited = average(f->mean.waited, ms);

	return json_pack(
	    "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "name",
	    group->name, "started", (json_int_t)f->started, "refused", (json_int_t)f->refused,
	    "ended", (json_int_t)f->ended, "resident", average(f->mean.resident, ms),
	    "least_resident", (json_int_t)f->least_resident, "most_resident",
	    (json_int_t)f->most_resident, "target",
	    has_target ? json_integer(average(f->mean.target, ms)) : json_null(), "swapped",
	    average(f->mean.swapped, ms), "ballooned", average(f->mean.ballooned, ms), "worked",
	    (json_int_t)MODEL_FULL - waited, "waited", waited, "most_waited",
	    (json_int_t)f->most_waited, "woken", woken_to_json(&f->woken));
}

static json_t *groups_to_json(const struct scenario *s, const struct run_result *result)
{
	json_t *groups = json_array();

	for (size_t i = 0; i < s->n_groups; i++)
		json_array_append_new(groups,
				      group_to_json(&s->groups[i], &result->figures->groups[i],
						    result->options.policy == RUN_LODGE));
	return groups;
}

static json_t *states_to_json(const struct run_result *result)
{
	json_t *states = json_object();

	if (result->options.policy != RUN_LODGE) {
		json_decref(states);
		return json_null();
	}
	for (int i = 0; i < FIGURES_STATES; i++)
		json_object_set_new(states, policy_state_name((enum policy_state)i),
				    json_integer((json_int_t)result->figures->state_ms[i]));
	return states;
}

static json_t *acts_to_json(const struct turn_acts *acts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "low", (json_int_t)acts->low, "high",
			 (json_int_t)acts->high, "reclaim", (json_int_t)acts->reclaim, "balloon_up",
			 (json_int_t)acts->inflate, "balloon_down", (json_int_t)acts->deflate);
}

static json_t *host_to_json(const struct scenario *s, const struct run_result *result)
{
	const struct figures *f = result->figures;

	return json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:o}", "least_margin",
			 (json_int_t)f->least_margin, "least_margin_ms",
			 (json_int_t)f->least_margin_ms, "wanted_margin",
			 (json_int_t)policy_wanted_margin(s->host.memory - s->host.reserve),
			 "states_ms", states_to_json(result), "swap_read", (json_int_t)f->read,
			 "swap_written", (json_int_t)f->written, "steps", (json_int_t)f->steps,
			 "turns", (json_int_t)f->turns, "acts", acts_to_json(&f->acts));
}

static json_t *count_to_json(const struct run_result *result, enum kept_when when)
{
	struct kept_count count = kept_count(result->kept, result->model, when);

	return json_pack("{s:I, s:I, s:I}", "guarantees", (json_int_t)count.guarantees,
			 "out_of_memory", (json_int_t)count.out_of_memory, "beyond_the_sums",
			 (json_int_t)count.beyond);
}

static json_t *danger_to_json(const struct kept_danger *d)
{
	return json_pack(
	    "{s:I, s:o, s:s, s:I, s:I, s:I}", "since_ms", (json_int_t)d->since_ms, "until_ms",
	    d->until_ms == UINT64_MAX ? json_null() : json_integer((json_int_t)d->until_ms),
	    "because", account_because(d->because), "ram", (json_int_t)d->worst.ram, "total",
	    (json_int_t)d->worst.total, "swap", (json_int_t)d->worst.swap);
}

static json_t *dangers_to_json(const struct kept *kept)
{
	json_t *dangers = json_array();

	for (size_t i = 0; i < kept->n_dangers; i++)
		json_array_append_new(dangers, danger_to_json(&kept->dangers[i]));
	return dangers;
}

json_t *account_to_json(const struct scenario *s, const struct run_result *result)
{
	json_t *tax = result->options.policy == RUN_LODGE
			  ? json_integer(result->options.tax_percent)
			  : json_null();

	return json_pack("{s:s, s:s, s:o, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:s}", "scenario",
			 s->name, "policy", account_policy(result), "tax_percent", tax,
			 "duration_ms", (json_int_t)s->duration_ms, "groups",
			 groups_to_json(s, result), "host", host_to_json(s, result), "breaches",
			 (json_int_t)run_breaches(result), "broken",
			 count_to_json(result, KEPT_SAFE), "lost_in_danger",
			 count_to_json(result, KEPT_IN_DANGER), "dangers",
			 dangers_to_json(result->kept), "refused", result->kept->refused);
}
