/* SPDX-License-Identifier: Apache-2.0 */
/* The modelled kernel and its guests: nothing is lost, and what is taken is taken in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/sums.h"
#include "scenario_text.h"
#include "simulate/model.h"

#define MIB (UINT64_C(1) << 20)

static struct scenario scenario;
static struct model *model;

static void build(const char *text)
{
	scenario = scenario_of(text);
	assert_int_equal(model_new(&scenario, &model, NULL), 0);
	for (size_t i = 0; i < model->n; i++)
		model_start(model, i, true);
}

static int tear_down(void **state)
{
	(void)state;
	model_free(model);
	model = NULL;
	scenario_clear(&scenario);
	return 0;
}

static void run_for(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++)
		model_step(model, 1000);
}

/* What a guest's parts and the host's sums are made of. */
static void assert_whole(void)
{
	uint64_t used = 0;
	uint64_t swapped = 0;

	for (size_t i = 0; i < model->n; i++) {
		const struct model_guest *g = &model->guests[i];
		uint64_t sum = g->free + g->balloon;

		for (int c = 0; c < MODEL_CLASSES; c++)
			sum += g->res[c] + g->swp[c];
		assert_int_equal(sum, g->group->promise.memory);
		used += model_resident(g);
		swapped += model_swapped(g);
	}
	assert_int_equal(used, model->host.used);
	assert_int_equal(swapped, model->host.swapped);
	assert_true(used <= model_capacity(model));
	assert_true(swapped <= model->host.swap);
}

static const char busy_and_idle[] =
    "{'name': 'x', 'duration': '1h', 'host': {'memory': '2G', 'reserve': '256M', 'swap': '8G'},"
    " 'groups': [{'name': 'busy', 'memory': '1G', 'guarantee': '256M', 'working_set': '700M'},"
    " {'name': 'idle', 'memory': '1G', 'guarantee': '256M', 'touched': '900M', 'cache': 20,"
    "  'working_set': '10M'}]}";

static void bytes_never_appear_or_vanish(void **state)
{
	unsigned seed = 1;

	(void)state;
	build("{'name': 'x', 'duration': '1h', 'host': {'memory': '2G', 'swap': '6G'}, 'groups': ["
	      "{'name': 'a', 'count': 4, 'memory': '1G', 'guarantee': '128M', 'limit': '800M',"
	      " 'cycle': {'period': '1m', 'low': '1M', 'high': '900M', 'spread': '1m'}},"
	      "{'name': 'b', 'count': 2, 'memory': '1G', 'touched': '500M', 'leak': '3M'},"
	      "{'name': 'c', 'memory': '256M', 'best_effort': true, 'working_set': '200M'}]}");
	for (int i = 0; i < 2000; i++) {
		struct model_guest *g = &model->guests[(unsigned)rand_r(&seed) % model->n];

		switch (rand_r(&seed) % 8) {
		case 0:
			g->balloon_target = (unsigned)rand_r(&seed) % (1024 * MIB);
			g->balloon_target = least(g->balloon_target, g->group->promise.memory);
			break;
		case 1:
			g->reclaim = (unsigned)rand_r(&seed) % (256 * MIB);
			break;
		case 2:
			g->high = rand_r(&seed) % 2 ? MODEL_NO_LIMIT : 300 * MIB;
			break;
		case 3:
			g->low = (unsigned)rand_r(&seed) % (512 * MIB);
			break;
		default:
			break;
		}
		model_step(model, 100 + (unsigned)rand_r(&seed) % 3000);
		assert_whole();
	}
}

static void a_guest_uses_what_it_is_to_use(void **state)
{
	(void)state;
	build(busy_and_idle);
	run_for(5);
	assert_int_equal(model->guests[0].res[MODEL_HOT], 700 * MIB);
	assert_int_equal(model->guests[1].res[MODEL_HOT], 10 * MIB);
	assert_int_equal(model->guests[1].res[MODEL_CACHE] + model->guests[1].swp[MODEL_CACHE],
			 178 * MIB);
}

