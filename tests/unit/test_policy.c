/* SPDX-License-Identifier: Apache-2.0 */
/* What the governor decides about memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sums.h"
#include "govern/policy.h"
#include "govern/share.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum { MAX = 64 };

/* Numbers that are the same in every run. */
static uint64_t chance = 1;

static uint64_t below(uint64_t n)
{
	chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (chance >> 33) % n;
}

static struct policy_settings settings;
static struct policy_host host;
static struct policy_guest guests[MAX];
static struct policy_guest_memory memories[MAX];
static struct policy_memory memory;
static struct policy_act acts[MAX];
static struct policy_plan plan;
static size_t n;

/* A host with 1000 MiB for guests: 60 MiB of margin are wanted. */
static int new_host(void **state)
{
	(void)state;
	settings = (struct policy_settings){ .tax_percent = 75, .interval_ms = 10000 };
	host = (struct policy_host){ .now_ms = 1000000,
				     .capacity = 1000 * MIB,
				     .available = 8 * GIB };
	memset(memories, 0, sizeof(memories));
	memory = (struct policy_memory){ 0 };
	n = 0;
	return 0;
}

/* All that it has is in use. */
static struct policy_guest *add(uint64_t resident, uint64_t swapped)
{
	struct policy_guest *g = &guests[n++];

	*g = (struct policy_guest){
		.ceiling = 2000 * MIB,
		.weight = 100,
		.resident = resident,
		.swapped = swapped,
		.active = resident,
		.spare = POLICY_UNKNOWN,
		.low = POLICY_UNKNOWN - 1,
		.high = POLICY_UNKNOWN,
	};
	return g;
}

static void decide(uint64_t margin)
{
	struct share_claim work[MAX];

	host.now_ms += 1000;
	host.used = host.capacity - margin;
	policy_decide(&settings, &host, guests, n, &memory, memories, work, acts, &plan);
}

static void the_wanted_margin_grows_ever_slower_with_ram(void **state)
{
	(void)state;
	assert_int_equal(policy_wanted_margin(0), 0);
	assert_int_equal(policy_wanted_margin(1000 * MIB), 60 * MIB);
	assert_in_range(policy_wanted_margin(4 * GIB), 245 * MIB, 246 * MIB);
	assert_in_range(policy_wanted_margin(12 * GIB), 573 * MIB, 574 * MIB);
	assert_in_range(policy_wanted_margin(28 * GIB), 900 * MIB, 902 * MIB);
	assert_in_range(policy_wanted_margin(1028 * GIB), 11140 * MIB, 11142 * MIB);
}

static void the_margin_is_what_both_the_slice_and_the_host_can_still_give(void **state)
{
	(void)state;
	host.used = 600 * MIB;
	assert_int_equal(policy_margin(&host), 400 * MIB);
	host.available = 100 * MIB;
	assert_int_equal(policy_margin(&host), 100 * MIB);
	host.used = 2000 * MIB;
	assert_int_equal(policy_margin(&host), 0);
}

static void the_host_s_state_follows_its_margin_and_is_left_only_a_quarter_above(void **state)
{
	static const struct {
		unsigned margin; /* MiB */
		enum policy_state state;
	} steps[] = {
		{ 61, POLICY_HIGH }, { 59, POLICY_SOFT }, { 61, POLICY_SOFT }, { 74, POLICY_SOFT },
		{ 76, POLICY_HIGH }, { 29, POLICY_HARD }, { 36, POLICY_HARD }, { 38, POLICY_SOFT },
		{ 11, POLICY_LOW },  { 14, POLICY_LOW },  { 16, POLICY_HARD }, { 0, POLICY_LOW },
		{ 80, POLICY_HIGH },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		decide(steps[i].margin * MIB);
		assert_int_equal(plan.state, steps[i].state);
		assert_int_equal(plan.margin, steps[i].margin * MIB);
	}
}

