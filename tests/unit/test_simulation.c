/* SPDX-License-Identifier: Apache-2.0 */
/* Whole scenarios: MOM's steps, which promises are found broken, and that the same gives the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "govern/policy.h"
#include "scenario_text.h"
#include "simulate/account.h"
#include "simulate/mom.h"
#include "simulate/plot.h"
#include "simulate/run.h"

#define MIB (UINT64_C(1) << 20)

static struct run_result run(const struct scenario *scenario, enum run_policy policy)
{
	const struct run_options options = { policy, POLICY_TAX_DEFAULT };
	struct run_result result;

	assert_int_equal(run_scenario(scenario, &options, &result, NULL), 0);
	return result;
}

/* MOM */

static void mom_shrinks_by_a_twentieth_while_a_fifth_is_not_free(void **state)
{
	struct mom_guest g = { .memory = 1000, .size = 1000, .unused = 900, .least = 100 };

	(void)state;
	g = (struct mom_guest){ 1000 * MIB, 1000 * MIB, 900 * MIB, 100 * MIB };
	assert_int_equal(mom_size(&g, 19, 100), 950 * MIB);
	assert_int_equal(mom_size(&g, 20, 100), 1000 * MIB);
}

static void mom_leaves_a_guest_what_it_uses_and_a_fifth(void **state)
{
	struct mom_guest g = { 1000 * MIB, 1000 * MIB, 150 * MIB, 100 * MIB };

	(void)state;
	/* Of 850M in use: a tenth of its size more at half of the threshold. */
	assert_int_equal(mom_size(&g, 10, 100), 950 * MIB);
	/* At 19 % it's nearly a fifth, which it has no more. */
	assert_int_equal(mom_size(&g, 19, 100), 1000 * MIB);
}

static void mom_takes_what_is_used_when_it_is_critical(void **state)
{
	struct mom_guest g = { 1000 * MIB, 1000 * MIB, 0, 100 * MIB };

	(void)state;
	assert_int_equal(mom_size(&g, 6, 100), 1000 * MIB);
	assert_int_equal(mom_size(&g, 1, 100), 960 * MIB);
}

static void mom_grows_by_a_twentieth_up_to_all(void **state)
{
	struct mom_guest g = { 1000 * MIB, 600 * MIB, 200 * MIB, 100 * MIB };

	(void)state;
	assert_int_equal(mom_size(&g, 50, 100), 630 * MIB);
	g.size = 990 * MIB;
	g.unused = 900 * MIB;
	assert_int_equal(mom_size(&g, 50, 100), 1000 * MIB);
}

static void mom_never_shrinks_below_the_minimum(void **state)
{
	struct mom_guest g = { 1000 * MIB, 520 * MIB, 500 * MIB, 510 * MIB };

	(void)state;
	assert_int_equal(mom_size(&g, 2, 100), 510 * MIB);
}

static void mom_does_no_trifles(void **state)
{
	struct mom_guest g = { 1000 * MIB, 999 * MIB, 900 * MIB, 100 * MIB };

	(void)state;
	assert_int_equal(mom_size(&g, 50, 100), 999 * MIB);
}

/* Promises */

static const char crowded[] =
    "{'name': 'x', 'duration': '30m', 'host': {'memory': '4G', 'swap': '8G'}, 'groups': ["
    "{'name': 'greedy', 'count': 3, 'memory': '2G', 'guarantee': '128M', 'working_set': '1500M'},"
    "{'name': 'calm', 'memory': '1G', 'guarantee': '768M', 'touched': '768M',"
    " 'working_set': '20M'}]}";

static void lodge_keeps_a_guarantee_that_mom_breaks(void **state)
{
	struct scenario scenario = scenario_of(crowded);
	struct run_result lodge = run(&scenario, RUN_LODGE);
	struct run_result mom = run(&scenario, RUN_MOM);

	(void)state;
	assert_int_equal(run_breaches(&lodge), 0);
	assert_true(kept_count(mom.kept, mom.model, KEPT_SAFE).guarantees > 0);
	assert_true(mom.kept->guests[3].below[KEPT_SAFE].worst > 0);
	run_result_clear(&lodge);
	run_result_clear(&mom);
	scenario_clear(&scenario);
}

static void what_does_not_fit_is_refused_or_said(void **state)
{
	struct scenario scenario = scenario_of(
	    "{'name': 'x', 'duration': '1m', 'host': {'memory': '2G', 'swap': '1G'},"
	    " 'groups': [{'name': 'a', 'count': 4, 'memory': '1G'}]}");
	struct run_result lodge = run(&scenario, RUN_LODGE);
	struct run_result mom = run(&scenario, RUN_MOM);

	(void)state;
	assert_int_equal(lodge.figures->groups[0].started, 2);
	assert_int_equal(lodge.figures->groups[0].refused, 2);
	assert_non_null(strstr(lodge.kept->refused, "can't be promised"));
	assert_int_equal(run_breaches(&lodge), 0);
	assert_int_equal(mom.figures->groups[0].started, 4);
	assert_int_equal(kept_count(mom.kept, mom.model, KEPT_SAFE).beyond, 2);
	run_result_clear(&lodge);
	run_result_clear(&mom);
	scenario_clear(&scenario);
}