static void idle_pages_go_before_busy_ones(void **state)
{
	uint64_t idle;

	(void)state;
	build(busy_and_idle);
	run_for(5);
	idle = model->guests[1].res[MODEL_COLD] + model->guests[1].res[MODEL_CACHE];
	assert_int_equal(model_reclaim(model, 300 * MIB), 300 * MIB);
	assert_int_equal(model->guests[0].res[MODEL_HOT], 700 * MIB);
	assert_int_equal(model->guests[1].res[MODEL_COLD] + model->guests[1].res[MODEL_CACHE],
			 idle - 300 * MIB);
	assert_whole();
}

static void who_is_above_low_gives_before_who_is_below(void **state)
{
	(void)state;
	build(busy_and_idle);
	run_for(5);

	uint64_t idle = model_resident(&model->guests[1]);

	model->guests[1].low = 1024 * MIB;
	assert_int_equal(model_reclaim(model, 200 * MIB), 200 * MIB);
	assert_int_equal(model_resident(&model->guests[1]), idle);
	assert_int_equal(model->guests[0].swp[MODEL_HOT], 200 * MIB);
}

static void excess_decides_how_much(void **state)
{
	(void)state;
	build("{'name': 'x', 'duration': '1h', 'host': {'memory': '4G', 'swap': '8G'}, 'groups': ["
	      "{'name': 'a', 'memory': '1G', 'touched': '200M', 'cache': 0},"
	      "{'name': 'b', 'memory': '1G', 'touched': '600M', 'cache': 0}]}");
	run_for(5);
	for (size_t i = 0; i < 2; i++)
		model->guests[i].min = model->guests[i].group->promise.overhead;
	assert_int_equal(model_reclaim(model, 80 * MIB), 80 * MIB);
	assert_in_range(model_swapped(&model->guests[0]), 20 * MIB - 1, 20 * MIB + 1);
	assert_in_range(model_swapped(&model->guests[1]), 60 * MIB - 1, 60 * MIB + 1);
}

static void a_guarantee_is_never_reclaimed(void **state)
{
	(void)state;
	build(busy_and_idle);
	run_for(5);
	model_reclaim(model, 4096 * MIB);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(model_resident(&model->guests[i]), model->guests[i].min);
	assert_whole();
}

static void best_effort_is_not_swapped_but_ended(void **state)
{
	(void)state;
	build("{'name': 'x', 'duration': '1h', 'host': {'memory': '1G', 'reserve': '256M',"
	      " 'swap': '0'}, 'groups': [{'name': 'a', 'memory': '600M', 'working_set': '600M'},"
	      "{'name': 'b', 'memory': '512M', 'best_effort': true, 'working_set': '512M'}]}");
	for (int i = 0; i < 10 && model->guests[1].state == MODEL_RUNS; i++)
		run_for(1);
	assert_int_equal(model->guests[1].state, MODEL_ENDED);
	run_for(5);
	assert_int_equal(model->guests[0].state, MODEL_RUNS);
	assert_int_equal(model->guests[0].res[MODEL_HOT], 600 * MIB);
	assert_whole();
}

static void memory_high_takes_from_its_own_guest(void **state)
{
	(void)state;
	build(busy_and_idle);
	run_for(5);
	model->guests[1].high = 400 * MIB;
	run_for(20);
	assert_true(model_resident(&model->guests[1]) <= 400 * MIB);
	assert_int_equal(model->guests[0].res[MODEL_HOT], 700 * MIB);
	assert_whole();
}

static void a_balloon_takes_free_memory_and_cache_and_no_more(void **state)
{
	struct model_guest *g;

	(void)state;
	build(busy_and_idle);
	run_for(5);
	g = &model->guests[1];
	g->balloon_target = 1024 * MIB;
	run_for(20);
	assert_int_equal(g->balloon, 124 * MIB + 178 * MIB);
	assert_int_equal(model_spare(g), 0);
	assert_int_equal(g->res[MODEL_COLD] + g->swp[MODEL_COLD], 712 * MIB);
	assert_whole();
}