static void a_host_with_margin_takes_nothing_and_looks_again_when_asked_to(void **state)
{
	(void)state;
	add(500 * MIB, 0);
	add(300 * MIB, 0);
	decide(200 * MIB);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(acts[i].reclaim, 0);
		assert_false(acts[i].write_balloon || acts[i].write_high);
		assert_int_equal(acts[i].reason, POLICY_STAYS);
	}
	assert_int_equal(plan.next_ms, 10000);
}

static void targets_are_protected_but_small_changes_are_not_written(void **state)
{
	(void)state;
	add(900 * MIB, 500 * MIB)->pain_permille = 100;
	add(40 * MIB, 500 * MIB)->pain_permille = 100;
	decide(0);
	/* Of guests that all hurt a fifth of the margin is kept: 988 MiB for two of equal weight.
	 */
	assert_in_range(acts[0].target, 493 * MIB, 495 * MIB);
	assert_in_range(acts[1].target, 493 * MIB, 495 * MIB);
	assert_true(acts[0].write_low);
	assert_int_equal(acts[0].low, acts[0].target);
	guests[0].low = guests[1].low = acts[0].target + 10 * MIB;
	decide(0);
	assert_false(acts[0].write_low);
	guests[0].low = acts[0].target + 20 * MIB;
	decide(0);
	assert_true(acts[0].write_low);
}

static void what_a_guest_never_touched_is_not_the_host_s_to_gain(void **state)
{
	(void)state;
	struct policy_guest *g = add(300 * MIB, 100 * MIB);

	/* All of it is somewhere. */
	assert_int_equal(policy_spare(g, 400 * MIB, 80 * MIB), 80 * MIB);
	assert_int_equal(policy_spare(g, 410 * MIB, 80 * MIB), 70 * MIB);
	assert_int_equal(policy_spare(g, 411 * MIB, 80 * MIB), 0);
	g->balloon = 11 * MIB;
	assert_int_equal(policy_spare(g, 411 * MIB, 80 * MIB), 80 * MIB);
	/* Whatever it says. */
	assert_int_equal(policy_spare(g, 400 * MIB, UINT64_MAX), 300 * MIB);
	assert_int_equal(policy_spare(g, UINT64_MAX, 80 * MIB), 0);
}

static void nobody_is_taken_below_its_guarantee(void **state)
{
	(void)state;
	struct policy_guest *idle = add(600 * MIB, 0);

	idle->floor = 550 * MIB;
	idle->active = 0;
	add(390 * MIB, 900 * MIB)->pain_permille = 500;
	for (int turn = 0; turn < 100; turn++) {
		decide(0);
		assert_true(acts[0].target >= 550 * MIB);
		idle->resident -= acts[0].reclaim;
		assert_true(idle->resident >= 550 * MIB);
	}
	assert_in_range(idle->resident, 550 * MIB, 600 * MIB);
}

static void who_is_idle_gives_to_who_is_busy_and_it_is_said_for_whom(void **state)
{
	(void)state;
	add(490 * MIB, 0)->active = 10 * MIB;
	add(490 * MIB, 400 * MIB)->pain_permille = 200;
	decide(20 * MIB);
	assert_int_equal(plan.state, POLICY_HARD);
	assert_true(acts[0].reclaim > 0);
	assert_int_equal(acts[0].reason, POLICY_TAKES_RECLAIM);
	assert_int_equal(acts[0].whom, 1);
	assert_int_equal(acts[0].bytes, acts[0].reclaim);
	assert_int_equal(acts[1].reclaim, 0);
	assert_true(acts[0].untaxed > acts[0].target);
	assert_true(acts[1].untaxed < acts[1].target);
	assert_int_equal(plan.next_ms, POLICY_FAST_MS);
	/* In steps. */
	assert_true(acts[0].reclaim <= 490 * MIB / POLICY_STEP);
}

