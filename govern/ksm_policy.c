/* SPDX-License-Identifier: Apache-2.0 */
/* Decide about KSM: see ksm_policy.h. */
#include "govern/ksm_policy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "govern/view.h"

enum {
	PAGE_SIZE = 4096,
	/* Batches of fewer pages wake the CPU for little, so the thread then sleeps longer; but not
	 * so long that a change of pace is late. */
	BATCH_MIN = 100,
	SLEEP_MIN_MS = 20,
	SLEEP_MAX_MS = 500,
	/* A setting that is nearly right is left alone. */
	NEARLY_PERCENT = 25,
	/* What a scan must add to the merged pages, in percent of all pages. */
	GAIN_NONE_PERCENT = 1,
	GAIN_REAL_PERCENT = 2,
	IDLE_SCANS = 2,
	KNOWN_FRACTION = 8,
	/* The kernel counts CPU time in 10 ms. */
	MEASURE_MS = 5000,
	COST_MIN_NS = 200,
	COST_MAX_NS = 1000000,
};

/* The guests that want to be merged, together. */
struct merging {
	size_t n;
	uint64_t pages;
	const struct govern_guest *newest;
};

/* What belongs to one decision. */
struct turn {
	const struct govern_view *view;
	struct ksm_plan *plan;
	struct ksm_memory *memory; /* the plan's */
	struct merging merging;
};

