/* SPDX-License-Identifier: Apache-2.0 */
/* Why a guest has the memory that it has, for programs: see explain_text.h. */
#include "base/cleanup.h"
#include "base/sums.h"
#include "cmd/explain_text.h"
#include "cmd/memory_report.h"
#include "cmd/top_governor.h"
#include "govern/words.h"

static json_t *age_to_json(const struct explain *e, uint64_t time_ms)
{
	return json_integer((json_int_t)rest(e->now_ms, time_ms));
}

static json_t *memory_to_json(const struct memory_parts *p)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "guest", memory_report_known(p->guest), "resident",
			 memory_report_known(p->resident), "swapped",
			 memory_report_known(p->swapped), "ballooned",
			 memory_report_known(p->ballooned));
}

static json_t *promise_to_json(const struct guest_promise *g)
{
	const struct promise *p = &g->promise;

	return json_pack("{s:o, s:o, s:o, s:i, s:b}", "guarantee",
			 memory_report_known(p->guarantee), "memory_limit",
			 memory_report_known(p->limit), "overhead",
			 memory_report_known(p->overhead), "weight", (int)g->shares.weight,
			 "best_effort", p->best_effort);
}

static json_t *governor_to_json(const struct explain *e)
{
	const struct govern_record *r = e->record;
	json_t *object = json_pack("{s:b}", "running", e->governed);

	if (e->record_reason)
		json_object_set_new(object, "reason", json_string(e->record_reason));
	if (!r)
		return object;
	json_object_set_new(object, "age_ms", age_to_json(e, r->time_ms));
	json_object_set_new(object, "state", json_string(policy_state_name(r->state)));
	json_object_set_new(object, "margin", memory_report_known(r->margin));
	json_object_set_new(object, "wanted", memory_report_known(r->wanted));
	json_object_set_new(object, "capacity", memory_report_known(r->host.capacity));
	json_object_set_new(object, "tax_percent", json_integer(r->settings.tax_percent));
	return object;
}

static json_t *part_to_json(const struct explain *e)
{
	const struct govern_record_guest *guest = e->guest;
	struct explain_share s;

	explain_divide(e->record, guest, &s);
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o, s:I, s:o, s:o, s:o, s:s, s:b}", "target",
			 memory_report_known(guest->target), "kept", memory_report_known(s.kept),
			 "by_weight", memory_report_known(s.by_weight), "others",
			 (json_int_t)s.others, "tax", (json_int_t)s.tax, "untaxed",
			 memory_report_known(guest->untaxed), "weights", (json_int_t)s.weights,
			 "divided", memory_report_known(s.divided), "has",
			 memory_report_known(guest->seen.resident), "uses",
			 memory_report_known(guest->seen.active), "source",
			 govern_source_name(guest->source), "hurts", guest->hurts);
}

static json_t *psi_to_json(const struct explain_kernel *k)
{
	if (!k->has_psi)
		return json_null();
	return json_pack("{s:f, s:f}", "some_avg10", k->psi.some_avg10 / 100.0, "full_avg10",
			 k->psi.full_avg10 / 100.0);
}

static json_t *kernel_to_json(const struct explain_kernel *k)
{
	const struct host_cgroup_events *events = &k->events;
	json_t *object = json_pack(
	    "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "memory_min", memory_report_known(k->bounds.min),
	    "memory_low", memory_report_known(k->bounds.low), "memory_high",
	    memory_report_known(k->bounds.high), "memory_max", memory_report_known(k->bounds.max),
	    "refault_anon", memory_report_known(k->refault_anon), "refault_file",
	    memory_report_known(k->refault_file), "pressure", psi_to_json(k));

	json_object_set_new(
	    object, "events",
	    json_pack("{s:o, s:o, s:o, s:o, s:o}", "low", memory_report_known(events->low), "high",
		      memory_report_known(events->high), "max", memory_report_known(events->max),
		      "oom", memory_report_known(events->oom), "oom_kill",
		      memory_report_known(events->oom_kill)));
	return object;
}

/* A member, or null and the reason as another. */
static void set_or_reason(json_t *object, const char *name, json_t *value, const char *reason)
{
	char member[64];

	json_object_set_new(object, name, value ? value : json_null());
	if (value)
		return;
	snprintf(member, sizeof(member), "%s_reason", name);
	json_object_set_new(object, member, json_string(reason));
}

json_t *explain_to_json(const struct explain *e)
{
	json_t *object = json_pack("{s:s}", "name", e->name);

	set_or_reason(object, "memory", e->memory ? memory_to_json(e->memory) : NULL,
		      e->memory_reason);
	set_or_reason(object, "promise", e->promise ? promise_to_json(e->promise) : NULL,
		      e->promise_reason);
	json_object_set_new(object, "governor", governor_to_json(e));
	json_object_set_new(object, "part",
			    e->governed && e->guest ? part_to_json(e) : json_null());
	json_object_set_new(object, "last",
			    e->last ? top_decision_to_json(e->last, e->now_ms) : json_null());
	set_or_reason(object, "kernel", e->kernel ? kernel_to_json(e->kernel) : NULL,
		      e->kernel_reason);
	return object;
}
