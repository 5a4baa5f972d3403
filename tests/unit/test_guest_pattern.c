/* SPDX-License-Identifier: Apache-2.0 */
/* The pattern that guests fill their memory with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "guest/pattern.h"

enum { PAGES = 64, PAGE = 4096, LEN = PAGES * PAGE };

static uint8_t memory[LEN] __attribute__((aligned(8)));

static void what_was_filled_is_right(void **state)
{
	(void)state;
	pattern_fill(memory, 0, LEN, 42);
	assert_int_equal(pattern_check(memory, 0, LEN, 42), LEN);
	assert_int_equal(pattern_check(memory + PAGE, PAGE, LEN - PAGE, 42), LEN - PAGE);
}

static void the_first_wrong_byte_is_told(void **state)
{
	(void)state;
	for (size_t at = 0; at < LEN; at += 4099) {
		pattern_fill(memory, 0, LEN, 1);
		memory[at] ^= 0x80;
		memory[LEN - 1] ^= 1;
		assert_int_equal(pattern_check(memory, 0, LEN, 1), at);
	}
}

static void another_seed_is_wrong_at_once(void **state)
{
	(void)state;
	pattern_fill(memory, 0, LEN, 1);
	assert_true(pattern_check(memory, 0, LEN, 2) < 8);
	assert_true(pattern_check(memory, 0, LEN, 0) < 8);
}

static void pages_that_change_places_are_found(void **state)
{
	uint8_t page[PAGE];

	(void)state;
	pattern_fill(memory, 0, LEN, 1);
	memcpy(page, memory + 3 * PAGE, PAGE);
	memcpy(memory + 3 * PAGE, memory + 7 * PAGE, PAGE);
	memcpy(memory + 7 * PAGE, page, PAGE);

	size_t right = pattern_check(memory, 0, LEN, 1);

	assert_in_range(right, 3 * PAGE, 3 * PAGE + 7);
}

static void no_two_pages_are_the_same(void **state)
{
	(void)state;
	pattern_fill(memory, 0, LEN, 0);
	for (size_t a = 0; a < PAGES; a++) {
		for (size_t b = a + 1; b < PAGES; b++)
			assert_memory_not_equal(memory + a * PAGE, memory + b * PAGE, PAGE);
	}
}

static void no_compressor_makes_it_smaller(void **state)
{
	size_t room = ZSTD_compressBound(LEN);
	uint8_t *packed = malloc(room);

	(void)state;
	assert_non_null(packed);
	pattern_fill(memory, 0, LEN, 0);

	size_t packed_len = ZSTD_compress(packed, room, memory, LEN, 3);

	free(packed);
	assert_false(ZSTD_isError(packed_len));
	assert_true(packed_len > LEN * 99 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_filled_is_right),
		cmocka_unit_test(the_first_wrong_byte_is_told),
		cmocka_unit_test(another_seed_is_wrong_at_once),
		cmocka_unit_test(pages_that_change_places_are_found),
		cmocka_unit_test(no_two_pages_are_the_same),
		cmocka_unit_test(no_compressor_makes_it_smaller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
