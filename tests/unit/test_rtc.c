/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock, driven as Linux's mc146818 code drives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dev/rtc.h"

enum { REG_A = 0x0a, REG_B = 0x0b, REG_C = 0x0c, REG_D = 0x0d, CENTURY = 0x32 };
enum { B_SET = 0x80, B_BINARY = 0x04, B_24H = 0x02 };

/* 2026-11-22 15:20:07 UTC, a Sunday. */
enum { SUNDAY_AFTERNOON = 1795360807 };

static struct rtc rtc;
static struct bus bus;
static time_t host_clock;

static time_t fake_now(void *opaque)
{
	assert_ptr_equal(opaque, &host_clock);
	return host_clock;
}

static int setup(void **state)
{
	const struct rtc_host host = { .now = fake_now, .opaque = &host_clock };

	(void)state;
	host_clock = SUNDAY_AFTERNOON;
	rtc_init(&rtc, &host);
	bus = (struct bus){ 0 };
	return bus_add(&bus, 0x70, RTC_PORTS, &rtc_bus_ops, &rtc, NULL);
}

static uint8_t cmos_read(uint8_t index)
{
	uint8_t value;

	bus_write(&bus, 0x70, &index, 1);
	bus_read(&bus, 0x71, &value, 1);
	return value;
}

static void cmos_write(uint8_t index, uint8_t value)
{
	bus_write(&bus, 0x70, &index, 1);
	bus_write(&bus, 0x71, &value, 1);
}

/* The time as bytes: century, year, month, day, weekday, hour, minute, second. */
static void assert_time(const uint8_t expected[8])
{
	static const uint8_t indexes[8] = { CENTURY, 9, 8, 7, 6, 4, 2, 0 };

	for (int i = 0; i < 8; i++)
		assert_int_equal(cmos_read(indexes[i]), expected[i]);
}

#define ASSERT_TIME(...) assert_time((const uint8_t[8]){ __VA_ARGS__ })

static void linux_finds_a_clock_that_runs_in_bcd_and_24_hours(void **state)
{
	(void)state;
	assert_int_equal(cmos_read(REG_A) & 0x80, 0);
	assert_int_equal(cmos_read(REG_A) & 0x70, 0x20);
	assert_int_equal(cmos_read(REG_B), B_24H);
	assert_int_equal(cmos_read(REG_C), 0);
	assert_int_equal(cmos_read(REG_D), 0x80);
	ASSERT_TIME(0x20, 0x26, 0x11, 0x22, 1, 0x15, 0x20, 0x07);
	host_clock += 53;
	ASSERT_TIME(0x20, 0x26, 0x11, 0x22, 1, 0x15, 0x21, 0x00);
}

static void the_time_can_be_read_in_binary(void **state)
{
	(void)state;
	cmos_write(REG_B, B_24H | B_BINARY);
	ASSERT_TIME(20, 26, 11, 22, 1, 15, 20, 7);
	cmos_write(4, 19);
	ASSERT_TIME(20, 26, 11, 22, 1, 19, 20, 7);
}

static void twelve_hours_have_a_noon_and_a_midnight(void **state)
{
	static const struct {
		int hour;
		uint8_t shown;
	} rows[] = { { 0, 0x12 },  { 1, 0x01 },	 { 11, 0x11 },
		     { 12, 0x92 }, { 13, 0x81 }, { 23, 0x91 } };

	(void)state;
	cmos_write(REG_B, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		host_clock = SUNDAY_AFTERNOON + (rows[i].hour - 15) * 3600;
		assert_int_equal(cmos_read(4), rows[i].shown);
	}
	/* And back. */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cmos_write(REG_B, 0);
		cmos_write(4, rows[i].shown);
		cmos_write(REG_B, B_24H | B_BINARY);
		assert_int_equal(cmos_read(4), rows[i].hour);
	}
}

/* mc146818_set_time(): SET, divider reset, the bytes, then both back. */
static void a_time_that_is_set_runs_on_from_there(void **state)
{
	uint8_t control, select;

	(void)state;
	control = cmos_read(REG_B);
	cmos_write(REG_B, control | B_SET);
	select = cmos_read(REG_A);
	cmos_write(REG_A, select | 0x70);
	cmos_write(9, 0x99);
	cmos_write(8, 0x12);
	cmos_write(7, 0x31);
	cmos_write(4, 0x23);
	cmos_write(2, 0x59);
	cmos_write(0, 0x58);
	cmos_write(CENTURY, 0x19);
	host_clock += 100;
	assert_int_equal(cmos_read(0), 0x58);
	cmos_write(REG_B, control);
	assert_int_equal(cmos_read(0), 0x58);
	cmos_write(REG_A, select);
	ASSERT_TIME(0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x58);
	host_clock += 2;
	ASSERT_TIME(0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00);
}

