/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real-time clock: an MC146818 with 128 bytes, behind an index port and a data port.
 *
 *   offset 0  index of a byte, 0 to 127 (bit 7, which masks NMIs on a PC, is dropped); reads ones
 *   offset 1  that byte
 *
 *   0x00 seconds  0x02 minutes  0x04 hours  0x06 day of week  0x07 day  0x08 month  0x09 year
 *   0x32 century  0x01, 0x03, 0x05 alarm    0x0A to 0x0D registers A to D    the rest: kept bytes
 *
 * The clock shows the host's time in UTC. A guest that sets it moves the difference to the host's
 * time, which is all that's stored of it. While the guest holds the clock (SET in register B, or
 * the divider in reset in register A) the time bytes are plain memory, and what they say when it
 * lets go is the new time. An update is never in progress (UIP reads 0): a read takes the time at
 * that moment.
 *
 * Not there: the alarm, the periodic and the update interrupt. Their enable bits are kept, and
 * register C always reads 0.
 *
 * Source: Motorola MC146818A; the century at 0x32 is what the FADT says.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_DEV_RTC_H
#define LODGE_DEV_RTC_H

#include <stdint.h>
#include <time.h>

#include "vm/bus.h"

enum { RTC_PORTS = 2, RTC_BYTES = 128 };

/* What the guest has set: to save the device is to write this. It outlives a guest's reset as a
 * battery-backed clock does, if the machine copies it over. */
struct rtc_state {
	uint8_t index;
	uint8_t bytes[RTC_BYTES];
	int64_t offset; /* seconds that the guest's clock is ahead of the host's */
};

struct rtc_host {
	/* The time in seconds since 1970, UTC. NULL for CLOCK_REALTIME. */
	time_t (*now)(void *opaque);
	void *opaque;
};

struct rtc {
	struct rtc_state state;
	struct rtc_host host;
};

/* The clock on the host's time. host is copied. */
void rtc_init(struct rtc *rtc, const struct rtc_host *host);

/* The opaque pointer of the range is the struct rtc, its length RTC_PORTS. An access of two bytes
 * is one access to each port in turn. */
extern const struct bus_ops rtc_bus_ops;

#endif
