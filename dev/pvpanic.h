/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The panic device: one port on which a guest's kernel says that it panicked.
 *
 * Reading gives the events that the device takes; writing says which happened. The DSDT shows it
 * as QEMU0001, for which Linux has the driver pvpanic-mmio.
 *
 * Source: QEMU docs/specs/pvpanic.rst; Linux uapi/misc/pvpanic.h.
 *
 * Called with the device lock held. It has no state.
 */
#ifndef LODGE_DEV_PVPANIC_H
#define LODGE_DEV_PVPANIC_H

#include "vm/bus.h"

enum {
	PVPANIC_PORTS = 1,
	PVPANIC_PANICKED = 1 << 0,     /* the kernel panicked and won't go on */
	PVPANIC_CRASH_LOADED = 1 << 1, /* it panicked and a crash kernel takes over */
};

/* Called from the guest's write, as often as the guest writes. */
struct pvpanic {
	void (*panicked)(void *opaque);
	void (*crash_loaded)(void *opaque);
	void *opaque;
};

/* The opaque pointer of the range is the struct pvpanic, its length PVPANIC_PORTS. */
extern const struct bus_ops pvpanic_bus_ops;

#endif