/* Adds to the reason. */
static void __attribute__((format(printf, 2, 3))) say(const struct turn *t, const char *fmt, ...)
{
	char *reason = t->plan->reason;
	size_t used = strlen(reason);
	va_list args;

	if (used > 0)
		used += (size_t)snprintf(reason + used, KSM_REASON_MAX - used, "; ");
	if (used >= KSM_REASON_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(reason + used, KSM_REASON_MAX - used, fmt, args);
	va_end(args);
}

static struct merging count_merging(const struct govern_view *view)
{
	struct merging merging = { 0 };

	for (size_t i = 0; i < view->n_guests; i++) {
		const struct govern_guest *guest = &view->guests[i];

		if (!guest->merge)
			continue;
		merging.n++;
		merging.pages += guest->memory / PAGE_SIZE;
		if (!merging.newest || guest->started_ns > merging.newest->started_ns)
			merging.newest = guest;
	}
	return merging;
}

static bool has_advisor(const struct turn *t)
{
	return t->view->knobs[KSM_ADVISOR_MODE] != HOST_UNKNOWN;
}

static void add_write(const struct turn *t, enum ksm_knob knob, uint64_t value)
{
	t->plan->writes[t->plan->n_writes++] = (struct ksm_write){ knob, value };
}

/* Keeps what a setting is before it's changed for the first time. */
static struct ksm_held *hold(const struct turn *t, enum ksm_knob knob)
{
	struct ksm_held *held = &t->memory->knobs[knob];
	uint64_t found = t->view->knobs[knob];

	if (!held->held)
		*held = (struct ksm_held){
			.held = true, .done = true, .found = found, .written = found
		};
	return held;
}

/* Sees to it that a setting has a value, if it's this policy's to set. */
static void want(const struct turn *t, enum ksm_knob knob, uint64_t value)
{
	uint64_t now = t->view->knobs[knob];

	if (now == HOST_UNKNOWN || t->memory->knobs[knob].yielded)
		return;

	struct ksm_held *held = hold(t, knob);

	held->written = value;
	held->done = now == value;
	if (now != value)
		add_write(t, knob, value);
}

static bool nearly(uint64_t a, uint64_t b)
{
	uint64_t difference = a > b ? a - b : b - a;

	return difference * 100 <= (a > b ? a : b) * NEARLY_PERCENT;
}

/* The same for settings that follow a measurement, which needn't be followed to the digit. */
static void want_about(const struct turn *t, enum ksm_knob knob, uint64_t value)
{
	const struct ksm_held *held = &t->memory->knobs[knob];

	if (held->held && held->done && nearly(held->written, value))
		return;
	want(t, knob, value);
}

/* The advisor sets the size of batches while it's on. */
static bool follows_advisor(const struct turn *t, int knob)
{
	const struct ksm_held *mode = &t->memory->knobs[KSM_ADVISOR_MODE];

	return knob == KSM_PAGES_TO_SCAN && mode->held && !mode->yielded &&
	       mode->written == KSM_ADVISOR_SCAN_TIME;
}

/* Compares what was written with what there is now. */
static void see_what_others_did(const struct turn *t)
{
	for (int i = 0; i < KSM_KNOBS; i++) {
		struct ksm_held *held = &t->memory->knobs[i];
		uint64_t now = t->view->knobs[i];

		if (!held->held || held->yielded || now == held->written || follows_advisor(t, i))
			continue;
		/* Ended between keeping the intention and the write. */
		if (!held->done && now == held->found)
			continue;
		if (i == KSM_RUN)
			continue; /* which is about all of KSM: take_or_leave() */
		held->yielded = true;
		say(t, "%s was set to %" PRIu64 " by somebody else: left alone from now on",
		    ksm_knob_name((enum ksm_knob)i), now);
	}
}

static void put_knob_back(const struct turn *t, enum ksm_knob knob)
{
	const struct ksm_held *held = &t->memory->knobs[knob];
	uint64_t now = t->view->knobs[knob];

	if (!held->held || held->yielded)
		return;
	if (follows_advisor(t, knob)) {
		/* Switching the advisor off sets the batch, whatever it was before. */
		if (t->memory->knobs[KSM_ADVISOR_MODE].found == KSM_ADVISOR_NONE)
			add_write(t, knob, held->found);
	} else if (now == held->written && now != held->found) {
		add_write(t, knob, held->found);
	}
}

/* No guest wants merging any more. `run` comes last: what is then found after being killed in
 * between is still KSM that was switched on here. */
static void put_back(const struct turn *t)
{
	struct ksm_memory *memory = t->memory;

	t->plan->puts_back = true;
	for (int i = KSM_RUN + 1; i < KSM_KNOBS; i++)
		put_knob_back(t, (enum ksm_knob)i);

	size_t settings = t->plan->n_writes;

	put_knob_back(t, KSM_RUN);
	if (t->plan->n_writes > settings)
		say(t, "no guest wants merging any more: KSM stops scanning, its settings are put "
		       "back, and what is merged stays merged");
	else if (settings > 0)
		say(t, "no guest wants merging any more: KSM's settings are put back");
	*memory = (struct ksm_memory){ .newest_ns = memory->newest_ns };
}

/* Somebody else decides about KSM: forgets all that was taken, as it's theirs now. */
static bool leave(const struct turn *t)
{
	memset(t->memory->knobs, 0, sizeof(t->memory->knobs));
	t->memory->hands_off = true;
	return false;
}

/* Whether KSM is this policy's to run. */
static bool take_or_leave(const struct turn *t)
{
	const struct ksm_held *run = &t->memory->knobs[KSM_RUN];
	uint64_t now = t->view->knobs[KSM_RUN];

	if (t->memory->hands_off)
		return false;
	if (run->held && (now == run->written || (!run->done && now == run->found)))
		return true;
	if (run->held) {
		say(t,
		    "somebody else set KSM's run to %" PRIu64 ": KSM is left alone until no guest "
		    "wants merging",
		    now);
		return leave(t);
	}
	if (now == 1) {
		say(t, "KSM was running already: it and its settings are left as they are");
		return leave(t);
	}
	if (now != 0 && !t->memory->stopped_by_others)
		say(t,
		    "KSM's run is %" PRIu64 ", so somebody has stopped it: it is left alone until "
		    "`echo 0 > /%s`",
		    now, ksm_knob_path(KSM_RUN));
	t->memory->stopped_by_others = now != 0;
	return now == 0;
}

/* What a page costs KSM's thread, by the CPU time it took since the turn before: a share s of the
 * time for a batch of p pages, in turns with sleeping, is s / (1 - s) of the sleep for p pages. */
static void measure_cost(const struct turn *t)
{
	struct ksm_memory *memory = t->memory;
	const struct govern_view *view = t->view;
	uint64_t elapsed = view->now_ms - memory->measured_ms;
	uint64_t busy = view->ksmd_ms - memory->ksmd_ms;
	uint64_t pages = view->knobs[KSM_PAGES_TO_SCAN];
	uint64_t sleep_ms = view->knobs[KSM_SLEEP_MS];

	if (!memory->measured_ms || view->ksmd_ms == HOST_UNKNOWN ||
	    memory->ksmd_ms == HOST_UNKNOWN || view->knobs[KSM_RUN] != 1 || elapsed < MEASURE_MS ||
	    pages == 0 || pages == HOST_UNKNOWN || sleep_ms == 0 || sleep_ms == HOST_UNKNOWN)
		return;
	if (busy > elapsed - elapsed / 100)
		busy = elapsed - elapsed / 100;

	uint64_t cost = busy * sleep_ms * 1000000 / ((elapsed - busy) * pages);

	if (cost < COST_MIN_NS)
		cost = COST_MIN_NS;
	if (cost > COST_MAX_NS)
		cost = COST_MAX_NS;
	/* More is believed at once, less bit by bit: the budget is a promise. */
	if (cost >= memory->page_cost_ns)
		memory->page_cost_ns = cost;
	else
		memory->page_cost_ns -= (memory->page_cost_ns - cost) / 2;
}

static unsigned scan_seconds(const struct ksm_memory *memory)
{
	return memory->fast_scans > 0 ? KSM_SCAN_FAST_S : (unsigned)KSM_SCAN_S << memory->level;
}

/* Moves the pace by what a scan that has just ended brought. */
static void judge_scan(const struct turn *t)
{
	struct ksm_memory *memory = t->memory;
	const struct govern_view *view = t->view;
	uint64_t scans = view->full_scans - memory->full_scans;
	uint64_t gain = view->pages_saved > memory->pages_saved
			    ? view->pages_saved - memory->pages_saved
			    : 0;

	if (memory->fast_scans > 0) {
		memory->fast_scans -= scans < memory->fast_scans ? (unsigned)scans
								 : memory->fast_scans;
		if (memory->fast_scans == 0)
			say(t, "the new guests have been scanned: a full scan may take %u s",
			    scan_seconds(memory));
		return;
	}
	if (gain * 100 >= view->pages_tracked * GAIN_REAL_PERCENT && gain > 0) {
		memory->level = 0;
		memory->idle_scans = 0;
		say(t,
		    "a full scan merged %" PRIu64 " more pages of %" PRIu64 ": it is to take "
		    "%u s",
		    gain, view->pages_tracked, scan_seconds(memory));
	} else if (gain * 100 >= view->pages_tracked * GAIN_NONE_PERCENT && gain > 0) {
		memory->idle_scans = 0;
	} else if (++memory->idle_scans >= IDLE_SCANS && memory->level < KSM_SLOWEST_LEVEL) {
		memory->level++;
		memory->idle_scans = 0;
		say(t, "%d full scans found next to nothing new: one may take %u s", IDLE_SCANS,
		    scan_seconds(memory));
	}
}

/* True if a guest has come that makes scanning urgent. */
static bool meet_guests(const struct turn *t)
{
	const struct govern_guest *newest = t->merging.newest;
	struct ksm_memory *memory = t->memory;
	char size[SIZE_TEXT_MAX];

	if (newest->started_ns <= memory->newest_ns)
		return false;
	memory->newest_ns = newest->started_ns;
	memory->fast_scans = KSM_FAST_SCANS;
	memory->level = 0;
	memory->idle_scans = 0;
	say(t, "guest %s is new, of %zu that want merging (%s of RAM): a full scan is to take %d s",
	    newest->name, t->merging.n, size_format(t->merging.pages * PAGE_SIZE, size),
	    KSM_SCAN_FAST_S);
	return true;
}

/* How many pages a full scan looks at. KSM counts those that it has reached: too few before it has
 * been through, and too few then would be reached too slowly to ever know better. So of new guests
 * all pages are taken into account, and of others some at least. */
static uint64_t pages_to_look_at(const struct turn *t)
{
	uint64_t least = t->merging.pages / (t->memory->fast_scans > 0 ? 1 : KNOWN_FRACTION);
	uint64_t tracked = t->view->pages_tracked;

	return tracked > least ? tracked : least;
}

struct batch {
	uint64_t pages;
	uint64_t sleep_ms;
};

/* A batch that takes the pages through in the time, within the budget of CPU time. */
static struct batch size_batch(const struct turn *t)
{
	const struct ksm_memory *memory = t->memory;
	uint64_t cost = memory->page_cost_ns ? memory->page_cost_ns : KSM_PAGE_COST_NS;
	uint64_t a_second = pages_to_look_at(t) / scan_seconds(memory) + 1;
	struct batch batch = { .sleep_ms = BATCH_MIN * 1000 / a_second };

	if (batch.sleep_ms < SLEEP_MIN_MS)
		batch.sleep_ms = SLEEP_MIN_MS;
	if (batch.sleep_ms > SLEEP_MAX_MS)
		batch.sleep_ms = SLEEP_MAX_MS;
	batch.pages = a_second * batch.sleep_ms / 1000 + 1;

	uint64_t most = batch.sleep_ms * 1000000 * KSM_CPU_PERCENT /
			((100 - KSM_CPU_PERCENT) * cost);

	if (batch.pages > most)
		batch.pages = most > 0 ? most : 1;
	return batch;
}

/* The kernel's own advisor does the pacing, below a limit. It takes a new pace when a scan ends,
 * which may be long after a guest has come, unless it's switched on anew. */
static void pace_by_advisor(const struct turn *t, struct batch batch, bool urgent)
{
	const uint64_t *knobs = t->view->knobs;
	bool late = urgent && knobs[KSM_ADVISOR_MODE] == KSM_ADVISOR_SCAN_TIME &&
		    knobs[KSM_PAGES_TO_SCAN] < batch.pages &&
		    !nearly(knobs[KSM_PAGES_TO_SCAN], batch.pages);

	hold(t, KSM_PAGES_TO_SCAN);
	want_about(t, KSM_SLEEP_MS, batch.sleep_ms);
	want(t, KSM_ADVISOR_TARGET, scan_seconds(t->memory));
	want(t, KSM_ADVISOR_MAX_CPU, KSM_CPU_PERCENT);
	want_about(t, KSM_ADVISOR_MIN_PAGES, batch.pages);
	want_about(t, KSM_ADVISOR_MAX_PAGES, batch.pages);
	want(t, KSM_ADVISOR_MODE, KSM_ADVISOR_SCAN_TIME);
	if (late && !t->memory->knobs[KSM_ADVISOR_MODE].yielded) {
		add_write(t, KSM_ADVISOR_MODE, KSM_ADVISOR_NONE);
		add_write(t, KSM_ADVISOR_MODE, KSM_ADVISOR_SCAN_TIME);
	}
}

static void pace(const struct turn *t)
{
	struct ksm_memory *memory = t->memory;

	if (t->view->knobs[KSM_RUN] != 1)
		say(t, "KSM is switched on");

	bool urgent = meet_guests(t);

	measure_cost(t);
	if (!urgent && memory->seen && t->view->full_scans > memory->full_scans)
		judge_scan(t);

	struct batch batch = size_batch(t);

	if (has_advisor(t)) {
		pace_by_advisor(t, batch, urgent);
	} else {
		want_about(t, KSM_SLEEP_MS, batch.sleep_ms);
		want_about(t, KSM_PAGES_TO_SCAN, batch.pages);
	}
	if (t->plan->n_writes > 0 && !t->plan->reason[0])
		say(t,
		    "a full scan has %" PRIu64 " pages to look at, at %" PRIu64 " ns each: it is "
		    "to take %u s and at most %d %% of a CPU",
		    pages_to_look_at(t),
		    memory->page_cost_ns ? memory->page_cost_ns : KSM_PAGE_COST_NS,
		    scan_seconds(memory), KSM_CPU_PERCENT);
	want(t, KSM_RUN, 1);
}

static void remember(const struct turn *t)
{
	struct ksm_memory *memory = t->memory;

	/* What a scan brings is counted from the end of one scan to that of the next. */
	if (!memory->seen || t->view->full_scans != memory->full_scans)
		memory->pages_saved = t->view->pages_saved;
	memory->full_scans = t->view->full_scans;
	/* A measurement is over one setting. */
	if (!memory->measured_ms || t->plan->n_writes > 0 ||
	    t->view->now_ms - memory->measured_ms >= MEASURE_MS) {
		memory->ksmd_ms = t->view->ksmd_ms;
		memory->measured_ms = t->view->now_ms;
	}
	memory->seen = true;
}

void ksm_decide(const struct govern_view *view, const struct ksm_memory *memory,
		struct ksm_plan *ret_plan)
{
	*ret_plan = (struct ksm_plan){ .memory = *memory };

	struct turn turn = {
		.view = view,
		.plan = ret_plan,
		.memory = &ret_plan->memory,
		.merging = count_merging(view),
	};

	if (!view->has_ksm)
		return;
	if (turn.merging.n == 0) {
		put_back(&turn);
		return;
	}
	see_what_others_did(&turn);
	if (take_or_leave(&turn))
		pace(&turn);
	remember(&turn);
}

void ksm_memory_done(struct ksm_memory *memory)
{
	for (int i = 0; i < KSM_KNOBS; i++)
		memory->knobs[i].done |= memory->knobs[i].held;
}
