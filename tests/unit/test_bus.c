/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "vm/bus.h"

static uint64_t last_offset;
static unsigned last_len;
static unsigned accesses;

static void note_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	accesses++;
	last_offset = offset;
	last_len = len;
	memset(data, *(uint8_t *)opaque, len);
}

static void note_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	accesses++;
	last_offset = offset;
	last_len = len;
	*(uint8_t *)opaque = data[0];
}

static const struct bus_ops ops = { .read = note_read, .write = note_write };
static const struct bus_ops silent = { 0 };
static uint8_t value;

static int set_up(void **state)
{
	static struct bus bus;

	memset(&bus, 0, sizeof(bus));
	accesses = 0;
	value = 0x5a;
	*state = &bus;
	return bus_add(&bus, 0x3f8, 8, &ops, &value, NULL);
}

static void an_access_reaches_the_range_it_is_in(void **state)
{
	uint8_t data[4] = { 1, 2, 3, 4 };

	bus_write(*state, 0x3fa, data, 2);
	assert_int_equal(last_offset, 2);
	assert_int_equal(last_len, 2);
	assert_int_equal(value, 1);
	bus_read(*state, 0x3f8, data, 4);
	assert_memory_equal(data, "\1\1\1\1", 4);
}

static void what_nothing_answers_reads_ones_and_drops_writes(void **state)
{
	uint8_t data[4] = { 0 };

	assert_int_equal(bus_add(*state, 0x500, 1, &silent, NULL, NULL), 0);
	bus_read(*state, 0x3f7, data, 1);
	assert_int_equal(data[0], 0xff);
	bus_read(*state, 0x500, data, 1);
	assert_int_equal(data[0], 0xff);
	bus_write(*state, 0x400, data, 1);
	bus_write(*state, 0x500, data, 1);
	assert_int_equal(accesses, 0);
}

static void an_access_across_the_end_is_unanswered(void **state)
{
	uint8_t data[8] = { 0 };

	bus_read(*state, 0x3ff, data, 2);
	assert_memory_equal(data, "\xff\xff", 2);
	bus_read(*state, 0x3f7, data, 2);
	bus_write(*state, 0x3fc, data, 8);
	assert_int_equal(accesses, 0);
}

static void overlapping_and_wrapping_ranges_are_refused(void **state)
{
	assert_int_equal(bus_add(*state, 0x3ff, 4, &ops, &value, NULL), -1);
	assert_int_equal(bus_add(*state, 0x3f0, 9, &ops, &value, NULL), -1);
	assert_int_equal(bus_add(*state, UINT64_MAX, 2, &ops, &value, NULL), -1);
	assert_int_equal(bus_add(*state, 0x600, 0, &ops, &value, NULL), -1);
	/* The very last byte is a place like any other. */
	assert_int_equal(bus_add(*state, UINT64_MAX, 1, &ops, &value, NULL), 0);
}

static void a_removed_range_answers_no_more(void **state)
{
	uint8_t data[1];

	bus_remove(*state, 0x3f8);
	bus_remove(*state, 0x1234);
	bus_read(*state, 0x3f8, data, 1);
	assert_int_equal(data[0], 0xff);
	assert_int_equal(accesses, 0);
}

static void a_full_bus_says_so(void **state)
{
	struct bus *bus = *state;

	for (uint64_t i = bus->n_ranges; i < BUS_RANGES_MAX; i++)
		assert_int_equal(bus_add(bus, 0x1000 + i, 1, &ops, &value, NULL), 0);
	assert_int_equal(bus_add(bus, 0x9000, 1, &ops, &value, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_access_reaches_the_range_it_is_in, set_up),
		cmocka_unit_test_setup(what_nothing_answers_reads_ones_and_drops_writes, set_up),
		cmocka_unit_test_setup(an_access_across_the_end_is_unanswered, set_up),
		cmocka_unit_test_setup(overlapping_and_wrapping_ranges_are_refused, set_up),
		cmocka_unit_test_setup(a_removed_range_answers_no_more, set_up),
		cmocka_unit_test_setup(a_full_bus_says_so, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
