/* SPDX-License-Identifier: Apache-2.0 */
/* Why a guest has what it has, in sentences and sums that hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cmd/explain_text.h"
#include "host/fields.h"

#define MIB (UINT64_C(1) << 20)

enum { NOW = 1000000, STARTED = 400000 };

/* A guest that is explained in full, beside another; each test changes what it is about. */
struct scene {
	struct memory_parts memory;
	struct guest_promise promise;
	struct explain_kernel kernel;
	struct govern_record_guest guests[2];
	struct govern_record record;
	struct explain explain;
};

static struct govern_record_guest make_guest(const char *name, unsigned weight, uint64_t resident)
{
	struct govern_record_guest guest = {
		.seen = {
			.floor = 35 * MIB,
			.ceiling = 131 * MIB,
			.weight = weight,
			.resident = resident,
			.active = POLICY_UNKNOWN,
			.spare = POLICY_UNKNOWN,
			.high = POLICY_UNKNOWN,
		},
	};

	snprintf(guest.name, sizeof(guest.name), "%s", name);
	return guest;
}

static void make_record(struct scene *s)
{
	struct govern_record_guest *web = &s->guests[1];

	s->guests[0] = make_guest("db", 200, 70 * MIB);
	s->guests[0].target = 116 * MIB;
	s->guests[0].untaxed = 92 * MIB;
	*web = make_guest("web", 100, 96 * MIB);
	web->seen.active = 20 * MIB;
	web->source = GOVERN_SOURCE_DAMON;
	web->target = 80 * MIB;
	web->untaxed = 104 * MIB;
	web->last = (struct govern_decision){
		.time_ms = NOW - 8000,
		.guest = "web",
		.reason = POLICY_TAKES_RECLAIM,
		.bytes = 12 * MIB,
		.whom = "db",
		.state = POLICY_HARD,
		.text = "12M taken",
	};
	s->record = (struct govern_record){
		.time_ms = NOW - 2000,
		.settings = { .tax_percent = 75, .interval_ms = 10000 },
		.host = { .capacity = 208 * MIB },
		.state = POLICY_SOFT,
		.margin = 8 * MIB,
		.wanted = 12 * MIB,
		.guests = s->guests,
		.n_guests = 2,
	};
}

static void make_scene(struct scene *s)
{
	*s = (struct scene){
		.memory = { .guest = 128 * MIB, .resident = 93 * MIB, .swapped = 31 * MIB },
		.promise = {
			.promise = { .memory = 128 * MIB, .limit = 128 * MIB,
				     .guarantee = 32 * MIB, .overhead = 3 * MIB },
			.shares = { .weight = 100 },
		},
		.kernel = {
			.bounds = { .min = 35 * MIB, .low = 80 * MIB, .high = UINT64_MAX,
				    .max = 131 * MIB },
			.events = { .low = 0, .high = 0, .max = 3, .oom = 0, .oom_kill = 0 },
			.has_psi = true,
			.psi = { .some_avg10 = 230, .full_avg10 = 7 },
			.refault_anon = 120,
			.refault_file = 33,
		},
	};
	make_record(s);
	s->explain = (struct explain){
		.name = "web",
		.now_ms = NOW,
		.memory = &s->memory,
		.promise = &s->promise,
		.kernel = &s->kernel,
		.governed = true,
		.record = &s->record,
	};
	explain_find(&s->explain, STARTED);
}

static char *print(const struct scene *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	explain_print(&s->explain, out);
	fclose(out);
	return text;
}

static void assert_says(const struct scene *s, const char *what)
{
	_cleanup_free_ char *text = print(s);

	if (!strstr(text, what))
		fail_msg("\"%s\" isn't in:\n%s", what, text);
}

static void assert_is_silent_of(const struct scene *s, const char *what)
{
	_cleanup_free_ char *text = print(s);

	if (strstr(text, what))
		fail_msg("\"%s\" is in:\n%s", what, text);
}

