/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps and ranges of pages, against arrays that do the same one page at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "virtio/page_bitmap.h"
#include "virtio/page_ranges.h"

enum { PAGES = 500, LIST = 300 };

static void a_bitmap_does_what_an_array_does(void **state)
{
	struct page_bitmap bitmap;
	bool model[PAGES] = { false };

	(void)state;
	srandom(2);
	assert_int_equal(page_bitmap_init(&bitmap, PAGES, NULL), 0);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned page = (unsigned)random() % PAGES;
		unsigned n = (unsigned)random() % (PAGES - page + 1);
		unsigned what = (unsigned)random() % 3;
		uint64_t changed = 0, sum = 0;
		bool all = true;

		if (random() % 2 && n > 3)
			n = 3;
		for (unsigned i = page; i < page + n; i++) {
			all &= model[i];
			changed += model[i] != (what == 0);
			if (what < 2)
				model[i] = what == 0;
		}
		for (unsigned i = 0; i < PAGES; i++)
			sum += model[i];
		if (what == 0)
			assert_int_equal(page_bitmap_set(&bitmap, page, n), changed);
		else if (what == 1)
			assert_int_equal(page_bitmap_clear(&bitmap, page, n), changed);
		else
			assert_int_equal(page_bitmap_all(&bitmap, page, n), all);
		assert_int_equal(bitmap.count, sum);
	}
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(page_bitmap_all(&bitmap, i, 1), model[i]);
	page_bitmap_free(&bitmap);
}

static void an_emptied_bitmap_is_empty(void **state)
{
	struct page_bitmap bitmap;

	(void)state;
	assert_int_equal(page_bitmap_init(&bitmap, PAGES, NULL), 0);
	page_bitmap_set(&bitmap, 0, PAGES);
	assert_int_equal(bitmap.count, PAGES);
	page_bitmap_clear_all(&bitmap);
	assert_int_equal(bitmap.count, 0);
	for (unsigned i = 0; i < PAGES; i++)
		assert_false(page_bitmap_all(&bitmap, i, 1));
	assert_int_equal(page_bitmap_set(&bitmap, 0, PAGES), PAGES);
	page_bitmap_free(&bitmap);
}

/* A terabyte's bitmap costs what is set in it. */
static void a_large_bitmap_is_free_until_used(void **state)
{
	struct page_bitmap bitmap;

	(void)state;
	assert_int_equal(page_bitmap_init(&bitmap, 1ull << 40, NULL), 0);
	assert_int_equal(page_bitmap_set(&bitmap, (1ull << 40) - 1, 1), 1);
	assert_int_equal(page_bitmap_clear(&bitmap, 1ull << 39, 1), 0);
	page_bitmap_clear_all(&bitmap);
	page_bitmap_free(&bitmap);
}

static void check_ranges(const uint32_t *pages, unsigned n, unsigned ret_runs_max)
{
	bool model[PAGES] = { false }, found[PAGES] = { false };
	page_range ranges[LIST];
	unsigned runs = page_ranges_runs(pages, n, ranges);
	unsigned joined, want = 0;

	assert_in_range(runs, 0, ret_runs_max);
	for (unsigned i = 0; i < n; i++)
		model[pages[i]] = true;
	for (unsigned i = 0; i < PAGES; i++)
		want += model[i] && (i == 0 || !model[i - 1]);
	joined = page_ranges_join(ranges, runs);
	assert_int_equal(joined, want);
	for (unsigned i = 0; i < joined; i++) {
		if (i > 0)
			assert_true(page_range_first(ranges[i]) >
				    page_range_first(ranges[i - 1]) +
					page_range_len(ranges[i - 1]));
		assert_true(page_range_len(ranges[i]) > 0);
		for (unsigned k = 0; k < page_range_len(ranges[i]); k++)
			found[page_range_first(ranges[i]) + k] = true;
	}
	assert_memory_equal(model, found, sizeof(model));
}

static void ranges_are_as_few_as_the_pages_allow(void **state)
{
	uint32_t pages[LIST];

	(void)state;
	srandom(3);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned n = (unsigned)random() % (LIST + 1);
		unsigned width = 1 + (unsigned)random() % PAGES;

		for (unsigned i = 0; i < n; i++) {
			pages[i] = (uint32_t)random() % width;
			/* Some of it runs up or down for a while. */
			if (i > 0 && random() % 4 && pages[i - 1] > 0 && pages[i - 1] < PAGES - 1)
				pages[i] = pages[i - 1] + (round % 2 ? 1 : -1u);
		}
		check_ranges(pages, n, n);
	}
}

static void a_run_either_way_is_found_without_sorting(void **state)
{
	const uint32_t up[] = { 5, 6, 7, 7, 8 }, down[] = { 8, 7, 7, 6, 5 }, same[] = { 3, 3, 3 };
	const uint32_t turns[] = { 5, 6, 7, 6, 5 }, first[] = { 1, 0, 0 };

	(void)state;
	check_ranges(up, 5, 1);
	check_ranges(down, 5, 1);
	check_ranges(same, 3, 1);
	check_ranges(turns, 5, 2);
	check_ranges(first, 3, 1);
	check_ranges(up, 0, 0);
}

/* The largest numbers there are: nothing wraps. */
static void the_last_pages_do_not_meet_the_first(void **state)
{
	const uint32_t pages[] = { UINT32_MAX - 2, UINT32_MAX - 1, 0, 1 };
	page_range ranges[4];
	unsigned n;

	(void)state;
	n = page_ranges_join(ranges, page_ranges_runs(pages, 4, ranges));
	assert_int_equal(n, 2);
	assert_int_equal(ranges[0], page_range_pack(0, 2));
	assert_int_equal(ranges[1], page_range_pack(UINT32_MAX - 2, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bitmap_does_what_an_array_does),
		cmocka_unit_test(an_emptied_bitmap_is_empty),
		cmocka_unit_test(a_large_bitmap_is_free_until_used),
		cmocka_unit_test(ranges_are_as_few_as_the_pages_allow),
		cmocka_unit_test(a_run_either_way_is_found_without_sorting),
		cmocka_unit_test(the_last_pages_do_not_meet_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
