/* SPDX-License-Identifier: Apache-2.0 */
/* Reading scenarios: see scenario.h. */
#include "simulate/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/size.h"
#include "base/sums.h"
#include "simulate/scenario_json.h"

#define KIB    UINT64_C(1024)
#define MIB    (KIB * 1024)
#define GIB    (MIB * 1024)
#define DAY_MS UINT64_C(86400000)
#define ALWAYS (SCENARIO_DAYS_MAX * DAY_MS)

enum {
	STEP_MS = 1000,
	INTERVAL_MS = 10000, /* as lodged's --interval */
	PACE_MS = 10000,
	CACHE_PERCENT = 50,
};
#define BANDWIDTH    (500 * MIB)
#define BALLOON_RATE (256 * MIB)

/* A host has a reserve of the usual size unless the file says which. */
#define RESERVE_USUAL UINT64_MAX
/* A guest has touched what it works with unless the file says how much. */
#define TOUCHED_USUAL UINT64_MAX
/* A limit that is all its memory. */
#define LIMIT_NONE UINT64_MAX

#define SIZE(struct_, field, min)                                            \
	{                                                                    \
#field, offsetof(struct struct_, field), scenario_read_size, \
		    .least = (min), .most = SCENARIO_SIZE_MAX                \
	}
#define RATE(struct_, field, min)                                            \
	{                                                                    \
#field, offsetof(struct struct_, field), scenario_read_size, \
		    .least = (min), .most = SCENARIO_RATE_MAX                \
	}
#define TIME(struct_, name, field, min, max)                                                 \
	{                                                                                    \
		(name), offsetof(struct struct_, field), scenario_read_time, .least = (min), \
									     .most = (max)   \
	}

/* Lists: the member's field is the pointer, and the count stands behind it. */
struct list {
	void *entries;
	size_t n;
};

/* Reads each entry of an array by read(), into n structs of that size. */
static int read_list(const json_t *json, size_t size, size_t most,
		     int (*read)(const json_t *json, void *entry, struct err **err),
		     struct list *ret_list, struct err **err)
{
	size_t n = json_array_size(json);
	char *entries;

	if (!json_is_array(json))
		return err_set(err, ERR_USAGE, 0, "must be a JSON array");
	if (n > most)
		return err_set(err, ERR_USAGE, 0, "%zu entries are more than %zu", n, most);
	entries = calloc(n + 1, size);
	if (!entries)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "scenario");
	/* It's the scenario's from now on, which is cleared whatever happens. */
	*ret_list = (struct list){ entries, 0 };
	for (size_t i = 0; i < n; i++) {
		ret_list->n = i + 1;
		if (read(json_array_get(json, i), entries + i * size, err) < 0)
			return err_wrap(err, "[%zu]", i);
	}
	return 0;
}

/* Phases and the cycle */

static int read_phase(const json_t *json, void *entry, struct err **err)
{
	static const struct scenario_member members[] = {
		TIME(scenario_phase, "from", from_ms, 0, ALWAYS),
		TIME(scenario_phase, "to", to_ms, 0, ALWAYS),
		SIZE(scenario_phase, working_set, 0),
		RATE(scenario_phase, leak, 0),
		{ 0 },
	};
	struct scenario_phase *phase = entry;

	phase->to_ms = UINT64_MAX;
	if (scenario_read_object(members, json, phase, err) < 0)
		return -1;
	if (phase->to_ms <= phase->from_ms)
		return err_set(err, ERR_USAGE, 0, "it ends (\"to\") before it begins (\"from\")");
	return 0;
}

static int read_phases(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	struct scenario_group *group = field;
	struct list list = { NULL, 0 };
	int rc = read_list(json, sizeof(struct scenario_phase), member->most, read_phase, &list,
			   err);

	group->phases = list.entries;
	group->n_phases = list.n;
	return rc;
}

static int read_cycle(const struct scenario_member *member, const json_t *json, void *field,
		      struct err **err)
{
	static const struct scenario_member members[] = {
		{ "period", offsetof(struct scenario_cycle, period_ms), scenario_read_time, true,
		  1000, ALWAYS },
		SIZE(scenario_cycle, low, 0),
		{ "high", offsetof(struct scenario_cycle, high), scenario_read_size, true, 0,
		  SCENARIO_SIZE_MAX },
		TIME(scenario_cycle, "spread", spread_ms, 0, ALWAYS),
		{ 0 },
	};
	struct scenario_cycle *cycle = field;

