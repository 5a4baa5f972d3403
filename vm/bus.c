/* SPDX-License-Identifier: Apache-2.0 */
/* An address space of device registers: see bus.h. */
#include "vm/bus.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"

int bus_add(struct bus *bus, uint64_t base, uint64_t len, const struct bus_ops *ops, void *opaque,
	    struct err **err)
{
	uint64_t last;

	if (len == 0 || __builtin_add_overflow(base, len - 1, &last))
		return err_set(err, ERR_FAILED, 0, "bus: bad range at 0x%" PRIx64, base);
	if (bus->n_ranges == BUS_RANGES_MAX)
		return err_set(err, ERR_FAILED, 0, "bus: too many ranges");
	for (size_t i = 0; i < bus->n_ranges; i++) {
		const struct bus_range *r = &bus->ranges[i];

		if (base <= r->base + (r->len - 1) && r->base <= last)
			return err_set(err, ERR_FAILED, 0,
				       "bus: 0x%" PRIx64 " overlaps the range at 0x%" PRIx64, base,
				       r->base);
	}
	bus->ranges[bus->n_ranges++] = (struct bus_range){
		.base = base, .len = len, .ops = ops, .opaque = opaque
	};
	return 0;
}

void bus_remove(struct bus *bus, uint64_t base)
{
	for (size_t i = 0; i < bus->n_ranges; i++) {
		if (bus->ranges[i].base == base) {
			bus->ranges[i] = bus->ranges[--bus->n_ranges];
			return;
		}
	}
}

static const struct bus_range *bus_find(const struct bus *bus, uint64_t address, unsigned len)
{
	for (size_t i = 0; i < bus->n_ranges; i++) {
		const struct bus_range *r = &bus->ranges[i];

		if (address >= r->base && address - r->base < r->len &&
		    len <= r->len - (address - r->base))
			return r;
	}
	return NULL;
}

void bus_read(struct bus *bus, uint64_t address, uint8_t *data, unsigned len)
{
	const struct bus_range *r = bus_find(bus, address, len);

	memset(data, 0xff, len);
	if (r && r->ops->read)
		r->ops->read(r->opaque, address - r->base, data, len);
}

void bus_write(struct bus *bus, uint64_t address, const uint8_t *data, unsigned len)
{
	const struct bus_range *r = bus_find(bus, address, len);

	if (r && r->ops->write)
		r->ops->write(r->opaque, address - r->base, data, len);
}