static void what_is_idle_of_a_target_is_protected_as_far_as_it_is_untaxed(void **state)
{
	(void)state;
	add(230 * MIB, 0)->active = 0;
	add(800 * MIB, 400 * MIB)->pain_permille = 200;
	decide(0);
	assert_true(acts[0].target > 180 * MIB);
	/* Headroom, and a quarter of the rest. */
	assert_true(acts[0].low < acts[0].target / 2);
	assert_true(acts[0].low > acts[0].target / 4);
	assert_int_equal(acts[1].low, acts[1].target);
	guests[0].floor = 150 * MIB;
	decide(0);
	assert_true(acts[0].low >= 150 * MIB);
}

static void the_margin_is_restored_though_each_has_only_a_little_too_much(void **state)
{
	uint64_t taken = 0;

	(void)state;
	for (int i = 0; i < 50; i++)
		add(20 * MIB, 0)->active = 10 * MIB;
	decide(0);
	for (size_t i = 0; i < n; i++)
		taken += acts[i].reclaim;
	assert_true(taken > 30 * MIB);
}

static void without_a_tax_idle_memory_is_left_alone(void **state)
{
	(void)state;
	settings.tax_percent = 0;
	add(468 * MIB, 0)->active = 10 * MIB;
	add(475 * MIB, 400 * MIB)->pain_permille = 200;
	decide(20 * MIB);
	assert_int_equal(acts[0].reclaim, 0);
	assert_int_equal(acts[0].low, acts[0].target);
	assert_int_equal(acts[0].untaxed, acts[0].target);
}

static void what_guests_kernels_can_spare_goes_before_what_has_to_be_swapped(void **state)
{
	(void)state;
	struct policy_guest *caching = add(490 * MIB, 0);

	caching->active = 10 * MIB;
	caching->has_balloon = true;
	caching->spare = 200 * MIB;
	add(490 * MIB, 400 * MIB)->pain_permille = 200;
	decide(50 * MIB);
	assert_int_equal(plan.state, POLICY_SOFT);
	assert_true(acts[0].write_balloon);
	assert_in_range(acts[0].balloon, 20 * MIB, 30 * MIB);
	assert_int_equal(acts[0].balloon % 4096, 0);
	assert_int_equal(acts[0].reason, POLICY_TAKES_BALLOON);
	assert_int_equal(acts[0].reclaim, 0);
	assert_int_equal(memories[0].balloon, acts[0].balloon);
	/* It's to stay well above what would hurt it. */
	memset(memories, 0, sizeof(memories));
	caching->spare = 70 * MIB;
	decide(50 * MIB);
	assert_in_range(acts[0].balloon, 3 * MIB, 5 * MIB);
	/* Soft is no reason to swap. */
	caching->spare = 0;
	decide(50 * MIB);
	assert_false(acts[0].write_balloon);
	assert_int_equal(acts[0].reclaim, 0);
}

static void a_balloon_is_let_go_of_when_the_host_has_room_or_its_guest_hurts(void **state)
{
	(void)state;
	struct policy_guest *g = add(300 * MIB, 0);

	g->has_balloon = true;
	g->balloon = 100 * MIB;
	decide(500 * MIB);
	assert_true(acts[0].write_balloon);
	assert_int_equal(acts[0].balloon, 75 * MIB);
	assert_int_equal(acts[0].reason, POLICY_GIVES_BALLOON);
	/* With hardly any room for it: only when it hurts. */
	decide(80 * MIB);
	assert_false(acts[0].write_balloon);
	g->pain_permille = 100;
	decide(0);
	assert_int_equal(acts[0].balloon, 75 * MIB);
	/* Its kernel has run short is a pain too, that only it knows of. */
	g->pain_permille = 0;
	g->spare = 1 * MIB;
	decide(0);
	assert_int_equal(acts[0].balloon, 75 * MIB);
	g->balloon = 1 * MIB;
	decide(0);
	assert_int_equal(acts[0].balloon, 0);
}

