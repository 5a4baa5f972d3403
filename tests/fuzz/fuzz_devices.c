/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small devices, driven by a hostile guest: any access of any width to any of their ports.
 *
 * The input is a list of steps. A step's first byte says what it is: bits 0-1 the device, bits 2-4
 * the width less one, bit 5 write, bits 6-7 both set for input on the serial port. Then comes the
 * offset and, of a write, the bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dev/power.h"
#include "dev/pvpanic.h"
#include "dev/rtc.h"
#include "dev/serial.h"

struct board {
	struct bus bus;
	struct serial serial;
	struct rtc rtc;
	struct power power;
	struct pvpanic pvpanic;
	uint64_t events;
};

static const struct {
	uint16_t base;
	uint8_t ports;
} ranges[] = {
	{ 0x3f8, SERIAL_PORTS },
	{ 0x70, RTC_PORTS },
	{ 0x600, POWER_PORTS },
	{ 0x505, PVPANIC_PORTS },
};

static void event(void *opaque)
{
	((struct board *)opaque)->events++;
}

static void output(void *opaque, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((struct board *)opaque)->events += data[i];
}

/* A host that always has more to type. */
static void input_ready(void *opaque)
{
	struct board *board = opaque;

	serial_input(&board->serial, (const uint8_t *)"0123456789abcdefghij", 20);
}

static time_t now(void *opaque)
{
	return (time_t)(1795360807 + ((struct board *)opaque)->events % 100000);
}

static void check(int failed)
{
	if (failed)
		abort();
}

static void make_board(struct board *board)
{
	*board = (struct board){ 0 };
	serial_init(&board->serial, &(struct serial_host){ output, event, input_ready, board });
	rtc_init(&board->rtc, &(struct rtc_host){ now, board });
	power_init(&board->power, &(struct power_host){ event, event, board });
	board->pvpanic = (struct pvpanic){ event, event, board };
	check(bus_add(&board->bus, 0x3f8, SERIAL_PORTS, &serial_bus_ops, &board->serial, NULL));
	check(bus_add(&board->bus, 0x70, RTC_PORTS, &rtc_bus_ops, &board->rtc, NULL));
	check(bus_add(&board->bus, 0x600, POWER_PORTS, &power_bus_ops, &board->power, NULL));
	check(bus_add(&board->bus, 0x505, PVPANIC_PORTS, &pvpanic_bus_ops, &board->pvpanic, NULL));
}

/* What must hold whatever the guest does. */
static void check_board(const struct board *board)
{
	check(board->serial.state.fifo_len > SERIAL_FIFO);
	check(board->serial.state.fifo_head >= SERIAL_FIFO);
	check(board->rtc.state.index >= RTC_BYTES);
	check(board->rtc.state.bytes[0x0d] != 0x80);
}

static size_t step(struct board *board, const uint8_t *data, size_t size)
{
	uint8_t bytes[8] = { 0 };
	unsigned len = (data[0] >> 2 & 7) + 1;
	uint64_t address = ranges[data[0] & 3].base;
	size_t used = 2;

	if (size < 2)
		return size;
	if (data[0] >> 6 == 3) {
		check(serial_input(&board->serial, data + 1, data[1] % size) > data[1] % size);
		return 1 + (data[1] % size);
	}
	/* One port more than there are, on either side. */
	address += data[1] % (ranges[data[0] & 3].ports + 2U);
	address--;
	if (data[0] & 0x20) {
		size_t given = size - used < len ? size - used : len;

		memcpy(bytes, data + used, given);
		used += given;
		bus_write(&board->bus, address, bytes, len);
	} else {
		bus_read(&board->bus, address, bytes, len);
	}
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct board board;

	make_board(&board);
	while (size) {
		size_t used = step(&board, data, size);

		check_board(&board);
		data += used;
		size -= used;
	}
	return 0;
}
