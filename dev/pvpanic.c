/* SPDX-License-Identifier: Apache-2.0 */
/* The panic device: see pvpanic.h. */
#include "dev/pvpanic.h"

/* The bus hands over only accesses that are wholly inside the range: one byte. */
static void pvpanic_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	(void)opaque;
	(void)offset;
	(void)len;
	data[0] = PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

static void pvpanic_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	const struct pvpanic *pvpanic = opaque;

	(void)offset;
	(void)len;
	if (data[0] & PVPANIC_CRASH_LOADED)
		pvpanic->crash_loaded(pvpanic->opaque);
	if (data[0] & PVPANIC_PANICKED)
		pvpanic->panicked(pvpanic->opaque);
}

const struct bus_ops pvpanic_bus_ops = {
	.read = pvpanic_read,
	.write = pvpanic_write,
};