static void who_hurts_above_its_target_is_taken_less_until_nothing_is_taken(void **state)
{
	(void)state;
	uint64_t before = UINT64_MAX;

	add(980 * MIB, 500 * MIB)->pain_permille = 300;
	/* It is above what it may have by capacity alone: nobody else hurts. */
	for (int turn = 0; turn < 12; turn++) {
		decide(10 * MIB);
		assert_true(acts[0].reclaim <= before);
		before = acts[0].reclaim;
	}
	assert_int_equal(acts[0].reclaim, 0);
	guests[0].pain_permille = 0;
	decide(10 * MIB);
	decide(10 * MIB);
	assert_true(acts[0].reclaim > 0);
}

static void who_takes_back_what_was_taken_is_spared_though_it_does_not_hurt(void **state)
{
	uint64_t first;

	(void)state;
	struct policy_guest *g = add(990 * MIB, 500 * MIB);

	g->active = 100 * MIB;
	decide(10 * MIB);
	first = acts[0].reclaim;
	assert_true(first > 0);
	for (int turn = 0; turn < 12; turn++) {
		g->refaulted = acts[0].reclaim;
		decide(10 * MIB);
		assert_false(acts[0].hurts && g->refaulted < 3 * MIB);
	}
	assert_true(acts[0].reclaim < first / 16);
	/* Some time later it's tried again. */
	g->refaulted = 0;
	for (int turn = 0; turn < 40; turn++)
		decide(10 * MIB);
	assert_true(acts[0].reclaim >= first / 2);
}

static void a_balloon_that_hurt_is_left_alone_for_a_minute(void **state)
{
	(void)state;
	struct policy_guest *g = add(980 * MIB, 0);

	g->has_balloon = true;
	g->spare = 500 * MIB;
	g->balloon = 100 * MIB;
	g->pain_permille = 100;
	decide(20 * MIB);
	assert_int_equal(acts[0].reason, POLICY_GIVES_BALLOON);
	g->pain_permille = 0;
	g->active = 100 * MIB;
	for (int turn = 1; turn < POLICY_REST_MS / 1000; turn++) {
		decide(20 * MIB);
		assert_false(acts[0].write_balloon);
	}
	decide(20 * MIB);
	assert_int_equal(acts[0].reason, POLICY_TAKES_BALLOON);
}

static void what_best_effort_holds_is_not_divided(void **state)
{
	(void)state;
	add(300 * MIB, 0)->best_effort = true;
	add(300 * MIB, 500 * MIB)->pain_permille = 100;
	add(300 * MIB, 500 * MIB)->pain_permille = 100;
	decide(100 * MIB);
	/* 28 MiB are kept free, as two thirds of what they have hurts. */
	assert_in_range(acts[1].target, 335 * MIB, 336 * MIB);
}

static void pain_spares_nobody_from_giving_to_who_is_entitled_and_hurts_too(void **state)
{
	(void)state;
	add(900 * MIB, 500 * MIB)->pain_permille = 300;
	add(50 * MIB, 500 * MIB)->pain_permille = 300;
	for (int turn = 0; turn < 20; turn++)
		decide(10 * MIB);
	assert_true(acts[0].reclaim > 0);
	assert_int_equal(acts[0].whom, 1);
}

static void on_a_host_with_hardly_any_margin_growth_is_braked(void **state)
{
	(void)state;
	add(900 * MIB, 0);
	add(90 * MIB, 500 * MIB)->pain_permille = 100;
	decide(5 * MIB);
	assert_int_equal(plan.state, POLICY_LOW);
	assert_true(acts[0].write_high);
	assert_int_equal(acts[0].high, 900 * MIB);
	/* What is reclaimed from it meanwhile is what is told. */
	assert_int_equal(acts[0].reason, POLICY_TAKES_RECLAIM);
	assert_int_equal(acts[0].bytes, acts[0].reclaim);
	assert_false(acts[1].write_high);
	guests[0].high = 900 * MIB;
	decide(20 * MIB);
	assert_int_equal(plan.state, POLICY_HARD);
	assert_false(acts[0].write_high);
	decide(50 * MIB);
	assert_int_equal(plan.state, POLICY_SOFT);
	assert_true(acts[0].write_high);
	assert_int_equal(acts[0].high, POLICY_UNKNOWN);
	assert_int_equal(acts[0].reason, POLICY_GIVES_THROTTLE);
}

