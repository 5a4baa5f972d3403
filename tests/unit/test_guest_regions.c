/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that a guest's orders took, with its pattern. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/pattern.h"
#include "guest/regions.h"

/* Three whole blocks and a page. */
enum { PAGE = 4096, LEN = 3 * REGION_BLOCK + PAGE, SEED = 42 };

static struct regions regions;

static struct region *filled(void)
{
	regions_clear(&regions);

	struct region *region = regions_add(&regions, LEN - 1, true);

	assert_non_null(region);
	region_fill(region, SEED);
	return region;
}

static void the_first_generation_is_the_plain_pattern(void **state)
{
	(void)state;

	const struct region *region = filled();

	assert_int_equal(region->len, LEN);
	assert_int_equal(pattern_check(region->base, 0, LEN, SEED), LEN);
}

static void two_regions_make_one_pattern(void **state)
{
	(void)state;
	filled();

	struct region *second = regions_add(&regions, PAGE, true);

	assert_non_null(second);
	assert_int_equal(second->offset, LEN);
	region_fill(second, SEED);
	assert_int_equal(pattern_check(second->base, LEN, PAGE, SEED), PAGE);
	assert_int_equal(regions.filled, LEN + PAGE);
}

static void what_was_renewed_is_right_and_its_old_contents_are_wrong(void **state)
{
	static uint8_t old[REGION_BLOCK];
	uint64_t wrong = 0;

	(void)state;

	struct region *region = filled();

	memcpy(old, region->base + REGION_BLOCK, REGION_BLOCK);
	region_renew(region, 1, 1, SEED);
	assert_true(region_check(region, 0, region_blocks(region), SEED, &wrong));
	memcpy(region->base + REGION_BLOCK, old, REGION_BLOCK);
	assert_false(region_check(region, 0, region_blocks(region), SEED, &wrong));
	assert_in_range(wrong, REGION_BLOCK, REGION_BLOCK + 7);
}

static void a_shorter_last_block_counts_to_its_end(void **state)
{
	uint64_t wrong = 0;

	(void)state;

	struct region *region = filled();

	assert_int_equal(region_blocks(region), 4);
	region_renew(region, 2, 2, SEED);
	assert_true(region_check(region, 2, 2, SEED, &wrong));
	region->base[LEN - 1] ^= 1;
	assert_false(region_check(region, 0, 4, SEED, &wrong));
	assert_int_equal(wrong, LEN - 1);
}

static void what_was_dropped_is_zero_and_the_rest_is_as_it_was(void **state)
{
	uint64_t wrong = 0;

	(void)state;

	struct region *region = filled();

	assert_false(region_is_zero(region, 1, 1, &wrong));
	assert_int_equal(wrong, REGION_BLOCK);
	region_drop(region, 1, 1);
	assert_true(region_is_zero(region, 1, 1, &wrong));
	assert_true(region_check(region, 0, 1, SEED, &wrong));
	assert_true(region_check(region, 2, 2, SEED, &wrong));
	region->base[2 * REGION_BLOCK - 1] = 1;
	assert_false(region_is_zero(region, 1, 1, &wrong));
	assert_int_equal(wrong, 2 * REGION_BLOCK - 8);
}

static void filling_again_starts_from_the_first_generation(void **state)
{
	(void)state;

	struct region *region = filled();

	region_renew(region, 0, 4, SEED);
	region_fill(region, SEED + 1);
	assert_int_equal(pattern_check(region->base, 0, LEN, SEED + 1), LEN);
}

static void touching_changes_nothing(void **state)
{
	uint64_t wrong = 0;

	(void)state;

	struct region *region = filled();

	for (size_t page = 0; page < region_pages(region); page++)
		region_touch(region, page);
	assert_int_equal(region_pages(region), LEN / PAGE);
	assert_true(region_check(region, 0, 4, SEED, &wrong));
}

static void one_region_too_many_is_refused(void **state)
{
	(void)state;
	regions_clear(&regions);
	for (int i = 0; i < REGIONS_MAX; i++)
		assert_non_null(regions_add(&regions, PAGE, i % 2));
	errno = 0;
	assert_null(regions_add(&regions, PAGE, true));
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(regions.filled, REGIONS_MAX / 2 * PAGE);
	assert_int_equal(regions_clear(&regions), REGIONS_MAX * PAGE);
	assert_int_equal(regions.filled, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_generation_is_the_plain_pattern),
		cmocka_unit_test(two_regions_make_one_pattern),
		cmocka_unit_test(what_was_renewed_is_right_and_its_old_contents_are_wrong),
		cmocka_unit_test(a_shorter_last_block_counts_to_its_end),
		cmocka_unit_test(what_was_dropped_is_zero_and_the_rest_is_as_it_was),
		cmocka_unit_test(filling_again_starts_from_the_first_generation),
		cmocka_unit_test(touching_changes_nothing),
		cmocka_unit_test(one_region_too_many_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
