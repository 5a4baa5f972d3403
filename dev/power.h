/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power-off and reset as the guest asks for them: the sleep control and status registers of
 * hardware-reduced ACPI, and the reset register.
 *
 *   offset 0  sleep control: bits 4:2 SLP_TYPx, bit 5 SLP_EN (reads 0). The DSDT's \_S5 says 5.
 *   offset 1  sleep status: bit 7 WAK_STS, which is never set
 *   offset 2  reset: the value 1 resets
 *
 * Source: ACPI 6.5, 4.8.3.6 (reset register) and 4.8.3.7 (sleep registers).
 *
 * Called with the device lock held.
 */
#ifndef LODGE_DEV_POWER_H
#define LODGE_DEV_POWER_H

#include <stdint.h>

#include "vm/bus.h"

enum { POWER_PORTS = 3, POWER_SLP_TYP_S5 = 5, POWER_RESET_VALUE = 1 };

/* What the guest has set: to save the device is to write this. */
struct power_state {
	uint8_t sleep_type; /* SLP_TYPx as last written */
};

/* Both are called from the guest's write and may come again before the guest stops. */
struct power_host {
	void (*power_off)(void *opaque);
	void (*reset)(void *opaque);
	void *opaque;
};

struct power {
	struct power_state state;
	struct power_host host;
};

/* host is copied. */
void power_init(struct power *power, const struct power_host *host);

/* The opaque pointer of the range is the struct power, its length POWER_PORTS. The registers are a
 * byte each: a wider read gives ones and a wider write is dropped. */
extern const struct bus_ops power_bus_ops;

#endif