static void a_brake_is_let_go_of_after_some_seconds_and_not_used_again_at_once(void **state)
{
	int braked = 0;

	(void)state;
	add(900 * MIB, 0);
	add(90 * MIB, 500 * MIB)->pain_permille = 100;
	for (int second = 0; second < POLICY_REST_MS / 1000; second++) {
		decide(5 * MIB);
		if (acts[0].write_high)
			guests[0].high = acts[0].high;
		braked += guests[0].high != POLICY_UNKNOWN;
	}
	assert_int_equal(braked, POLICY_BRAKE_MS / 1000);
	decide(5 * MIB);
	assert_true(acts[0].write_high);
}

static void a_brake_alone_is_told(void **state)
{
	(void)state;
	add(900 * MIB, 0)->best_effort = true;
	add(90 * MIB, 500 * MIB)->pain_permille = 100;
	decide(5 * MIB);
	assert_int_equal(acts[0].reason, POLICY_TAKES_THROTTLE);
	assert_int_equal(acts[0].bytes, 900 * MIB);
	assert_int_equal(acts[0].whom, 1);
}

static void who_waits_for_memory_is_throttled_no_more(void **state)
{
	(void)state;
	add(900 * MIB, 100 * MIB)->pain_permille = 100;
	decide(5 * MIB);
	assert_false(acts[0].write_high);
	guests[0].high = 900 * MIB;
	decide(5 * MIB);
	assert_int_equal(plan.state, POLICY_LOW);
	assert_true(acts[0].write_high);
	assert_int_equal(acts[0].high, POLICY_UNKNOWN);
}

static void all_who_hurt_give_together_no_more_than_the_neediest_lacks(void **state)
{
	uint64_t taken = 0;

	(void)state;
	for (int i = 0; i < 30; i++)
		add(i % 2 ? 45 * MIB : 20 * MIB, 50 * MIB)->pain_permille = 300;
	add(10 * MIB, 50 * MIB)->pain_permille = 300;
	/* Until they are backed off from. */
	for (int turn = 0; turn < 12; turn++)
		decide(0);
	for (size_t i = 0; i < n; i++)
		taken += acts[i].reclaim;
	assert_true(taken > 0);
	assert_true(taken <= acts[30].target - 10 * MIB);
}

static void best_effort_has_no_target_and_nothing_is_swapped_of_it(void **state)
{
	(void)state;
	struct policy_guest *effort = add(400 * MIB, 0);

	effort->best_effort = true;
	effort->has_balloon = true;
	effort->spare = 100 * MIB;
	add(500 * MIB, 100 * MIB);
	decide(20 * MIB);
	assert_int_equal(acts[0].target, 0);
	assert_int_equal(acts[0].reclaim, 0);
	assert_true(acts[0].write_balloon);
}

static void a_guest_that_has_little_keeps_nothing_from_others(void **state)
{
	(void)state;
	/* It could have 2000 MiB and has 10. */
	add(10 * MIB, 0);
	add(900 * MIB, 500 * MIB)->pain_permille = 100;
	decide(0);
	assert_true(acts[0].target < 20 * MIB);
	assert_true(acts[1].target > 900 * MIB);
}

