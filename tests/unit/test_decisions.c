/* SPDX-License-Identifier: Apache-2.0 */
/* What was done to guests, as words and in the record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "govern/decisions.h"

#define MIB (UINT64_C(1) << 20)

static struct govern_record record;

static int new_record(void **state)
{
	(void)state;
	memset(&record, 0, sizeof(record));
	return 0;
}

static struct govern_decision decision(const char *guest, enum policy_reason reason,
				       const char *whom, uint64_t time_ms)
{
	struct govern_decision d = {
		.time_ms = time_ms, .reason = reason, .bytes = 12 * MIB, .state = POLICY_HARD
	};

	snprintf(d.guest, sizeof(d.guest), "%s", guest);
	snprintf(d.whom, sizeof(d.whom), "%s", whom);
	return d;
}

static bool add(const char *guest, enum policy_reason reason, const char *whom, uint64_t time_ms)
{
	struct govern_decision d = decision(guest, reason, whom, time_ms);

	return govern_decisions_add(&record, &d, 3 * MIB, 12 * MIB);
}

static void each_kind_says_what_was_done_for_whom_and_how_the_host_was(void **state)
{
	static const struct {
		enum policy_reason reason;
		const char *whom;
		const char *text;
	} kinds[] = {
		{ POLICY_TAKES_RECLAIM, "db", "12M taken by reclaim for db" },
		{ POLICY_TAKES_BALLOON, "", "12M taken by its balloon" },
		{ POLICY_GIVES_BALLOON, "", "12M given back by its balloon" },
		{ POLICY_TAKES_THROTTLE, "db", "growth stopped, 12M above its part for db" },
		{ POLICY_GIVES_THROTTLE, "", "may grow again" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct govern_decision d = decision("web", kinds[i].reason, kinds[i].whom, 1);
		char expected[GOVERN_DECISION_TEXT_MAX];

		snprintf(expected, sizeof(expected), "%s; the host was hard (margin 3M of 12M)",
			 kinds[i].text);
		govern_decision_describe(&d, 3 * MIB, 12 * MIB);
		assert_string_equal(d.text, expected);
	}
}

static void one_that_goes_on_is_one_and_its_bytes_add_up(void **state)
{
	(void)state;
	assert_true(add("web", POLICY_TAKES_RECLAIM, "db", 1000));
	assert_true(add("db", POLICY_TAKES_RECLAIM, "", 1500));
	assert_false(add("web", POLICY_TAKES_RECLAIM, "db", 2000));
	assert_int_equal(record.n_decisions, 2);
	/* The newest is the last. */
	assert_string_equal(record.decisions[1].guest, "web");
	assert_int_equal(record.decisions[1].bytes, 24 * MIB);
	assert_non_null(strstr(record.decisions[1].text, "24M taken"));
	assert_int_equal(govern_decisions_last(&record, "web")->time_ms, 2000);
	assert_null(govern_decisions_last(&record, "mail"));
}

static void another_kind_another_whom_and_a_later_time_are_new_ones(void **state)
{
	(void)state;
	assert_true(add("web", POLICY_TAKES_RECLAIM, "db", 1000));
	assert_true(add("web", POLICY_TAKES_RECLAIM, "", 1001));
	assert_true(add("web", POLICY_TAKES_BALLOON, "", 1002));
	assert_true(add("web", POLICY_TAKES_BALLOON, "", 1002 + GOVERN_DECISION_GOES_ON_MS));
	assert_int_equal(record.n_decisions, 4);
}

static void the_oldest_give_way(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < GOVERN_DECISIONS_MAX + 3; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		assert_true(add(name, POLICY_TAKES_RECLAIM, "", (uint64_t)i));
	}
	assert_int_equal(record.n_decisions, GOVERN_DECISIONS_MAX);
	assert_string_equal(record.decisions[0].guest, "g3");
	assert_null(govern_decisions_last(&record, "g2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_kind_says_what_was_done_for_whom_and_how_the_host_was,
				       new_record),
		cmocka_unit_test_setup(one_that_goes_on_is_one_and_its_bytes_add_up, new_record),
		cmocka_unit_test_setup(another_kind_another_whom_and_a_later_time_are_new_ones,
				       new_record),
		cmocka_unit_test_setup(the_oldest_give_way, new_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
