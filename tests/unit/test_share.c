/* SPDX-License-Identifier: Apache-2.0 */
/* The division of RAM by weight and use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/sums.h"
#include "govern/share.h"

#define MIB (UINT64_C(1) << 20)

/* Numbers that are the same in every run. */
static uint64_t chance = 1;

static uint64_t below(uint64_t n)
{
	chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (chance >> 33) % n;
}

/* Rounding down costs each guest less than a byte. */
static void assert_near(uint64_t is, uint64_t should, uint64_t within)
{
	assert_in_range(is, rest(should, within), should + within);
}

static void busy_guests_get_memory_by_weight_beyond_their_floors(void **state)
{
	struct share_claim claims[] = {
		{ .floor = 40 * MIB, .ceiling = 1000 * MIB, .active = 1000 * MIB, .weight = 200 },
		{ .floor = 10 * MIB, .ceiling = 1000 * MIB, .active = 1000 * MIB, .weight = 100 },
	};

	(void)state;
	share_divide(claims, 2, 350 * MIB, 75);
	assert_near(claims[0].target, 240 * MIB, 2);
	assert_near(claims[1].target, 110 * MIB, 2);
}

static void without_a_tax_idle_guests_get_as_much_as_busy_ones(void **state)
{
	struct share_claim claims[] = {
		{ .ceiling = 1000 * MIB, .active = 0, .weight = 100 },
		{ .ceiling = 1000 * MIB, .active = 1000 * MIB, .weight = 100 },
	};

	(void)state;
	share_divide(claims, 2, 300 * MIB, 0);
	assert_near(claims[0].target, 150 * MIB, 2);
	assert_near(claims[1].target, 150 * MIB, 2);
}

/* The price of an idle page is k = 1 / (1 - 0.75) = 4 times that of a busy one: 1 to 4. */
static void with_the_tax_an_idle_page_costs_four_busy_ones(void **state)
{
	struct share_claim claims[] = {
		{ .ceiling = 1000 * MIB, .active = 0, .weight = 100 },
		{ .ceiling = 1000 * MIB, .active = 1000 * MIB, .weight = 100 },
	};

	(void)state;
	share_divide(claims, 2, 300 * MIB, 75);
	assert_near(claims[0].target, 60 * MIB, 2);
	assert_near(claims[1].target, 240 * MIB, 2);
}

static void the_tax_spares_what_is_in_use(void **state)
{
	struct share_claim claims[] = {
		{ .ceiling = 1000 * MIB, .active = 80 * MIB, .weight = 100 },
		{ .ceiling = 1000 * MIB, .active = 1000 * MIB, .weight = 100 },
	};

	(void)state;
	/* At a level of 200: 80 and a quarter of the other 120, against 200. */
	share_divide(claims, 2, 310 * MIB, 75);
	assert_near(claims[0].target, 110 * MIB, 2);
	assert_near(claims[1].target, 200 * MIB, 2);
}

static void what_one_has_no_use_for_goes_to_the_others_by_weight(void **state)
{
	struct share_claim claims[] = {
		{ .ceiling = 30 * MIB, .active = 30 * MIB, .weight = 10000 },
		{ .ceiling = 1000 * MIB, .active = 1000 * MIB, .weight = 300 },
		{ .ceiling = 1000 * MIB, .active = 1000 * MIB, .weight = 100 },
	};

	(void)state;
	share_divide(claims, 3, 430 * MIB, 75);
	assert_near(claims[0].target, 30 * MIB, 2);
	assert_near(claims[1].target, 300 * MIB, 2);
	assert_near(claims[2].target, 100 * MIB, 2);
}

static void floors_are_kept_even_beyond_the_capacity(void **state)
{
	struct share_claim claims[] = {
		{ .floor = 100 * MIB, .ceiling = 200 * MIB, .active = 0, .weight = 1 },
		{ .floor = 50 * MIB, .ceiling = 200 * MIB, .active = 200 * MIB, .weight = 10000 },
	};

	(void)state;
	share_divide(claims, 2, 120 * MIB, 99);
	assert_int_equal(claims[0].target, 100 * MIB);
	assert_int_equal(claims[1].target, 50 * MIB);
}

static void a_guest_of_no_weight_has_its_floor_and_nobody_else_is_none(void **state)
{
	struct share_claim claims[] = {
		{ .floor = 7 * MIB, .ceiling = 200 * MIB, .active = 200 * MIB, .weight = 0 },
	};

	(void)state;
	share_divide(claims, 1, 120 * MIB, 75);
	assert_int_equal(claims[0].target, 7 * MIB);
	share_divide(NULL, 0, 120 * MIB, 75);
}

/* What min-funding revocation comes to: nobody who could give pays less than one who could take. */
static double price(const struct share_claim *c, double untaxed)
{
	double has = (double)(c->target - c->floor);
	double active = (double)least(rest(c->active, c->floor), c->target - c->floor);

	return has == 0 ? 1e300 : c->weight / (active + (has - active) / untaxed);
}

static void any_guests_share_all_there_is_at_one_price(void **state)
{
	enum { N = 40, TURNS = 3000 };
	struct share_claim claims[N];

	(void)state;
	for (int turn = 0; turn < TURNS; turn++) {
		size_t n = 1 + below(N);
		unsigned tax = below(100);
		uint64_t floors = 0;
		uint64_t ceilings = 0;
		uint64_t sum = 0;

		for (size_t i = 0; i < n; i++) {
			claims[i] = (struct share_claim){
				.floor = below(64) * MIB,
				.active = below(256) * MIB,
				.weight = 1 + below(10000),
			};
			claims[i].ceiling = claims[i].floor + below(512) * MIB;
			floors += claims[i].floor;
			ceilings += claims[i].ceiling;
		}

		uint64_t capacity = below(n * 400) * MIB;
		uint64_t shared = floors > capacity ? floors : least(capacity, ceilings);
		double dearest_taker = 0;
		double cheapest_giver = 1e300;

		share_divide(claims, n, capacity, tax);
		for (size_t i = 0; i < n; i++) {
			double p = price(&claims[i], (100 - tax) / 100.0);

			assert_in_range(claims[i].target, claims[i].floor, claims[i].ceiling);
			sum += claims[i].target;
			if (claims[i].target + MIB < claims[i].ceiling && p < 1e300 &&
			    p > dearest_taker)
				dearest_taker = p;
			if (claims[i].target > claims[i].floor + MIB && p < cheapest_giver)
				cheapest_giver = p;
		}
		assert_near(sum, shared, 2 * n);
		/* At a corner of the price, where active memory ends, the two may differ by it. */
		if (floors < capacity && capacity < ceilings && tax == 0)
			assert_true(dearest_taker <= cheapest_giver * 1.1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_guests_get_memory_by_weight_beyond_their_floors),
		cmocka_unit_test(without_a_tax_idle_guests_get_as_much_as_busy_ones),
		cmocka_unit_test(with_the_tax_an_idle_page_costs_four_busy_ones),
		cmocka_unit_test(the_tax_spares_what_is_in_use),
		cmocka_unit_test(what_one_has_no_use_for_goes_to_the_others_by_weight),
		cmocka_unit_test(floors_are_kept_even_beyond_the_capacity),
		cmocka_unit_test(a_guest_of_no_weight_has_its_floor_and_nobody_else_is_none),
		cmocka_unit_test(any_guests_share_all_there_is_at_one_price),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
