/* SPDX-License-Identifier: Apache-2.0 */
/* Power-off and reset: see power.h. */
#include "dev/power.h"

#include "base/log.h"

enum { REG_SLEEP_CONTROL, REG_SLEEP_STATUS, REG_RESET };

enum { SLP_TYP_SHIFT = 2, SLP_TYP_BITS = 7, SLP_EN = 1 << 5 };

static void write_sleep_control(struct power *power, uint8_t value)
{
	power->state.sleep_type = (value >> SLP_TYP_SHIFT) & SLP_TYP_BITS;
	if (!(value & SLP_EN))
		return;
	if (power->state.sleep_type == POWER_SLP_TYP_S5)
		power->host.power_off(power->host.opaque);
	else
		log_limited("power: the guest asks for sleep type %u, which doesn't exist",
			    power->state.sleep_type);
}

static void power_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	const struct power *power = opaque;

	if (len != 1)
		return;
	data[0] = offset == REG_SLEEP_CONTROL ? (uint8_t)(power->state.sleep_type << SLP_TYP_SHIFT)
					      : 0;
}

static void power_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	struct power *power = opaque;

	if (len != 1)
		return;
	if (offset == REG_SLEEP_CONTROL)
		write_sleep_control(power, data[0]);
	else if (offset == REG_RESET && data[0] == POWER_RESET_VALUE)
		power->host.reset(power->host.opaque);
}

const struct bus_ops power_bus_ops = {
	.read = power_read,
	.write = power_write,
};

void power_init(struct power *power, const struct power_host *host)
{
	*power = (struct power){ .host = *host };
}
