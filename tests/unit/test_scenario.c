/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: what is read, and what is refused with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "scenario_text.h"

#define MIB  (UINT64_C(1) << 20)
#define HOUR UINT64_C(3600000)

#define HOST  "'host': {'memory': '4G', 'swap': '8G'}"
#define GUEST "{'name': 'a', 'memory': '1G'}"
#define HEAD  "'name': 'x', 'duration': '1h', "

static void assert_refused(const char *text, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	struct scenario scenario;

	assert_int_equal(scenario_from(text, &scenario, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_string_equal(err_message(err), message);
}

static void what_is_not_said_is_as_usual(void **state)
{
	struct scenario s = scenario_of("{" HEAD HOST ", 'groups': [" GUEST "]}");
	const struct scenario_group *g = &s.groups[0];

	(void)state;
	assert_int_equal(s.step_ms, 1000);
	assert_int_equal(s.interval_ms, 10000);
	assert_int_equal(s.host.reserve, promise_reserve(4096 * MIB));
	assert_int_equal(g->count, 1);
	assert_int_equal(g->weight, PROMISE_WEIGHT_DEFAULT);
	assert_int_equal(g->promise.limit, 1024 * MIB);
	assert_int_equal(g->promise.overhead, promise_overhead(1, 1024 * MIB, false));
	assert_true(g->has_balloon);
	scenario_clear(&s);
}

static void times_and_sizes_have_units(void **state)
{
	struct scenario s = scenario_of(
	    "{'name': 'x', 'duration': '2d', 'step': '500ms', " HOST
	    ", 'groups': [{'name': 'a', 'memory': 1048576, 'start': '90s'}],"
	    " 'events': [{'at': '3h', 'swap': '-4G'}, {'at': '5m', 'others': '+1M'}]}");

	(void)state;
	assert_int_equal(s.duration_ms, 48 * HOUR);
	assert_int_equal(s.step_ms, 500);
	assert_int_equal(s.groups[0].start_ms, 90000);
	assert_int_equal(s.groups[0].promise.memory, MIB);
	/* Events are in the order of their times. */
	assert_int_equal(s.events[0].at_ms, 300000);
	assert_int_equal(s.events[0].what, SCENARIO_OTHERS);
	assert_false(s.events[0].less);
	assert_int_equal(s.events[1].at_ms, 3 * HOUR);
	assert_true(s.events[1].less);
	scenario_clear(&s);
}

static void bad_input_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "[]", "must be a JSON object" },
		{ "{\n'name' 3}", "line 2: ':' expected near '3'" },
		{ "{" HEAD "'groups': [" GUEST "]}", "\"host\" is missing" },
		{ "{" HEAD HOST ", 'groups': []}", "groups: there are no guests" },
		{ "{" HEAD HOST ", 'groups': {}}", "groups: must be a JSON array" },
		{ "{" HEAD HOST ", 'groups': [" GUEST "], 'colour': 1}",
		  "there is no member \"colour\"" },
		{ "{" HEAD HOST ", 'groups': [" GUEST ", " GUEST "]}",
		  "groups: two are named \"a\"" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a/b', 'memory': '1G'}]}",
		  "groups: [0]: name: must be a name of 1 to 32 letters, digits, '-' and '_'" },
		{ "{" HEAD HOST ", 'groups': [" GUEST ", {'name': 'b', 'memory': 'much'}]}",
		  "groups: [1]: memory: \"much\" is not a size: write bytes, or a number with K, M, G "
		  "or T, such as 512M" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'count': 0}]}",
		  "groups: [0]: count: 0 isn't from 1 to 100000" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'count': 100000},"
		  " {'name': 'b', 'memory': '1G'}]}",
		  "groups: 100001 guests are more than 100000" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'weight': 1.5}]}",
		  "groups: [0]: weight: must be a whole number" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'balloon': 1}]}",
		  "groups: [0]: balloon: must be true or false" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'guarantee': '2G'}]}",
		  "groups: [0]: guarantee: 2G is more than its memory, 1G" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'guarantee': '512M',"
		  " 'limit': '256M'}]}",
		  "groups: [0]: its guarantee is more than its limit" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'guarantee': '1M',"
		  " 'best_effort': true}]}",
		  "groups: [0]: one of best effort has no guarantee" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'phases':"
		  " [{'from': '2h', 'to': '1h'}]}]}",
		  "groups: [0]: phases: [0]: it ends (\"to\") before it begins (\"from\")" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'phases':"
		  " [{'working_set': '2G'}]}]}",
		  "groups: [0]: phases: [0]: working_set: 2G is more than its memory, 1G" },
		{ "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'cycle':"
		  " {'period': '1h', 'low': '2M', 'high': '1M'}}]}",
		  "groups: [0]: cycle: \"low\" is more than \"high\"" },
		{ "{" HEAD HOST ", 'groups': [" GUEST "], 'events': [{'at': '1h'}]}",
		  "events: [0]: needs \"swap\" or \"others\"" },
		{ "{" HEAD HOST ", 'groups': [" GUEST "], 'events': [{'at': '1h', 'swap': '4G'}]}",
		  "events: [0]: swap: must be a size with a sign, such as \"+4G\" or \"-4G\"" },
		{ "{" HEAD HOST ", 'groups': [" GUEST "], 'events': [{'at': '1h', 'swap': '-4G',"
		  " 'others': '+1G'}]}",
		  "events: [0]: others: an event changes one thing" },
		{ "{'name': 'x', 'duration': 60, " HOST ", 'groups': [" GUEST "]}",
		  "duration: must be a time such as \"90s\", \"5m\", \"12h\" or \"3d\"" },
		{ "{'name': 'x', 'duration': '400d', " HOST ", 'groups': [" GUEST "]}",
		  "duration: 400d isn't from 1000 ms to 31622400000 ms" },
		{ "{" HEAD "'host': {'memory': '4G', 'reserve': '4G'}, 'groups': [" GUEST "]}",
		  "host: its reserve leaves nothing of its memory" },
		{ "{" HEAD "'host': {'memory': '17T'}, 'groups': [" GUEST "]}",
		  "host: memory: 17T is more than 16T" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_refused(cases[i].text, cases[i].message);
}