	(void)member;
	if (scenario_read_object(members, json, cycle, err) < 0)
		return -1;
	if (cycle->low > cycle->high)
		return err_set(err, ERR_USAGE, 0, "\"low\" is more than \"high\"");
	return 0;
}

/* Groups */

static int check_within(const char *name, uint64_t bytes, uint64_t memory, struct err **err)
{
	char given[SIZE_TEXT_MAX];
	char limit[SIZE_TEXT_MAX];

	if (bytes <= memory)
		return 0;
	return err_set(err, ERR_USAGE, 0, "%s: %s is more than its memory, %s", name,
		       size_format(bytes, given), size_format(memory, limit));
}

static int check_group(const struct scenario_group *g, struct err **err)
{
	uint64_t memory = g->promise.memory;

	if (check_within("guarantee", g->promise.guarantee, memory, err) < 0 ||
	    check_within("limit", g->promise.limit, memory, err) < 0 ||
	    check_within("touched", g->touched, memory, err) < 0 ||
	    check_within("working_set", g->working_set, memory, err) < 0 ||
	    check_within("cycle: high", g->cycle.high, memory, err) < 0)
		return -1;
	if (g->promise.guarantee > g->promise.limit)
		return err_set(err, ERR_USAGE, 0, "its guarantee is more than its limit");
	if (g->promise.best_effort && g->promise.guarantee > 0)
		return err_set(err, ERR_USAGE, 0, "one of best effort has no guarantee");
	for (size_t i = 0; i < g->n_phases; i++)
		if (check_within("working_set", g->phases[i].working_set, memory, err) < 0)
			return err_wrap(err, "phases: [%zu]", i);
	return 0;
}

static void fill_in_group(struct scenario_group *g)
{
	if (g->promise.limit == LIMIT_NONE)
		g->promise.limit = g->promise.memory;
	if (g->touched == TOUCHED_USUAL)
		g->touched = g->cycle.period_ms ? g->cycle.low : g->working_set;
	g->promise.overhead = promise_overhead((unsigned)g->cpus, g->promise.memory, false);
}

static int read_group(const json_t *json, void *entry, struct err **err)
{
	static const struct scenario_member members[] = {
		{ "name", offsetof(struct scenario_group, name), scenario_read_name, true, 0, 0 },
		{ "count", offsetof(struct scenario_group, count), scenario_read_number, .least = 1,
		  .most = SCENARIO_GUESTS_MAX },
		{ "cpus", offsetof(struct scenario_group, cpus), scenario_read_number, .least = 1,
		  .most = SCENARIO_CPUS_MAX },
		{ "memory", offsetof(struct scenario_group, promise.memory), scenario_read_size,
		  true, MIB, SCENARIO_SIZE_MAX },
		{ "limit", offsetof(struct scenario_group, promise.limit), scenario_read_size,
		  .most = SCENARIO_SIZE_MAX },
		{ "guarantee", offsetof(struct scenario_group, promise.guarantee),
		  scenario_read_size, .most = SCENARIO_SIZE_MAX },
		{ "best_effort", offsetof(struct scenario_group, promise.best_effort),
		  scenario_read_bool },
		{ "weight", offsetof(struct scenario_group, weight), scenario_read_number,
		  .least = PROMISE_WEIGHT_MIN, .most = PROMISE_WEIGHT_MAX },
		{ "balloon", offsetof(struct scenario_group, has_balloon), scenario_read_bool },
		TIME(scenario_group, "start", start_ms, 0, ALWAYS),
		SIZE(scenario_group, touched, 0),
		{ "cache", offsetof(struct scenario_group, cache_percent), scenario_read_number,
		  .most = 100 },
		SIZE(scenario_group, working_set, 0),
		TIME(scenario_group, "pace", pace_ms, 1, DAY_MS),
		RATE(scenario_group, leak, 0),
		{ "cycle", offsetof(struct scenario_group, cycle), read_cycle },
		{ "phases", 0, read_phases, .most = SCENARIO_GROUPS_MAX },
		{ 0 },
	};
	struct scenario_group *g = entry;

	*g = (struct scenario_group){
		.count = 1,
		.cpus = 1,
		.promise.limit = LIMIT_NONE,
		.weight = PROMISE_WEIGHT_DEFAULT,
		.has_balloon = true,
		.touched = TOUCHED_USUAL,
		.cache_percent = CACHE_PERCENT,
		.pace_ms = PACE_MS,
	};
	if (scenario_read_object(members, json, g, err) < 0)
		return -1;
	fill_in_group(g);
	return check_group(g, err);
}