static void all_that_is_known_is_said_in_order(void **state)
{
	static const char expected[] =
	    "web has 93M in RAM and 31M in swap, of 128M\n"
	    "  promised    32M always in RAM (guarantee), at most 128M (limit), 3M beside (overhead); "
	    "weight 100\n"
	    "  governor    lodged looked 2.0s ago: the host was getting short of memory (soft), 8M "
	    "free of the 12M wanted\n"
	    "  its part    80M of the host's RAM, its VM process included:\n"
	    "                   35M  that it keeps in any case (guarantee and overhead)\n"
	    "                  +42M  for its weight: 100 of 300, of the 126M that are divided\n"
	    "                  +27M  that others don't use now\n"
	    "                  -24M  for what of it is idle: the tax on that is 75%\n"
	    "              (126M are divided: 208M for guests, less 12M to stay free, less 70M that "
	    "guests keep)\n"
	    "  it has      96M, 16M more than that: when the host is short, it's taken from\n"
	    "  it uses     20M of its 96M lately, as the kernel saw it (DAMON)\n"
	    "  last        8.0s ago: 12M taken by reclaim, as it had more than its part, for db; the "
	    "host was short of memory (hard)\n"
	    "  it waits    for memory 2.30% of the last 10 s, all of it at once 0.07%\n"
	    "  came back   120 pages from swap and 33 of files, since it started\n"
	    "  kernel      memory.min 35M (never taken), low 80M (taken last), high none, "
	    "max 131M (never more)\n"
	    "              held back at max 3x since it started\n";
	_cleanup_free_ char *text = NULL;
	struct scene s;

	(void)state;
	make_scene(&s);
	text = print(&s);
	assert_string_equal(text, expected);
}

/* Whatever a guest is, what is shown adds up to its part. */
static void the_sum_of_a_part_holds(void **state)
{
	static const struct {
		uint64_t floor, target, untaxed;
		unsigned weight;
		bool best_effort;
	} rows[] = {
		{ 35, 80, 104, 100, false }, { 35, 120, 104, 100, false },
		{ 35, 20, 20, 100, false },  { 35, 40, 30, 10000, false },
		{ 0, 1, 1, 1, false },	     { 0, 0, 0, 100, true },
	};
	struct scene s;

	(void)state;
	make_scene(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct govern_record_guest *web = &s.guests[1];
		struct explain_share share;

		web->seen.floor = rows[i].floor * MIB;
		web->seen.weight = rows[i].weight;
		web->seen.best_effort = rows[i].best_effort;
		web->target = rows[i].target * MIB;
		web->untaxed = rows[i].untaxed * MIB;
		explain_divide(&s.record, web, &share);
		assert_int_equal((int64_t)(share.kept + share.by_weight) + share.others + share.tax,
				 web->target);
		assert_true(share.kept <= web->seen.floor && share.kept <= web->target);
		assert_int_equal(share.kept_all, 35 * MIB + share.kept);
		assert_int_equal(share.divided, (208 - 12) * MIB - share.kept_all);
		assert_int_equal(share.weights, 200 + (rows[i].best_effort ? 0 : rows[i].weight));
		if (rows[i].best_effort)
			assert_int_equal(share.by_weight, 0);
	}
}

/* A host that shrank may have less than guests keep. */
static void nothing_is_divided_when_guests_keep_it_all(void **state)
{
	struct explain_share share;
	struct scene s;

	(void)state;
	make_scene(&s);
	s.record.host.capacity = 60 * MIB;
	explain_divide(&s.record, &s.guests[1], &share);
	assert_int_equal(share.divided, 0);
	assert_int_equal(share.by_weight, 0);
}

static void what_a_part_lacks_is_said_with_its_reason(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.guests[1].target = s.guests[1].untaxed = 50 * MIB;
	s.guests[1].seen.resident = 50 * MIB;
	assert_says(&s, "-27M  that it has no use for now\n");
	assert_is_silent_of(&s, "tax");
	assert_says(&s, "50M, which is about that\n");
	s.guests[1].target = 70 * MIB;
	assert_says(&s, "+20M  of what others have idle: the tax on that is 75%\n");
	assert_says(&s, "50M, 20M less than that: it may take more, at others' cost\n");
}

static void a_guest_that_hurts_is_said_to(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	assert_is_silent_of(&s, "hurts");
	s.guests[1].hurts = true;
	assert_says(&s, "it hurts: it waits for memory");
}

static void who_says_what_it_uses_is_named(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.guests[1].source = GOVERN_SOURCE_GUEST;
	assert_says(&s, "20M of its 96M lately, as the guest says (its statistics)\n");
	s.guests[1].seen.active = POLICY_UNKNOWN;
	s.guests[1].source = GOVERN_SOURCE_NONE;
	assert_says(&s,
		    "nobody knows yet (neither DAMON nor its statistics), so all counts as used\n");
}