static void a_guest_that_needs_it_gets_memory_out_of_its_balloon(void **state)
{
	struct model_guest *g;

	(void)state;
	build("{'name': 'x', 'duration': '1h', 'host': {'memory': '4G', 'swap': '8G'}, 'groups': ["
	      "{'name': 'a', 'memory': '1G', 'working_set': '100M',"
	      " 'phases': [{'from': '1m', 'working_set': '1G'}]}]}");
	run_for(5);
	g = &model->guests[0];
	g->balloon_target = 900 * MIB;
	run_for(20);
	assert_int_equal(g->balloon, 900 * MIB);
	run_for(60);
	assert_int_equal(g->res[MODEL_HOT], 1024 * MIB);
	assert_int_equal(g->balloon, 0);
	assert_whole();
}

static void who_waits_for_swap_works_less(void **state)
{
	struct model_guest *g;

	(void)state;
	build(busy_and_idle);
	run_for(5);
	g = &model->guests[0];
	model_take(model, g, 700 * MIB);
	model_step(model, 1000);
	/* 700M, touched once in 10 s, from a device of 500M/s: an eighth of the time. */
	assert_in_range(g->work, MODEL_FULL * 86 / 100, MODEL_FULL * 89 / 100);
	assert_true(model->hurts);
	assert_false(model->calm);
	run_for(120);
	assert_int_equal(g->work, MODEL_FULL);
	assert_int_equal(g->swp[MODEL_HOT], 0);
	assert_true(model->calm);
}

static void the_device_is_shared_by_weight(void **state)
{
	(void)state;
	build("{'name': 'x', 'duration': '1h',"
	      " 'host': {'memory': '4G', 'swap': '8G', 'swap_bandwidth': '10M'}, 'groups': ["
	      "{'name': 'a', 'memory': '1G', 'working_set': '512M', 'pace': '1s', 'weight': 100},"
	      "{'name': 'b', 'memory': '1G', 'working_set': '512M', 'pace': '1s', 'weight': 300},"
	      "{'name': 'c', 'memory': '1G', 'working_set': '1M', 'pace': '1s'}]}");
	run_for(5);
	for (size_t i = 0; i < 3; i++) {
		model_take(model, &model->guests[i], 512 * MIB);
		model->guests[i].turn_refaulted = 0;
	}
	model_step(model, 1000);
	/* The third needs less than its share, and has all of it. */
	assert_in_range(model->guests[2].turn_refaulted, MIB * 9 / 10, MIB);
	assert_in_range(model->guests[1].turn_refaulted, model->guests[0].turn_refaulted * 29 / 10,
			model->guests[0].turn_refaulted * 31 / 10);
	assert_true(model->read <= 10 * MIB);
}

static void what_is_swapped_comes_back_when_swap_is_lost(void **state)
{
	struct scenario_event lost = { .what = SCENARIO_SWAP, .less = true, .bytes = 8192 * MIB };

	(void)state;
	build(busy_and_idle);
	run_for(5);
	model_reclaim(model, 100 * MIB);
	model_event(model, &lost);
	assert_int_equal(model->host.swap, 0);
	run_for(10);
	assert_int_equal(model->host.swapped, 0);
	assert_whole();
}

static void what_others_take_is_reclaimed(void **state)
{
	struct scenario_event taken = { .what = SCENARIO_OTHERS, .bytes = 1024 * MIB };

	(void)state;
	build(busy_and_idle);
	run_for(5);
	model_event(model, &taken);
	assert_int_equal(model_capacity(model), 1024 * MIB);
	run_for(10);
	assert_whole();
	assert_true(model->guests[0].state == MODEL_RUNS && model->guests[1].state == MODEL_RUNS);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_never_appear_or_vanish),
		TEST(a_guest_uses_what_it_is_to_use),
		TEST(idle_pages_go_before_busy_ones),
		TEST(who_is_above_low_gives_before_who_is_below),
		TEST(excess_decides_how_much),
		TEST(a_guarantee_is_never_reclaimed),
		TEST(best_effort_is_not_swapped_but_ended),
		TEST(memory_high_takes_from_its_own_guest),
		TEST(a_balloon_takes_free_memory_and_cache_and_no_more),
		TEST(a_guest_that_needs_it_gets_memory_out_of_its_balloon),
		TEST(who_waits_for_swap_works_less),
		TEST(the_device_is_shared_by_weight),
		TEST(what_is_swapped_comes_back_when_swap_is_lost),
		TEST(what_others_take_is_reclaimed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
