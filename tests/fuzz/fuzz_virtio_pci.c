/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that drives a console and a random number generator, well and badly.
 *
 * The input is a list of operations of 8 bytes: registers written and read, guest memory changed,
 * queues kicked, keys typed, the terminal resized. One operation brings a device up as a driver
 * would, and one offers a chain, so that the fuzzer doesn't have to find these sequences by itself.
 * Nothing a guest does may get further than its own memory; and a reset brings a device back.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/fakes/fakes.h"
#include "tests/fakes/pci_driver.h"
#include "virtio/console.h"
#include "virtio/rng.h"

enum {
	DEVICES = 2,
	OP_LEN = 8,
	OPS_MAX = 300,
	BAR_LEN = 0x4000,
	TURNS_MAX = 8,
	QUEUE_SIZE = 8,
	BUFFERS = DRIVER_RAM_GPA + 0x8000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct test_machine m;
static struct virtio_driver drivers[DEVICES];
static struct virtio_pci *transports[DEVICES];
static const unsigned n_queues[DEVICES] = { 2, 1 };

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void plug(void)
{
	const struct virtio_pci_host host = test_machine_host(&m);
	struct virtio_device *devs[DEVICES];

	if (virtio_console_new(fake_console(), &devs[0], NULL) < 0 ||
	    virtio_rng_new(&devs[1], NULL) < 0)
		abort();
	for (unsigned i = 0; i < DEVICES; i++) {
		if (virtio_pci_new(&host, devs[i], i + 1, &transports[i], NULL) < 0)
			abort();
		virtio_driver_probe(&drivers[i], &m, i + 1);
	}
}

static bool bring_up(unsigned i, uint64_t features)
{
	uint64_t offered = virtio_driver_offered(&drivers[i]);

	return virtio_driver_start(&drivers[i], (features & offered) | 1ull << VIRTIO_F_VERSION_1,
				   n_queues[i], QUEUE_SIZE);
}

static void offer(struct virtio_driver *d, unsigned q, const uint8_t *op)
{
	struct driver_queue *queue = &d->queues[q];

	if (queue->size == 0)
		return;
	driver_set_desc(queue, op[3] % QUEUE_SIZE, BUFFERS + (uint64_t)op[4] * 512,
			(uint32_t)(op[5] | op[6] << 8), op[7] & 7, op[7] >> 3);
	driver_offer(queue, op[3] % QUEUE_SIZE);
}

static void turns(void)
{
	for (unsigned i = 0; i < TURNS_MAX; i++)
		fake_loop_turn(m.loop);
}

static void type(const uint8_t *text, size_t len)
{
	if (fakes.input)
		check(fakes.input->input(fakes.input->opaque, text, len) <= len);
}

static void operate(const uint8_t *op)
{
	static const uint8_t widths[4] = { 1, 2, 4, 8 };
	unsigned i = op[0] >> 7, len = widths[op[1] & 3];
	unsigned q = op[1] >> 2 & 1;
	struct virtio_driver *d = &drivers[i];
	uint16_t where = (uint16_t)(op[2] | op[3] << 8);
	uint8_t data[8], value[8];
	uint32_t word;

	memcpy(value, op + 4, 4);
	memcpy(value + 4, op + 4, 4);
	memcpy(&word, value, 4);
	switch (op[0] & 15) {
	case 0: /* the common configuration */
		bus_write(&m.mmio, d->common + (where & 0x3f), value, len);
		break;
	case 1: /* all of the BAR */
		bus_write(&m.mmio, d->common + where % BAR_LEN, value, len);
		break;
	case 2:
		bus_read(&m.mmio, d->common + where % BAR_LEN, data, len);
		break;
	case 3:
		config_write(&m, i + 1, where & 0xfc, word, 4);
		break;
	case 4:
		config_write(&m, i + 1, where & 0xff, word, len == 8 ? 1 : len);
		break;
	case 5:
		config_read(&m, i + 1, where & 0xfc, 4);
		break;
	case 6: /* guest memory: the queues are in its first pages */
		memcpy(m.ram.bytes + where % 0x4000, value, 4);
		break;
	case 7:
		bring_up(i, word | (uint64_t)op[1] << 32);
		break;
	case 8:
	case 9:
		offer(d, q % n_queues[i], op);
		break;
	case 10:
		virtio_driver_kick(d, q);
		turns();
		break;
	case 11:
		turns();
		break;
	case 12:
		type(op, op[1] % (OP_LEN + 1));
		break;
	case 13:
		if (fakes.input)
			fakes.input->resize(fakes.input->opaque, where, (uint16_t)word);
		break;
	case 14: /* the structure that reads the BAR through configuration space */
		config_write(&m, i + 1, d->pci_cfg + VIRTIO_PCI_CAP_OFFSET, where, 4);
		config_write(&m, i + 1, d->pci_cfg + VIRTIO_PCI_CAP_LENGTH, op[1] & 7, 4);
		config_read(&m, i + 1, d->pci_cfg + sizeof(struct virtio_pci_cap), 4);
		break;
	case 15:
		fakes.fail_windows = op[1] & 1;
		fakes.fail_doorbells = op[1] & 2;
		break;
	}
}

/* Whatever happened, a driver that begins anew gets a device that works. */
static void check_recovery(void)
{
	fakes.fail_windows = fakes.fail_doorbells = false;
	for (unsigned i = 0; i < DEVICES; i++) {
		/* Configuration space's window too, if it couldn't be had for a while. */
		for (uint32_t armed = 2; armed-- > 0;) {
			config_write(&m, i + 1, drivers[i].pci_cfg + VIRTIO_PCI_CAP_BAR, 0, 1);
			config_write(&m, i + 1, drivers[i].pci_cfg + VIRTIO_PCI_CAP_OFFSET, 0, 4);
			config_write(&m, i + 1, drivers[i].pci_cfg + VIRTIO_PCI_CAP_LENGTH, armed,
				     4);
		}
		config_write(&m, i + 1, PCI_COMMAND, 0, 2);
		config_write(&m, i + 1, PCI_BASE_ADDRESS_0, (uint32_t)drivers[i].common, 4);
	}
	for (unsigned i = 0; i < DEVICES; i++) {
		struct driver_queue *queue = &drivers[i].queues[n_queues[i] - 1];

		virtio_driver_probe(&drivers[i], &m, i + 1);
		check(bring_up(i, 0));
		driver_set_desc(queue, 0, BUFFERS, 16, i == 1 ? VRING_DESC_F_WRITE : 0, 0);
		driver_offer(queue, 0);
		virtio_driver_kick(&drivers[i], n_queues[i] - 1);
		turns();
		check(driver_used_idx(queue) == 1);
		check(!(virtio_driver_status(&drivers[i]) & VIRTIO_CONFIG_S_NEEDS_RESET));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_to(-1);
	test_machine_renew(&m);
	plug();
	for (size_t at = 0; at + OP_LEN <= size && at < (size_t)OPS_MAX * OP_LEN; at += OP_LEN)
		operate(data + at);
	check_recovery();
	for (unsigned i = 0; i < DEVICES; i++)
		virtio_pci_free(transports[i]);
	check(fakes_live() == 1 && !fakes.input); /* configuration space */
	return 0;
}