static void a_held_clock_shows_when_it_was_held(void **state)
{
	static const struct {
		uint8_t index, hold, release;
	} rows[] = { { REG_B, B_SET | B_24H, B_24H }, { REG_A, 0x66, 0x26 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup(NULL);
		host_clock += 10;
		cmos_write(rows[i].index, rows[i].hold);
		host_clock += 10;
		assert_int_equal(cmos_read(0), 0x17);
		cmos_write(rows[i].index, rows[i].release);
		host_clock += 1;
		assert_int_equal(cmos_read(0), 0x18);
	}
}

static void a_year_that_four_digits_cannot_show_stays_as_it_was_written(void **state)
{
	(void)state;
	cmos_write(REG_B, B_SET | B_24H);
	cmos_write(CENTURY, 0xff);
	cmos_write(9, 0xff);
	cmos_write(REG_B, B_24H);
	assert_int_equal(cmos_read(CENTURY), 0xff);
	assert_int_equal(cmos_read(9), 0xff);
}

static void a_byte_set_in_a_running_clock_counts_at_once(void **state)
{
	(void)state;
	cmos_write(4, 0x16);
	ASSERT_TIME(0x20, 0x26, 0x11, 0x22, 1, 0x16, 0x20, 0x07);
	cmos_write(6, 0x05);
	assert_int_equal(cmos_read(6), 1);
}

static void a_date_that_does_not_exist_becomes_one_that_does(void **state)
{
	(void)state;
	cmos_write(REG_B, B_24H | B_SET);
	cmos_write(8, 0x02);
	cmos_write(7, 0x31);
	cmos_write(REG_B, B_24H);
	ASSERT_TIME(0x20, 0x26, 0x03, 0x03, 3, 0x15, 0x20, 0x07);
}

static void bytes_that_are_no_bcd_break_nothing(void **state)
{
	(void)state;
	for (int fill = 0; fill < 256; fill++) {
		cmos_write(REG_B, B_SET | (fill & 6));
		for (uint8_t index = 0; index < 10; index++)
			cmos_write(index, (uint8_t)fill);
		cmos_write(CENTURY, (uint8_t)fill);
		cmos_write(REG_B, fill & 6);
		for (uint8_t index = 0; index < 10; index++)
			cmos_read(index);
		cmos_read(CENTURY);
	}
	/* The guest can still set it right. */
	cmos_write(REG_B, B_SET | B_24H);
	cmos_write(CENTURY, 0x20);
	cmos_write(9, 0x26);
	cmos_write(8, 0x01);
	cmos_write(7, 0x02);
	cmos_write(4, 0x03);
	cmos_write(2, 0x04);
	cmos_write(0, 0x05);
	cmos_write(REG_B, B_24H);
	ASSERT_TIME(0x20, 0x26, 0x01, 0x02, 6, 0x03, 0x04, 0x05);
}

static void the_status_registers_say_what_the_chip_can_do(void **state)
{
	(void)state;
	cmos_write(REG_A, 0xa6);
	assert_int_equal(cmos_read(REG_A), 0x26);
	cmos_write(REG_B, 0x72);
	assert_int_equal(cmos_read(REG_B), 0x72);
	cmos_write(REG_C, 0xff);
	assert_int_equal(cmos_read(REG_C), 0);
	cmos_write(REG_D, 0);
	assert_int_equal(cmos_read(REG_D), 0x80);
}

static void the_other_bytes_are_memory(void **state)
{
	(void)state;
	for (int i = 0x0e; i < RTC_BYTES; i++) {
		if (i != CENTURY)
			cmos_write((uint8_t)i, (uint8_t)~i);
	}
	for (int i = 0x0e; i < RTC_BYTES; i++) {
		if (i != CENTURY)
			assert_int_equal(cmos_read((uint8_t)i), (uint8_t)~i);
	}
	/* Bit 7 of the index masks NMIs and is no part of it. */
	assert_int_equal(cmos_read(0x80 | 0x40), (uint8_t)~0x40);
}

static void the_index_reads_ones_and_wide_accesses_go_port_by_port(void **state)
{
	const uint8_t write[2] = { 0x40, 0x77 };
	uint8_t both[2];
	uint8_t beyond[4];

	(void)state;
	bus_write(&bus, 0x70, write, 2);
	bus_read(&bus, 0x70, both, 2);
	assert_int_equal(both[0], 0xff);
	assert_int_equal(both[1], 0x77);
	bus_read(&bus, 0x71, beyond, 4);
	assert_int_equal(beyond[0], 0xff);
}

static void a_saved_clock_goes_on_in_another(void **state)
{
	struct rtc_state saved;

	(void)state;
	cmos_write(4, 0x05);
	cmos_write(0x40, 0x99);
	saved = rtc.state;
	setup(NULL);
	rtc.state = saved;
	host_clock += 60;
	ASSERT_TIME(0x20, 0x26, 0x11, 0x22, 1, 0x05, 0x21, 0x07);
	assert_int_equal(cmos_read(0x40), 0x99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(linux_finds_a_clock_that_runs_in_bcd_and_24_hours, setup),
		cmocka_unit_test_setup(the_time_can_be_read_in_binary, setup),
		cmocka_unit_test_setup(twelve_hours_have_a_noon_and_a_midnight, setup),
		cmocka_unit_test_setup(a_time_that_is_set_runs_on_from_there, setup),
		cmocka_unit_test_setup(a_held_clock_shows_when_it_was_held, setup),
		cmocka_unit_test_setup(a_year_that_four_digits_cannot_show_stays_as_it_was_written,
				       setup),
		cmocka_unit_test_setup(a_byte_set_in_a_running_clock_counts_at_once, setup),
		cmocka_unit_test_setup(a_date_that_does_not_exist_becomes_one_that_does, setup),
		cmocka_unit_test_setup(bytes_that_are_no_bcd_break_nothing, setup),
		cmocka_unit_test_setup(the_status_registers_say_what_the_chip_can_do, setup),
		cmocka_unit_test_setup(the_other_bytes_are_memory, setup),
		cmocka_unit_test_setup(the_index_reads_ones_and_wide_accesses_go_port_by_port,
				       setup),
		cmocka_unit_test_setup(a_saved_clock_goes_on_in_another, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