static int read_groups(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	struct scenario *scenario = field;
	struct list list = { NULL, 0 };
	int rc = read_list(json, sizeof(struct scenario_group), member->most, read_group, &list,
			   err);

	scenario->groups = list.entries;
	scenario->n_groups = list.n;
	return rc;
}

/* Events */

/* "+4G" or "-4G". */
static int read_change(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	struct scenario_event *event = field;
	const char *text = json_string_value(json);

	if (!text || (text[0] != '+' && text[0] != '-'))
		return err_set(err, ERR_USAGE, 0,
			       "must be a size with a sign, such as \"+4G\" or \"-4G\"");
	if (event->bytes > 0)
		return err_set(err, ERR_USAGE, 0, "an event changes one thing");
	event->what = (enum scenario_what)member->least;
	event->less = text[0] == '-';
	if (size_parse(text + 1, &event->bytes, err) < 0)
		return -1;
	if (event->bytes == 0 || event->bytes > SCENARIO_SIZE_MAX)
		return err_set(err, ERR_USAGE, 0, "%s is nothing, or too much", text);
	return 0;
}

static int read_event(const json_t *json, void *entry, struct err **err)
{
	static const struct scenario_member members[] = {
		{ "at", offsetof(struct scenario_event, at_ms), scenario_read_time, true, 0,
		  ALWAYS },
		{ "swap", 0, read_change, .least = SCENARIO_SWAP },
		{ "others", 0, read_change, .least = SCENARIO_OTHERS },
		{ 0 },
	};
	struct scenario_event *event = entry;

	if (scenario_read_object(members, json, event, err) < 0)
		return -1;
	if (event->bytes == 0)
		return err_set(err, ERR_USAGE, 0, "needs \"swap\" or \"others\"");
	return 0;
}

/* By time; those of one time stay in the order of the file. */
static void sort_events(struct scenario_event *events, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct scenario_event event = events[i];
		size_t j = i;

		for (; j > 0 && events[j - 1].at_ms > event.at_ms; j--)
			events[j] = events[j - 1];
		events[j] = event;
	}
}

static int read_events(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	struct scenario *scenario = field;
	struct list list = { NULL, 0 };
	int rc = read_list(json, sizeof(struct scenario_event), member->most, read_event, &list,
			   err);

	scenario->events = list.entries;
	scenario->n_events = list.n;
	if (rc == 0)
		sort_events(scenario->events, scenario->n_events);
	return rc;
}

/* The whole */

static int read_host(const struct scenario_member *member, const json_t *json, void *field,
		     struct err **err)
{
	static const struct scenario_member members[] = {
		{ "memory", offsetof(struct scenario_host, memory), scenario_read_size, true, MIB,
		  SCENARIO_SIZE_MAX },
		SIZE(scenario_host, reserve, 0),
		SIZE(scenario_host, swap, 0),
		RATE(scenario_host, swap_bandwidth, KIB),
		RATE(scenario_host, balloon_rate, KIB),
		{ 0 },
	};
	struct scenario_host *host = field;

	(void)member;
	if (scenario_read_object(members, json, host, err) < 0)
		return -1;
	if (host->reserve == RESERVE_USUAL)
		host->reserve = promise_reserve(host->memory);
	if (host->reserve >= host->memory)
		return err_set(err, ERR_USAGE, 0, "its reserve leaves nothing of its memory");
	return 0;
}

static const struct scenario_member scenario_members[] = {
	{ "name", offsetof(struct scenario, name), scenario_read_name, true, 0, 0 },
	{ "description", 0, scenario_read_words },
	{ "seed", offsetof(struct scenario, seed), scenario_read_number, .most = INT64_MAX },
	{ "duration", offsetof(struct scenario, duration_ms), scenario_read_time, true, 1000,
	  ALWAYS },
	TIME(scenario, "step", step_ms, 100, 3600000),
	TIME(scenario, "interval", interval_ms, 1000, 3600000),
	{ "host", offsetof(struct scenario, host), read_host, true, 0, 0 },
	{ "groups", 0, read_groups, true, 0, SCENARIO_GROUPS_MAX },
	{ "events", 0, read_events, .most = 1000 },
	{ 0 },
};