static void a_host_out_of_memory_is_a_broken_promise(void **state)
{
	struct scenario scenario = scenario_of(
	    "{'name': 'x', 'duration': '5m', 'host': {'memory': '2G', 'swap': '1G'},"
	    " 'groups': [{'name': 'a', 'count': 4, 'memory': '1G',"
	    " 'working_set': '900M'}]}");
	struct run_result mom = run(&scenario, RUN_MOM);
	struct kept_count count = kept_count(mom.kept, mom.model, KEPT_SAFE);

	(void)state;
	assert_true(count.out_of_memory > 0);
	assert_int_equal(mom.figures->groups[0].ended, count.out_of_memory);
	run_result_clear(&mom);
	scenario_clear(&scenario);
}

static void what_a_scenario_takes_away_is_danger_and_no_breach(void **state)
{
	struct scenario scenario = scenario_of(
	    "{'name': 'x', 'duration': '30m', 'host': {'memory': '2G', 'swap': '4G'},"
	    " 'groups': [{'name': 'a', 'count': 4, 'memory': '1G', 'guarantee': '64M',"
	    " 'working_set': '500M', 'phases': [{'from': '12m', 'working_set': '1000M'}]}],"
	    " 'events': [{'at': '10m', 'swap': '-3G'}, {'at': '20m', 'swap': '+3G'}]}");
	struct run_result lodge = run(&scenario, RUN_LODGE);

	(void)state;
	assert_int_equal(lodge.kept->n_dangers, 1);
	assert_int_equal(lodge.kept->dangers[0].since_ms, 600000);
	assert_true(lodge.kept->dangers[0].worst.total > 0);
	assert_int_equal(run_breaches(&lodge), 0);
	assert_true(kept_count(lodge.kept, lodge.model, KEPT_IN_DANGER).out_of_memory > 0);
	run_result_clear(&lodge);
	scenario_clear(&scenario);
}

static void waking_is_timed(void **state)
{
	struct scenario scenario = scenario_of(
	    "{'name': 'x', 'duration': '10m', 'host': {'memory': '4G', 'swap': '8G'},"
	    " 'groups': [{'name': 'a', 'memory': '1G', 'working_set': '10M',"
	    " 'phases': [{'from': '2m', 'to': '3m', 'working_set': '900M'}]}]}");
	struct run_result lodge = run(&scenario, RUN_LODGE);
	const struct figures_woken *woken = &lodge.figures->groups[0].woken;

	(void)state;
	assert_int_equal(woken->times, 1);
	assert_int_equal(woken->unfinished, 0);
	/* 855M of 900M, at what a guest can fill. */
	assert_in_range(woken->most_ms, 1000, 11000);
	run_result_clear(&lodge);
	scenario_clear(&scenario);
}

static char *told(const struct scenario *scenario, enum run_policy policy)
{
	struct run_result result = run(scenario, policy);
	json_t *json = account_to_json(scenario, &result);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	account_print(scenario, &result, out);
	plot_draw(scenario, &result, out);
	assert_int_equal(json_dumpf(json, out, 0), 0);
	fclose(out);
	json_decref(json);
	run_result_clear(&result);
	return text;
}

static void the_same_gives_the_same(void **state)
{
	struct scenario scenario = scenario_of(crowded);
	_cleanup_free_ char *first = told(&scenario, RUN_LODGE);
	_cleanup_free_ char *second = told(&scenario, RUN_LODGE);
	_cleanup_free_ char *other = told(&scenario, RUN_MOM);

	(void)state;
	assert_string_equal(first, second);
	assert_string_not_equal(first, other);
	scenario_clear(&scenario);
}

static void a_plot_is_written_whole_or_not_at_all(void **state)
{
	struct scenario scenario = scenario_of(crowded);
	struct run_result result = run(&scenario, RUN_LODGE);
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	assert_int_equal(plot_save(&scenario, &result, "/nowhere/plot.svg", &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	err_free(err);
	err = NULL;
	assert_int_equal(plot_save(&scenario, &result, "/dev/null", &err), -1);
	assert_string_equal(err_message(err), "/dev/null is there and no file");
	run_result_clear(&result);
	scenario_clear(&scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mom_shrinks_by_a_twentieth_while_a_fifth_is_not_free),
		cmocka_unit_test(mom_leaves_a_guest_what_it_uses_and_a_fifth),
		cmocka_unit_test(mom_takes_what_is_used_when_it_is_critical),
		cmocka_unit_test(mom_grows_by_a_twentieth_up_to_all),
		cmocka_unit_test(mom_never_shrinks_below_the_minimum),
		cmocka_unit_test(mom_does_no_trifles),
		cmocka_unit_test(lodge_keeps_a_guarantee_that_mom_breaks),
		cmocka_unit_test(what_does_not_fit_is_refused_or_said),
		cmocka_unit_test(a_host_out_of_memory_is_a_broken_promise),
		cmocka_unit_test(what_a_scenario_takes_away_is_danger_and_no_breach),
		cmocka_unit_test(waking_is_timed),
		cmocka_unit_test(the_same_gives_the_same),
		cmocka_unit_test(a_plot_is_written_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
