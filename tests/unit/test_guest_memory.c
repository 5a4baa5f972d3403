/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "vm/guest_memory.h"

#define HIGH UINT64_C(0x100000000)

static uint8_t low[0x4000];
static uint8_t high[0x2000];

static struct guest_memory two_regions(void)
{
	struct guest_memory memory = { 0 };

	assert_int_equal(guest_memory_add(&memory, 0, sizeof(low), low, NULL), 0);
	assert_int_equal(guest_memory_add(&memory, HIGH, sizeof(high), high, NULL), 0);
	return memory;
}

static void a_range_within_one_region_is_its_host_memory(void **state)
{
	struct guest_memory memory = two_regions();

	(void)state;
	assert_ptr_equal(guest_memory_range(&memory, 0, sizeof(low)), low);
	assert_ptr_equal(guest_memory_range(&memory, 0x3fff, 1), low + 0x3fff);
	assert_ptr_equal(guest_memory_range(&memory, HIGH + 0x1000, 0x1000), high + 0x1000);
}

static void a_range_that_leaves_its_region_is_nothing(void **state)
{
	struct guest_memory memory = two_regions();

	(void)state;
	assert_null(guest_memory_range(&memory, 0, sizeof(low) + 1));
	assert_null(guest_memory_range(&memory, 0x3fff, 2));
	assert_null(guest_memory_range(&memory, 0x4000, 1));
	assert_null(guest_memory_range(&memory, HIGH - 1, 2));
	assert_null(guest_memory_range(&memory, HIGH + 0x2000, 1));
}

static void a_length_that_wraps_is_nothing(void **state)
{
	struct guest_memory memory = two_regions();

	(void)state;
	assert_null(guest_memory_range(&memory, 0x1000, UINT64_MAX));
	assert_null(guest_memory_range(&memory, 0x1000, UINT64_MAX - 0xfff));
	assert_null(guest_memory_range(&memory, UINT64_MAX, 2));
	assert_null(guest_memory_range(&memory, HIGH + 1, UINT64_MAX - HIGH));
}

static void an_empty_range_is_nothing(void **state)
{
	struct guest_memory memory = two_regions();

	(void)state;
	assert_null(guest_memory_range(&memory, 0, 0));
}

static void overlapping_and_wrapping_regions_are_refused(void **state)
{
	struct guest_memory memory = two_regions();

	(void)state;
	assert_int_equal(guest_memory_add(&memory, 0x3000, 0x2000, low, NULL), -1);
	assert_int_equal(guest_memory_add(&memory, UINT64_MAX - 0xfff, 0x2000, low, NULL), -1);
	assert_int_equal(guest_memory_add(&memory, 0x10000, 0, low, NULL), -1);
	assert_int_equal(memory.n_regions, 2);
}

static void copies_are_whole_or_not_at_all(void **state)
{
	struct guest_memory memory = two_regions();

	(void)state;
	assert_int_equal(guest_memory_write(&memory, 0x10, "hello", 6), 0);
	assert_string_equal((const char *)low + 0x10, "hello");
	assert_int_equal(guest_memory_write(&memory, 0x3ffe, "xxxx", 4), -1);
	assert_int_equal(low[0x3ffe], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_within_one_region_is_its_host_memory),
		cmocka_unit_test(a_range_that_leaves_its_region_is_nothing),
		cmocka_unit_test(a_length_that_wraps_is_nothing),
		cmocka_unit_test(an_empty_range_is_nothing),
		cmocka_unit_test(overlapping_and_wrapping_regions_are_refused),
		cmocka_unit_test(copies_are_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
