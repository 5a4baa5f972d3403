/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock: see rtc.h. */
#include "dev/rtc.h"

#include <stdbool.h>

enum {
	SECONDS = 0x00,
	MINUTES = 0x02,
	HOURS = 0x04,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	CENTURY = 0x32,
};

enum {
	A_UIP = 0x80,
	A_DIVIDER = 0x70,
	A_DIVIDER_RESET = 0x60, /* 110 and 111: the divider stands still */
	A_DEFAULT = 0x26,	/* 32.768 kHz, 1024 Hz */
	B_SET = 0x80,
	B_BINARY = 0x04,
	B_24H = 0x02,
	D_VALID = 0x80, /* the battery is good */
	HOUR_PM = 0x80,
};

static time_t host_time(void *opaque)
{
	(void)opaque;
	return time(NULL);
}

static bool is_time(uint8_t index)
{
	switch (index) {
	case SECONDS:
	case MINUTES:
	case HOURS:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
		return true;
	default:
		return false;
	}
}

/* The guest holds the clock: it stands still and the time bytes are memory. */
static bool held(const struct rtc_state *s)
{
	return s->bytes[REG_B] & B_SET || (s->bytes[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static uint8_t encode(const struct rtc_state *s, int value)
{
	if (s->bytes[REG_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 << 4 | value % 10);
}

/* What a guest wrote may be no BCD at all; whatever comes out is at most 165. */
static int decode(const struct rtc_state *s, uint8_t value)
{
	if (s->bytes[REG_B] & B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 0x0f);
}

static uint8_t encode_hour(const struct rtc_state *s, int hour)
{
	if (s->bytes[REG_B] & B_24H)
		return encode(s, hour);
	return encode(s, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int decode_hour(const struct rtc_state *s, uint8_t value)
{
	if (s->bytes[REG_B] & B_24H)
		return decode(s, value);
	return decode(s, value & ~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* Years that two digits of a century can show. */
static bool fits_calendar(const struct tm *tm)
{
	return tm->tm_year >= -1900 && tm->tm_year < 10000 - 1900;
}

/* Puts the running time into the time bytes. */
static void load_time(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;
	time_t now = rtc->host.now(rtc->host.opaque) + (time_t)s->offset;
	struct tm tm;

	if (!gmtime_r(&now, &tm) || !fits_calendar(&tm))
		return;

	int year = tm.tm_year + 1900;

	s->bytes[SECONDS] = encode(s, tm.tm_sec);
	s->bytes[MINUTES] = encode(s, tm.tm_min);
	s->bytes[HOURS] = encode_hour(s, tm.tm_hour);
	s->bytes[WEEKDAY] = encode(s, tm.tm_wday + 1);
	s->bytes[DAY] = encode(s, tm.tm_mday);
	s->bytes[MONTH] = encode(s, tm.tm_mon + 1);
	s->bytes[YEAR] = encode(s, year % 100);
	s->bytes[CENTURY] = encode(s, year / 100);
}

/* Makes the time bytes the running time. A date that doesn't exist becomes one that does: the
 * 31st of February is in March, as timegm() counts. The day of the week follows the date. */
static void store_time(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;
	struct tm tm = {
		.tm_sec = decode(s, s->bytes[SECONDS]),
		.tm_min = decode(s, s->bytes[MINUTES]),
		.tm_hour = decode_hour(s, s->bytes[HOURS]),
		.tm_mday = decode(s, s->bytes[DAY]),
		.tm_mon = decode(s, s->bytes[MONTH]) - 1,
		.tm_year = decode(s, s->bytes[CENTURY]) * 100 + decode(s, s->bytes[YEAR]) - 1900,
	};

	s->offset = (int64_t)timegm(&tm) - (int64_t)rtc->host.now(rtc->host.opaque);
}

static uint8_t read_byte(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;

	if (is_time(s->index) && !held(s))
		load_time(rtc);
	return s->bytes[s->index];
}

/* Register A or B: they decide whether the clock runs and how it's written. */
static void write_control(struct rtc *rtc, uint8_t value)
{
	struct rtc_state *s = &rtc->state;
	bool was_held = held(s);

	if (!was_held)
		load_time(rtc);
	s->bytes[s->index] = value;
	if (was_held && !held(s))
		store_time(rtc);
}

static void write_byte(struct rtc *rtc, uint8_t value)
{
	struct rtc_state *s = &rtc->state;

	switch (s->index) {
	case REG_A:
		write_control(rtc, value & ~A_UIP);
		return;
	case REG_B:
		write_control(rtc, value);
		return;
	case REG_C:
	case REG_D: /* read-only */
		return;
	default:
		break;
	}
	if (!is_time(s->index) || held(s)) {
		s->bytes[s->index] = value;
		return;
	}
	load_time(rtc);
	s->bytes[s->index] = value;
	store_time(rtc);
}

static void rtc_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		if (offset + i == 1)
			data[i] = read_byte(opaque);
	}
}

static void rtc_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	struct rtc *rtc = opaque;

	for (unsigned i = 0; i < len; i++) {
		if (offset + i == 0)
			rtc->state.index = data[i] % RTC_BYTES;
		else
			write_byte(rtc, data[i]);
	}
}

const struct bus_ops rtc_bus_ops = {
	.read = rtc_read,
	.write = rtc_write,
};

void rtc_init(struct rtc *rtc, const struct rtc_host *host)
{
	*rtc = (struct rtc){ .host = *host };
	if (!rtc->host.now)
		rtc->host.now = host_time;
	rtc->state.bytes[REG_A] = A_DEFAULT;
	rtc->state.bytes[REG_B] = B_24H;
	rtc->state.bytes[REG_D] = D_VALID;
	load_time(rtc);
}
