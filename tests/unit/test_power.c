/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dev/power.h"

static struct power power;
static struct bus bus;
static unsigned power_offs;
static unsigned resets;

static void record_power_off(void *opaque)
{
	assert_ptr_equal(opaque, &power);
	power_offs++;
}

static void record_reset(void *opaque)
{
	assert_ptr_equal(opaque, &power);
	resets++;
}

static int setup(void **state)
{
	const struct power_host host = {
		.power_off = record_power_off,
		.reset = record_reset,
		.opaque = &power,
	};

	(void)state;
	power_init(&power, &host);
	power_offs = 0;
	resets = 0;
	bus = (struct bus){ 0 };
	return bus_add(&bus, 0x600, POWER_PORTS, &power_bus_ops, &power, NULL);
}

static void out(uint16_t port, uint8_t value)
{
	bus_write(&bus, port, &value, 1);
}

static uint8_t in(uint16_t port)
{
	uint8_t value;

	bus_read(&bus, port, &value, 1);
	return value;
}

/* acpi_hw_extended_sleep(): clear the wake status, then write type and enable. */
static void sleep_type_5_powers_off(void **state)
{
	(void)state;
	out(0x601, 0x80);
	out(0x600, 5 << 2 | 1 << 5);
	assert_int_equal(power_offs, 1);
	assert_int_equal(resets, 0);
	assert_int_equal(in(0x601), 0);
}

static void the_type_alone_does_nothing_and_is_kept(void **state)
{
	(void)state;
	out(0x600, 5 << 2);
	assert_int_equal(power_offs, 0);
	assert_int_equal(in(0x600), 5 << 2);
}

static void other_sleep_types_do_nothing(void **state)
{
	(void)state;
	for (uint8_t type = 0; type < 8; type++) {
		if (type != POWER_SLP_TYP_S5)
			out(0x600, (uint8_t)(type << 2 | 1 << 5));
	}
	assert_int_equal(power_offs, 0);
	/* The enable bit is write-only. */
	assert_int_equal(in(0x600), 7 << 2);
}

static void only_its_value_resets(void **state)
{
	(void)state;
	for (int value = 0; value < 256; value++) {
		if (value != POWER_RESET_VALUE)
			out(0x602, (uint8_t)value);
	}
	assert_int_equal(resets, 0);
	out(0x602, POWER_RESET_VALUE);
	assert_int_equal(resets, 1);
	assert_int_equal(power_offs, 0);
	assert_int_equal(in(0x602), 0);
}

static void wide_accesses_do_nothing(void **state)
{
	const uint8_t both[4] = { 5 << 2 | 1 << 5, 0, POWER_RESET_VALUE, 0 };
	uint8_t data[4] = { 0 };

	(void)state;
	bus_write(&bus, 0x600, both, 2);
	bus_write(&bus, 0x600, both, 3);
	bus_write(&bus, 0x600, both, 4);
	bus_write(&bus, 0x602, both + 2, 2);
	assert_int_equal(power_offs, 0);
	assert_int_equal(resets, 0);
	bus_read(&bus, 0x600, data, 2);
	assert_int_equal(data[0], 0xff);
	bus_read(&bus, 0x602, data, 4);
	assert_int_equal(data[3], 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sleep_type_5_powers_off, setup),
		cmocka_unit_test_setup(the_type_alone_does_nothing_and_is_kept, setup),
		cmocka_unit_test_setup(other_sleep_types_do_nothing, setup),
		cmocka_unit_test_setup(only_its_value_resets, setup),
		cmocka_unit_test_setup(wide_accesses_do_nothing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