static int check_groups(const struct scenario *scenario, struct err **err)
{
	uint64_t guests = 0;

	for (size_t i = 0; i < scenario->n_groups; i++) {
		guests += scenario->groups[i].count;
		for (size_t j = 0; j < i; j++)
			if (strcmp(scenario->groups[i].name, scenario->groups[j].name) == 0)
				return err_set(err, ERR_USAGE, 0, "groups: two are named \"%s\"",
					       scenario->groups[i].name);
	}
	if (guests == 0)
		return err_set(err, ERR_USAGE, 0, "groups: there are no guests");
	if (guests > SCENARIO_GUESTS_MAX)
		return err_set(err, ERR_USAGE, 0, "groups: %" PRIu64 " guests are more than %d",
			       guests, SCENARIO_GUESTS_MAX);
	return 0;
}

static int read_scenario(const json_t *json, struct scenario *scenario, struct err **err)
{
	if (scenario_read_object(scenario_members, json, scenario, err) < 0)
		return -1;
	return check_groups(scenario, err);
}

int scenario_parse(const char *text, size_t len, struct scenario *ret_scenario, struct err **err)
{
	struct scenario scenario = {
		.seed = 1,
		.step_ms = STEP_MS,
		.interval_ms = INTERVAL_MS,
		.host = { .reserve = RESERVE_USUAL,
			  .swap_bandwidth = BANDWIDTH,
			  .balloon_rate = BALLOON_RATE },
	};
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		return err_set(err, ERR_USAGE, 0, "line %d: %s", error.line, error.text);

	int rc = read_scenario(json, &scenario, err);

	json_decref(json);
	if (rc < 0) {
		scenario_clear(&scenario);
		return -1;
	}
	*ret_scenario = scenario;
	return 0;
}

int scenario_load(const char *path, struct scenario *ret_scenario, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	struct err *why = NULL;
	size_t len = 0;

	if (fdio_read_file(AT_FDCWD, path, SCENARIO_FILE_MAX, &text, &len, &why) < 0) {
		/* Whatever keeps the file from being read, the request was wrong. */
		err_set(err, ERR_USAGE, 0, "%s", err_message(why));
		err_free(why);
		return -1;
	}
	if (scenario_parse(text, len, ret_scenario, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

void scenario_clear(struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->n_groups; i++)
		free(scenario->groups[i].phases);
	free(scenario->groups);
	free(scenario->events);
	*scenario = (struct scenario){ 0 };
}

/* What guests use */

/* How much of the way from low to high the cycle has gone. Its lines are followed in this many
 * steps, so that between them nothing changes. */
enum { CYCLE_STEPS = 288 };

static struct scenario_use cycle_use(const struct scenario_group *group, uint64_t behind_ms,
				     uint64_t now_ms)
{
	const struct scenario_cycle *cycle = &group->cycle;
	uint64_t step_ms = cycle->period_ms / CYCLE_STEPS + 1;
	uint64_t since = (now_ms + cycle->period_ms - behind_ms % cycle->period_ms) %
			 cycle->period_ms;
	uint64_t step = since / step_ms;
	uint64_t up = least(step, rest(CYCLE_STEPS, step));

	return (struct scenario_use){
		.working_set = cycle->low + (cycle->high - cycle->low) / (CYCLE_STEPS / 2) * up,
		.leak = group->leak,
		.until_ms = now_ms + least(step_ms - since % step_ms, cycle->period_ms - since),
		.because = cycle,
	};
}

struct scenario_use scenario_use(const struct scenario_group *group, uint64_t behind_ms,
				 uint64_t now_ms)
{
	struct scenario_use use = { group->working_set, group->leak, UINT64_MAX, group };

	if (group->cycle.period_ms)
		use = cycle_use(group, behind_ms, now_ms);
	for (size_t i = 0; i < group->n_phases; i++) {
		const struct scenario_phase *phase = &group->phases[i];

		if (now_ms < phase->from_ms) {
			use.until_ms = least(use.until_ms, phase->from_ms);
		} else if (now_ms < phase->to_ms) {
			use = (struct scenario_use){ phase->working_set, phase->leak,
						     least(phase->to_ms, use.until_ms), phase };
		}
	}
	return use;
}