static void a_phase_counts_from_its_beginning_to_its_end(void **state)
{
	struct scenario s = scenario_of(
	    "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G', 'working_set': '10M',"
	    " 'phases': [{'from': '1m', 'to': '2m', 'working_set': '100M', 'leak': '1M'}]}]}");
	const struct scenario_group *g = &s.groups[0];

	(void)state;
	assert_int_equal(scenario_use(g, 0, 59999).working_set, 10 * MIB);
	assert_int_equal(scenario_use(g, 0, 59999).until_ms, 60000);
	assert_int_equal(scenario_use(g, 0, 60000).working_set, 100 * MIB);
	assert_int_equal(scenario_use(g, 0, 60000).leak, MIB);
	assert_int_equal(scenario_use(g, 0, 60000).until_ms, 120000);
	assert_int_equal(scenario_use(g, 0, 120000).working_set, 10 * MIB);
	assert_int_equal(scenario_use(g, 0, 120000).until_ms, UINT64_MAX);
	scenario_clear(&s);
}

static void a_cycle_goes_up_and_down_from_each_guests_own_beginning(void **state)
{
	struct scenario s = scenario_of(
	    "{" HEAD HOST ", 'groups': [{'name': 'a', 'memory': '1G',"
	    " 'cycle': {'period': '24h', 'low': '64M', 'high': '352M', 'spread': '8h'}}]}");
	const struct scenario_group *g = &s.groups[0];

	(void)state;
	assert_int_equal(scenario_use(g, 0, 0).working_set, 64 * MIB);
	assert_in_range(scenario_use(g, 0, 6 * HOUR).working_set, 205 * MIB, 209 * MIB);
	assert_in_range(scenario_use(g, 0, 12 * HOUR).working_set, 348 * MIB, 352 * MIB);
	assert_in_range(scenario_use(g, 0, 18 * HOUR).working_set, 205 * MIB, 211 * MIB);
	assert_int_equal(scenario_use(g, 6 * HOUR, 6 * HOUR).working_set, 64 * MIB);
	assert_int_equal(scenario_use(g, 0, 30 * HOUR).working_set,
			 scenario_use(g, 0, 6 * HOUR).working_set);
	for (uint64_t now = 0; now < 48 * HOUR; now += 12345) {
		struct scenario_use use = scenario_use(g, 0, now);

		assert_true(use.until_ms > now);
		assert_int_equal(scenario_use(g, 0, use.until_ms - 1).working_set, use.working_set);
	}
	scenario_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_is_as_usual),
		cmocka_unit_test(times_and_sizes_have_units),
		cmocka_unit_test(bad_input_is_refused_with_its_place),
		cmocka_unit_test(a_phase_counts_from_its_beginning_to_its_end),
		cmocka_unit_test(a_cycle_goes_up_and_down_from_each_guests_own_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