/* Guests that do what guests do, on a kernel that does what it's told. */
static void live(struct policy_guest *g, struct policy_act *act, uint64_t wants)
{
	if (act->write_low)
		g->low = act->low;
	if (act->write_high)
		g->high = act->high;
	g->resident -= act->reclaim;
	g->swapped += act->reclaim;

	uint64_t grown = least(rest(least(wants, g->high), g->resident), 20 * MIB);

	g->refaulted = least(grown, g->swapped);
	g->swapped -= g->refaulted;
	g->resident += grown;
	g->active = least(wants, g->resident);
	g->pain_permille = g->resident < wants ? 100 : 0;
}

static uint64_t all_resident(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += guests[i].resident;
	return sum;
}

/* At the limit the kernel takes from those above memory.low, in proportion. */
static void kernel_reclaims(void)
{
	uint64_t over = rest(all_resident(), host.capacity);
	uint64_t unprotected = 0;

	for (size_t i = 0; i < n; i++)
		unprotected += rest(guests[i].resident, guests[i].low);
	for (size_t i = 0; over > 0 && i < n; i++) {
		uint64_t part = (uint64_t)((double)over *
					   (double)rest(guests[i].resident, guests[i].low) /
					   (double)(unprotected > 0 ? unprotected : 1));

		part = least(part, guests[i].resident);
		guests[i].resident -= part;
		guests[i].swapped += part;
	}
}

static void two_busy_guests_of_weight_two_to_one_end_at_two_to_one_and_stay_there(void **state)
{
	uint64_t least_seen = UINT64_MAX;
	uint64_t most_seen = 0;

	(void)state;
	add(0, 0)->weight = 200;
	add(0, 0);
	for (int turn = 0; turn < 300; turn++) {
		decide(rest(host.capacity, all_resident()));
		for (size_t i = 0; i < n; i++)
			live(&guests[i], &acts[i], 1500 * MIB);
		kernel_reclaims();
		if (turn < 200)
			continue;
		least_seen = least(least_seen, guests[0].resident);
		most_seen = guests[0].resident > most_seen ? guests[0].resident : most_seen;
	}
	double ratio = (double)guests[0].resident / (double)guests[1].resident;

	assert_true(ratio > 1.8 && ratio < 2.2);
	assert_true(most_seen - least_seen < 60 * MIB);
}

static void the_same_view_gives_the_same_plan(void **state)
{
	struct policy_act first[MAX];

	(void)state;
	chance = 5;
	for (int i = 0; i < 30; i++) {
		struct policy_guest *g = add(below(60) * MIB, below(60) * MIB);

		g->active = g->resident / 2;
		g->pain_permille = below(50);
	}
	decide(10 * MIB);
	memcpy(first, acts, sizeof(first));
	memory = (struct policy_memory){ 0 };
	memset(memories, 0, sizeof(memories));
	host.now_ms -= 1000;
	decide(10 * MIB);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(first[i].target, acts[i].target);
		assert_int_equal(first[i].reclaim, acts[i].reclaim);
	}
}

