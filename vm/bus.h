/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An address space of device registers: the port I/O space or the MMIO space of a guest.
 *
 * Accesses come from a vCPU's exit, one at a time, with the device lock held. A read that nothing
 * answers gives all ones and a write is dropped, as on real machines. An access that isn't wholly
 * inside one range counts as unanswered.
 */
#ifndef LODGE_VM_BUS_H
#define LODGE_VM_BUS_H

#include <stddef.h>
#include <stdint.h>

struct err;

struct bus_ops {
	/* len is 1 to 8 bytes; offset is from the range's base, and offset + len is within it. A
	 * NULL operation reads ones or drops the write. */
	void (*read)(void *opaque, uint64_t offset, uint8_t *data, unsigned len);
	void (*write)(void *opaque, uint64_t offset, const uint8_t *data, unsigned len);
};

struct bus_range {
	uint64_t base;
	uint64_t len;
	const struct bus_ops *ops;
	void *opaque;
};

enum { BUS_RANGES_MAX = 48 };

/* A plain struct: zero it to make an empty bus. */
struct bus {
	struct bus_range ranges[BUS_RANGES_MAX];
	size_t n_ranges;
};

/* ops and opaque stay the caller's, and outlive the range. Overlapping ranges are an error. */
int bus_add(struct bus *bus, uint64_t base, uint64_t len, const struct bus_ops *ops, void *opaque,
	    struct err **err);
/* Removes the range that starts at base; no such range is fine. */
void bus_remove(struct bus *bus, uint64_t base);

void bus_read(struct bus *bus, uint64_t address, uint8_t *data, unsigned len);
void bus_write(struct bus *bus, uint64_t address, const uint8_t *data, unsigned len);

#endif