static void each_means_has_its_words(void **state)
{
	static const struct {
		enum policy_reason reason;
		const char *whom;
		const char *words;
	} rows[] = {
		{ POLICY_TAKES_BALLOON, "db",
		  "12M taken by its balloon, as its kernel can spare them, for db; the host" },
		{ POLICY_TAKES_RECLAIM, "",
		  "by reclaim, as it had more than its part, for the host's margin;" },
		{ POLICY_TAKES_THROTTLE, "db",
		  "throttled, as it had 12M more than its part, for db; the host" },
		{ POLICY_GIVES_BALLOON, "", "12M given back from its balloon; the host" },
		{ POLICY_GIVES_THROTTLE, "", "throttled no more; the host" },
	};
	struct scene s;

	(void)state;
	make_scene(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		s.guests[1].last.reason = rows[i].reason;
		snprintf(s.guests[1].last.whom, sizeof(s.guests[1].last.whom), "%s", rows[i].whom);
		assert_says(&s, rows[i].words);
	}
	s.guests[1].last.time_ms = 0;
	explain_find(&s.explain, STARTED);
	assert_says(&s, "last        nothing was taken from it or given back to it\n");
}

/* Parts that nobody sees to aren't shown; what was done is still so. */
static void without_a_governor_the_kernel_is_left(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.explain.governed = false;
	assert_says(
	    &s, "governor    none runs (lodged): beyond guarantees only the kernel itself moves "
		"memory\n");
	assert_says(&s, "8.0s ago: 12M taken");
	assert_says(&s, "low 80M (taken last)");
	assert_is_silent_of(&s, "its part  ");
	s.explain.record = NULL;
	s.explain.guest = NULL;
	s.explain.last = NULL;
	assert_is_silent_of(&s, "\n  last ");
	s.explain.governed = true;
	assert_says(&s, "lodged runs, and has decided nothing about memory yet\n");
	s.explain.record_reason = "it's da\nmaged";
	assert_says(&s, "lodged runs, but what it wrote down can't be read: it's da?maged\n");
}

static void a_guest_that_was_not_seen_yet_has_no_part(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.explain.name = "new";
	explain_find(&s.explain, STARTED);
	assert_says(&s, "lodged runs, and hasn't seen this guest yet\n");
	assert_is_silent_of(&s, "\n  last ");
	assert_says(&s, "memory.min");
}

/* A name may be used again. */
static void what_was_of_an_earlier_guest_of_that_name_is_not_told(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	explain_find(&s.explain, NOW - 5000);
	assert_non_null(s.explain.guest);
	assert_null(s.explain.last);
	explain_find(&s.explain, NOW - 1000);
	assert_null(s.explain.guest);
	assert_null(s.explain.last);
}

/* The governor may have started anew since, with only the list of decisions left. */
static void the_newest_decision_in_the_list_counts_too(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.record.decisions[0] = s.guests[1].last;
	s.record.decisions[1] = s.guests[1].last;
	s.record.decisions[1].bytes = 5 * MIB;
	s.record.decisions[2] = s.guests[1].last;
	snprintf(s.record.decisions[2].guest, sizeof(s.record.decisions[2].guest), "zoo");
	s.record.n_decisions = 3;
	s.guests[1].last.time_ms = 0;
	explain_find(&s.explain, STARTED);
	assert_ptr_equal(s.explain.last, &s.record.decisions[1]);
}

static void best_effort_has_no_promise_and_no_part(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.promise.promise.best_effort = true;
	s.guests[1].seen.best_effort = true;
	assert_says(
	    &s, "promised    nothing (best effort): it has what nobody else wants; weight 100\n");
	assert_says(&s, "its part    none: it's of best effort\n");
}

static void no_guarantee_and_huge_pages_are_said_as_they_are(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.promise.promise.guarantee = 0;
	s.promise.shares.weight = 0;
	assert_says(&s,
		    "promised    none of it always in RAM (guarantee), at most 128M (limit), 3M "
		    "beside (overhead)\n");
	s.promise.promise.memory = 0;
	assert_says(&s, "promised    all of it: huge pages are set aside\n");
}

static void what_can_not_be_read_has_its_reason(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.explain.memory = NULL;
	s.explain.memory_reason = "it's another user's";
	s.explain.promise = NULL;
	s.explain.promise_reason = "it has no cgroup of its own: no\x1b[31m right";
	s.explain.kernel = NULL;
	s.explain.kernel_reason = "it has no cgroup of its own";
	assert_says(&s, "web: where its memory is can't be read: it's another user's\n");
	assert_says(&s, "promised    nothing: it has no cgroup of its own: no?[31m right\n");
	assert_says(&s, "kernel      counts nothing for it alone: it has no cgroup of its own\n");
	assert_is_silent_of(&s, "memory.min");
}

