/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dev/pvpanic.h"

static struct pvpanic pvpanic;
static struct bus bus;
static unsigned panics;
static unsigned crashes;

static void record_panicked(void *opaque)
{
	assert_ptr_equal(opaque, &pvpanic);
	panics++;
}

static void record_crash_loaded(void *opaque)
{
	assert_ptr_equal(opaque, &pvpanic);
	crashes++;
}

static int setup(void **state)
{
	(void)state;
	pvpanic = (struct pvpanic){
		.panicked = record_panicked,
		.crash_loaded = record_crash_loaded,
		.opaque = &pvpanic,
	};
	panics = 0;
	crashes = 0;
	bus = (struct bus){ 0 };
	return bus_add(&bus, 0x505, PVPANIC_PORTS, &pvpanic_bus_ops, &pvpanic, NULL);
}

static void out(uint8_t value)
{
	bus_write(&bus, 0x505, &value, 1);
}

static void the_driver_learns_both_events(void **state)
{
	uint8_t events = 0;

	(void)state;
	bus_read(&bus, 0x505, &events, 1);
	assert_int_equal(events, PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
	assert_int_equal(panics + crashes, 0);
}

static void each_event_is_told_apart(void **state)
{
	(void)state;
	out(PVPANIC_PANICKED);
	assert_int_equal(panics, 1);
	assert_int_equal(crashes, 0);
	out(PVPANIC_CRASH_LOADED);
	assert_int_equal(panics, 1);
	assert_int_equal(crashes, 1);
	out(PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
	assert_int_equal(panics, 2);
	assert_int_equal(crashes, 2);
}

static void unknown_events_do_nothing(void **state)
{
	(void)state;
	out(0);
	out(0xfc);
	assert_int_equal(panics + crashes, 0);
}

static void wide_accesses_do_nothing(void **state)
{
	const uint8_t data[8] = { PVPANIC_PANICKED };
	uint8_t read[2] = { 0, 0 };

	(void)state;
	bus_write(&bus, 0x505, data, 2);
	bus_write(&bus, 0x505, data, 4);
	bus_write(&bus, 0x504, data, 2);
	assert_int_equal(panics + crashes, 0);
	bus_read(&bus, 0x505, read, 2);
	assert_int_equal(read[0], 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_driver_learns_both_events, setup),
		cmocka_unit_test_setup(each_event_is_told_apart, setup),
		cmocka_unit_test_setup(unknown_events_do_nothing, setup),
		cmocka_unit_test_setup(wide_accesses_do_nothing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