/* Whatever is seen, also what can't be: nothing below floors, nothing beyond what there is. */
static void no_view_makes_a_plan_that_breaks_a_promise(void **state)
{
	(void)state;
	chance = 3;
	for (int turn = 0; turn < 5000; turn++) {
		n = 0;
		for (int i = (int)below(MAX); i > 0; i--) {
			struct policy_guest *g = add(below(2000) * MIB, below(2000) * MIB);

			g->floor = below(300) * MIB;
			g->ceiling = g->floor + below(2000) * MIB;
			g->active = below(4) ? below(4000) * MIB : POLICY_UNKNOWN;
			g->spare = below(4) ? below(4000) * MIB : POLICY_UNKNOWN;
			g->has_balloon = below(2);
			g->balloon = below(500) * MIB;
			g->best_effort = below(5) == 0;
			g->floor = g->best_effort ? 0 : g->floor;
			g->weight = 1 + below(10000);
			g->pain_permille = below(1000);
			g->refaulted = below(100) * MIB;
			g->high = below(2) ? POLICY_UNKNOWN : below(2000) * MIB;
		}
		settings.tax_percent = below(100);
		decide(below(1000) * MIB);
		for (size_t i = 0; i < n; i++) {
			const struct policy_guest *g = &guests[i];
			uint64_t kept = least(g->floor, g->resident);

			assert_true(acts[i].target <= g->ceiling);
			assert_true(g->resident - acts[i].reclaim >= kept);
			assert_true(!acts[i].write_high || acts[i].high >= g->floor);
			assert_true(acts[i].target >= least(g->floor, g->resident));
			if (acts[i].reason == POLICY_TAKES_BALLOON)
				assert_true(g->resident - acts[i].bytes >= kept);
			assert_true(!acts[i].write_balloon || g->has_balloon);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_wanted_margin_grows_ever_slower_with_ram, new_host),
		cmocka_unit_test_setup(
		    the_margin_is_what_both_the_slice_and_the_host_can_still_give, new_host),
		cmocka_unit_test_setup(
		    the_host_s_state_follows_its_margin_and_is_left_only_a_quarter_above, new_host),
		cmocka_unit_test_setup(
		    a_host_with_margin_takes_nothing_and_looks_again_when_asked_to, new_host),
		cmocka_unit_test_setup(targets_are_protected_but_small_changes_are_not_written,
				       new_host),
		cmocka_unit_test_setup(what_a_guest_never_touched_is_not_the_host_s_to_gain,
				       new_host),
		cmocka_unit_test_setup(nobody_is_taken_below_its_guarantee, new_host),
		cmocka_unit_test_setup(who_is_idle_gives_to_who_is_busy_and_it_is_said_for_whom,
				       new_host),
		cmocka_unit_test_setup(
		    what_is_idle_of_a_target_is_protected_as_far_as_it_is_untaxed, new_host),
		cmocka_unit_test_setup(
		    the_margin_is_restored_though_each_has_only_a_little_too_much, new_host),
		cmocka_unit_test_setup(without_a_tax_idle_memory_is_left_alone, new_host),
		cmocka_unit_test_setup(
		    what_guests_kernels_can_spare_goes_before_what_has_to_be_swapped, new_host),
		cmocka_unit_test_setup(
		    a_balloon_is_let_go_of_when_the_host_has_room_or_its_guest_hurts, new_host),
		cmocka_unit_test_setup(
		    who_hurts_above_its_target_is_taken_less_until_nothing_is_taken, new_host),
		cmocka_unit_test_setup(
		    who_takes_back_what_was_taken_is_spared_though_it_does_not_hurt, new_host),
		cmocka_unit_test_setup(a_balloon_that_hurt_is_left_alone_for_a_minute, new_host),
		cmocka_unit_test_setup(what_best_effort_holds_is_not_divided, new_host),
		cmocka_unit_test_setup(
		    pain_spares_nobody_from_giving_to_who_is_entitled_and_hurts_too, new_host),
		cmocka_unit_test_setup(on_a_host_with_hardly_any_margin_growth_is_braked, new_host),
		cmocka_unit_test_setup(
		    a_brake_is_let_go_of_after_some_seconds_and_not_used_again_at_once, new_host),
		cmocka_unit_test_setup(a_brake_alone_is_told, new_host),
		cmocka_unit_test_setup(who_waits_for_memory_is_throttled_no_more, new_host),
		cmocka_unit_test_setup(all_who_hurt_give_together_no_more_than_the_neediest_lacks,
				       new_host),
		cmocka_unit_test_setup(best_effort_has_no_target_and_nothing_is_swapped_of_it,
				       new_host),
		cmocka_unit_test_setup(a_guest_that_has_little_keeps_nothing_from_others, new_host),
		cmocka_unit_test_setup(
		    two_busy_guests_of_weight_two_to_one_end_at_two_to_one_and_stay_there,
		    new_host),
		cmocka_unit_test_setup(the_same_view_gives_the_same_plan, new_host),
		cmocka_unit_test_setup(no_view_makes_a_plan_that_breaks_a_promise, new_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