static void a_kernel_that_counts_less_says_so(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.kernel.has_psi = false;
	s.kernel.refault_anon = HOST_UNKNOWN;
	s.kernel.events = (struct host_cgroup_events){ .low = HOST_UNKNOWN };
	assert_says(
	    &s,
	    "it waits    nobody knows how long: the kernel counts no pressure (psi=1 makes it)\n");
	assert_says(&s, "? pages from swap and 33 of files");
	assert_says(&s, "it never came to any of them\n");
	s.kernel.bounds = (struct host_cgroup_bounds){ 0, 0, 12 * MIB, UINT64_MAX };
	assert_says(&s, "memory.min none, low none, high 12M (throttled beyond), max none\n");
	s.kernel.bounds.min = UINT64_MAX;
	assert_says(&s, "memory.min all (never taken), low");
}

static void every_event_is_counted_by_its_name(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.kernel.events = (struct host_cgroup_events){ 1, 2, 3, 4, 5 };
	assert_says(&s,
		    "taken from below low 1x, throttled at high 2x, held back at max 3x, out of "
		    "memory 4x, killed for that 5x since it started\n");
}

static void what_is_in_the_balloon_is_said(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s);
	s.memory.swapped = 0;
	s.memory.ballooned = 16 * MIB;
	assert_says(&s, "web has 93M in RAM and none in swap, of 128M; 16M are in its balloon\n");
}

static json_int_t integer(const json_t *json, const char *object, const char *member)
{
	const json_t *value = json_object_get(json_object_get(json, object), member);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void programs_get_the_same_figures(void **state)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	struct scene s;

	(void)state;
	make_scene(&s);
	json = explain_to_json(&s.explain);
	assert_int_equal(integer(json, "memory", "swapped"), 31 * MIB);
	assert_int_equal(integer(json, "promise", "guarantee"), 32 * MIB);
	assert_int_equal(integer(json, "governor", "margin"), 8 * MIB);
	assert_int_equal(integer(json, "governor", "age_ms"), 2000);
	assert_int_equal(integer(json, "part", "target"), 80 * MIB);
	assert_int_equal(integer(json, "part", "others"), 27 * MIB);
	assert_int_equal(integer(json, "part", "tax"), -24 * (json_int_t)MIB);
	assert_int_equal(integer(json, "last", "bytes"), 12 * MIB);
	assert_int_equal(integer(json, "last", "age_ms"), 8000);
	assert_int_equal(integer(json, "kernel", "memory_low"), 80 * MIB);
	assert_int_equal(integer(json, "kernel", "refault_anon"), 120);
	assert_true(json_is_null(json_object_get(json_object_get(json, "kernel"), "memory_high")));
}

static void programs_get_null_for_what_is_not_there(void **state)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	const json_t *kernel;
	struct scene s;

	(void)state;
	make_scene(&s);
	s.explain.promise = NULL;
	s.explain.promise_reason = "no cgroup";
	s.explain.governed = false;
	s.explain.last = NULL;
	s.kernel.has_psi = false;
	json = explain_to_json(&s.explain);
	kernel = json_object_get(json, "kernel");
	assert_true(json_is_null(json_object_get(json, "promise")));
	assert_string_equal(json_string_value(json_object_get(json, "promise_reason")),
			    "no cgroup");
	assert_true(json_is_null(json_object_get(json, "part")));
	assert_true(json_is_null(json_object_get(json, "last")));
	assert_true(json_is_null(json_object_get(kernel, "pressure")));
	assert_false(json_is_true(json_object_get(json_object_get(json, "governor"), "running")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_known_is_said_in_order),
		cmocka_unit_test(the_sum_of_a_part_holds),
		cmocka_unit_test(nothing_is_divided_when_guests_keep_it_all),
		cmocka_unit_test(what_a_part_lacks_is_said_with_its_reason),
		cmocka_unit_test(a_guest_that_hurts_is_said_to),
		cmocka_unit_test(who_says_what_it_uses_is_named),
		cmocka_unit_test(each_means_has_its_words),
		cmocka_unit_test(without_a_governor_the_kernel_is_left),
		cmocka_unit_test(a_guest_that_was_not_seen_yet_has_no_part),
		cmocka_unit_test(what_was_of_an_earlier_guest_of_that_name_is_not_told),
		cmocka_unit_test(the_newest_decision_in_the_list_counts_too),
		cmocka_unit_test(best_effort_has_no_promise_and_no_part),
		cmocka_unit_test(no_guarantee_and_huge_pages_are_said_as_they_are),
		cmocka_unit_test(what_can_not_be_read_has_its_reason),
		cmocka_unit_test(a_kernel_that_counts_less_says_so),
		cmocka_unit_test(every_event_is_counted_by_its_name),
		cmocka_unit_test(what_is_in_the_balloon_is_said),
		cmocka_unit_test(programs_get_the_same_figures),
		cmocka_unit_test(programs_get_null_for_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
