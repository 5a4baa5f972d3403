/* SPDX-License-Identifier: Apache-2.0 */
/* virtio over PCI: what a driver may do, what it may not, and what each costs in exits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/fakes/fakes.h"
#include "tests/fakes/pci_driver.h"

enum { SLOT = 3, QUEUES = 2, SIZE = 16, BUF = DRIVER_RAM_GPA + 0x10000 };

#define VERSION_1 (1ull << VIRTIO_F_VERSION_1)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

/* A device that records what its transport asks of it. */
struct probe {
	struct virtio_device dev;
	unsigned activated, resets, notified[QUEUES], config_writes, frees;
	struct virtq_chain chain;
};

static struct probe probe;

static void on_activate(struct virtio_device *dev)
{
	(void)dev;
	probe.activated++;
}

static void on_reset(struct virtio_device *dev)
{
	(void)dev;
	probe.resets++;
}

static void on_notify(struct virtio_device *dev, unsigned queue)
{
	int found;

	probe.notified[queue]++;
	while ((found = virtqueue_pop(&dev->queues[queue], &probe.chain)) > 0)
		virtqueue_push(&dev->queues[queue], &probe.chain, 0);
	if (found < 0)
		virtio_device_break(dev, "test");
	else
		virtio_device_used(dev, queue);
}

static void on_config_write(struct virtio_device *dev, unsigned offset, const uint8_t *data,
			    unsigned len)
{
	assert_in_range(offset + len, 1, 8);
	probe.config_writes++;
	virtio_device_set_config(dev, offset, data, len);
}

static void on_free(struct virtio_device *dev)
{
	(void)dev;
	probe.frees++;
}

static const struct virtio_device_class probe_class = {
	.name = "probe",
	.id = 3,
	.pci_class = 0x078000,
	.n_queues = QUEUES,
	.queue_size = SIZE,
	.n_vectors = QUEUES + 1,
	.config_len = 8,
	.features = 1,
	.activate = on_activate,
	.reset = on_reset,
	.queue_notify = on_notify,
	.config_write = on_config_write,
	.free = on_free,
};

static struct test_machine m;
static struct virtio_pci *transport;
static struct virtio_driver d;

static int setup(void **state)
{
	struct virtio_pci_host host;

	(void)state;
	test_machine_init(&m);
	host = test_machine_host(&m);
	probe = (struct probe){ .activated = 0 };
	virtio_device_init(&probe.dev, &probe_class);
	memcpy(probe.dev.config, "12345678", 8);
	assert_int_equal(virtio_pci_new(&host, &probe.dev, SLOT, &transport, NULL), 0);
	virtio_driver_probe(&d, &m, SLOT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	virtio_pci_free(transport);
	assert_int_equal(probe.frees, 1);
	test_machine_clear(&m);
	assert_int_equal(fakes_live(), 0);
	return 0;
}

static void start(void)
{
	assert_true(virtio_driver_start(&d, VERSION_1 | EVENT_IDX | 1, QUEUES, SIZE));
	assert_int_equal(probe.activated, 1);
}

static uint32_t common(unsigned offset, unsigned len)
{
	return guest_read(&m, d.common + offset, len);
}

static void set_common(unsigned offset, uint32_t value, unsigned len)
{
	guest_write(&m, d.common + offset, value, len);
}

static void every_structure_is_found(void **state)
{
	(void)state;
	assert_true(d.common && d.notify && d.isr && d.device && d.pci_cfg && d.msix);
	assert_int_equal(config_read(&m, SLOT, PCI_DEVICE_ID, 2), 0x1043);
	assert_int_equal(common(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	assert_int_equal(virtio_driver_offered(&d),
			 VERSION_1 | EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1);
	assert_int_equal(guest_read(&m, d.device, 4), 0x34333231);
}

static void reads_cost_no_exit(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 60; i++)
		common(i, 1);
	guest_read(&m, d.device, 4);
	guest_read(&m, d.msix_table, 4);
	assert_int_equal(m.read_exits, 0);
	guest_read(&m, d.isr, 1);
	assert_int_equal(m.read_exits, 1);
}

static void a_kick_costs_no_exit_and_reaches_its_queue(void **state)
{
	unsigned exits;

	(void)state;
	start();
	exits = m.write_exits;
	guest_write(&m, d.notify + d.notify_multiplier, 1, 2);
	assert_int_equal(m.write_exits, exits);
	assert_int_equal(fake_loop_turn(m.loop), 1);
	assert_int_equal(probe.notified[0], 0);
	assert_int_equal(probe.notified[1], 1);
	assert_int_equal(fake_loop_turn(m.loop), 0);
}

static void without_doorbells_a_kick_is_an_exit_and_still_arrives(void **state)
{
	(void)state;
	fakes.fail_doorbells = true;
	start();
	virtio_driver_kick(&d, 1);
	assert_int_equal(fake_loop_turn(m.loop), 1);
	assert_int_equal(probe.notified[1], 1);
	/* Writes between and after the queues' places are dropped. */
	guest_write(&m, d.notify + 2, 0, 2);
	guest_write(&m, d.notify + QUEUES * d.notify_multiplier, 0, 2);
	assert_int_equal(fake_loop_turn(m.loop), 0);
}

static void without_a_window_reads_are_exits_and_say_the_same(void **state)
{
	uint32_t queues = common(VIRTIO_PCI_COMMON_NUMQ, 2);

	(void)state;
	config_write(&m, SLOT, PCI_COMMAND, 0, 2);
	fakes.fail_windows = true;
	config_write(&m, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_NUMQ, 2), queues);
	assert_int_equal(m.read_exits, 1);
	assert_int_equal(guest_read(&m, d.device, 4), 0x34333231);
}

static void used_buffers_interrupt_the_queues_vector(void **state)
{
	(void)state;
	start();
	driver_set_desc(&d.queues[1], 0, BUF, 16, VRING_DESC_F_WRITE, 0);
	driver_offer(&d.queues[1], 0);
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(driver_used_idx(&d.queues[1]), 1);
	assert_int_equal(fakes.lines[2].raised, 1);
	assert_int_equal(fakes.lines[2].data, 0x42);
	assert_int_equal(fakes.lines[0].raised + fakes.lines[1].raised, 0);
}

static void a_queue_without_a_vector_interrupts_nobody(void **state)
{
	(void)state;
	start();
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, VIRTIO_MSI_NO_VECTOR, 2);
	driver_set_desc(&d.queues[1], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[1], 0);
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(driver_used_idx(&d.queues[1]), 1);
	assert_int_equal(fakes.lines[0].raised + fakes.lines[1].raised + fakes.lines[2].raised, 0);
}

static void a_vector_that_is_not_there_reads_back_as_none(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_MSIX, QUEUES + 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, QUEUES + 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, QUEUES, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), QUEUES);
}

static void features_that_were_not_offered_are_refused(void **state)
{
	(void)state;
	assert_false(virtio_driver_negotiate(&d, VERSION_1 | 1ull << VIRTIO_F_RING_PACKED));
	assert_false(virtio_driver_negotiate(&d, VERSION_1 | 2));
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
}

static void a_driver_of_the_old_kind_is_refused(void **state)
{
	(void)state;
	assert_false(virtio_driver_negotiate(&d, EVENT_IDX));
	assert_false(virtio_driver_negotiate(&d, 0));
}

static void features_are_settled_once_accepted(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	set_common(VIRTIO_PCI_COMMON_GF, 1, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_int_equal(probe.dev.driver_features, VERSION_1);
}

static void feature_words_past_the_second_are_empty(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_DF, 4), 0);
	set_common(VIRTIO_PCI_COMMON_DFSELECT, UINT32_MAX, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_DF, 4), 0);
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 2, 4);
	set_common(VIRTIO_PCI_COMMON_GF, UINT32_MAX, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_int_equal(probe.dev.driver_features, 0);
}

static void a_driver_can_not_skip_the_features(void **state)
{
	(void)state;
	virtio_driver_set_status(&d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_driver_set_status(&d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
					 VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(virtio_driver_status(&d),
			 VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	assert_int_equal(probe.activated, 0);
	/* Nor set them and go at once. */
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set_common(VIRTIO_PCI_COMMON_GF, VERSION_1 >> 32, 4);
	virtio_driver_set_status(&d, 0x0f);
	assert_int_equal(probe.activated, 0);
	virtio_driver_set_status(&d, 0x0f);
	assert_int_equal(probe.activated, 1);
	virtio_driver_set_status(&d, 0x0f);
	assert_int_equal(probe.activated, 1);
}

static void a_driver_that_gave_up_does_not_start(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_FAILED);
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(probe.activated, 0);
}

static void a_device_whose_driver_gave_up_stops(void **state)
{
	(void)state;
	start();
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_FAILED);
	driver_set_desc(&d.queues[0], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[0], 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[0], 0);
	assert_int_equal(virtqueue_pop(&probe.dev.queues[0], &probe.chain), 0);
}

static void a_reset_undoes_everything(void **state)
{
	(void)state;
	start();
	virtio_driver_kick(&d, 0);
	virtio_driver_set_status(&d, 0);
	assert_int_equal(virtio_driver_status(&d), 0);
	assert_int_equal(probe.resets, 2); /* the first came with the negotiation */
	/* The kick that was on its way reaches nobody. */
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[0], 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	for (unsigned q = 0; q < QUEUES; q++) {
		set_common(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	}
	/* And the device can be had again. */
	probe.activated = 0;
	start();
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[0], 1);
}

static void a_queue_that_is_not_there_has_no_size(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, QUEUES, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 0xffff, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000, 4);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

static void a_queues_size_must_be_a_power_of_two_that_fits(void **state)
{
	static const uint16_t bad[] = { 0, 3, 2 * SIZE, 0x8000, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set_common(VIRTIO_PCI_COMMON_Q_SIZE, bad[i], 2);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	}
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 1);
}

static void a_queue_is_frozen_once_enabled(void **state)
{
	(void)state;
	start();
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0, 4);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 4), d.queues[0].desc);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(probe.dev.queues[0].state.size, SIZE);
}

static void an_enabled_queue_is_frozen_before_the_device_starts_too(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	virtio_driver_setup_queue(&d, 0, SIZE);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 2);
	set_common(VIRTIO_PCI_COMMON_Q_USEDLO, 0, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_USEDLO, 4), d.queues[0].used);
}

static void a_queue_can_not_be_enabled_too_early_or_too_late(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_true(virtio_driver_start(&d, VERSION_1, 1, SIZE));
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	/* It's not there, and kicking it does no harm. */
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

static void registers_take_only_their_own_width(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 1);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0x1111, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	set_common(VIRTIO_PCI_COMMON_NUMQ, 7, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	set_common(0x100, ~0u, 4);
	assert_int_equal(common(0x100, 4), 0);
}

static void a_whole_address_may_be_written_at_once(void **state)
{
	const uint64_t address = 0x123456789abcdef0;

	(void)state;
	bus_write(&m.mmio, d.common + VIRTIO_PCI_COMMON_Q_USEDLO, (const uint8_t *)&address, 8);
	assert_int_equal(probe.dev.queues[0].state.used, address);
}

static void a_queue_outside_ram_breaks_the_device_and_tells_the_driver(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	virtio_driver_use_msix(&d, QUEUES);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(fakes.lines[0].raised, 1);
	assert_int_equal(probe.activated, 0);
}

static void a_broken_queue_stops_the_device_until_reset(void **state)
{
	(void)state;
	start();
	driver_set_desc(&d.queues[0], 0, 0, 16, 0, 0);
	driver_offer(&d.queues[0], 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_true(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(fakes.lines[0].raised, 1);
	/* The other queue stands still too. */
	driver_set_desc(&d.queues[1], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[1], 0);
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[1], 0);
	assert_int_equal(virtqueue_pop(&probe.dev.queues[1], &probe.chain), 0);
	/* The driver can't talk its way out of it. */
	virtio_driver_set_status(&d, 0x0f);
	assert_true(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	probe.activated = 0;
	start();
	assert_false(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void the_interrupt_status_is_cleared_by_reading(void **state)
{
	(void)state;
	start();
	config_write(&m, SLOT, d.msix + PCI_MSIX_FLAGS, 0, 2);
	virtio_driver_kick(&d, 0);
	driver_set_desc(&d.queues[0], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[0], 0);
	fake_loop_turn(m.loop);
	virtio_device_set_config(&probe.dev, 0, "abcd", 4);
	assert_int_equal(guest_read(&m, d.isr, 1), 3);
	assert_int_equal(guest_read(&m, d.isr, 1), 0);
	assert_int_equal(fakes.lines[0].raised + fakes.lines[1].raised, 0);
}

static void a_change_of_configuration_is_seen_and_told(void **state)
{
	uint32_t generation;

	(void)state;
	start();
	generation = common(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	virtio_device_set_config(&probe.dev, 4, "abcd", 4);
	assert_int_equal(guest_read(&m, d.device + 4, 4), 0x64636261);
	assert_int_not_equal(common(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	assert_int_equal(fakes.lines[0].raised, 1);
	/* The same again is no change. */
	virtio_device_set_config(&probe.dev, 4, "abcd", 4);
	assert_int_equal(fakes.lines[0].raised, 1);
}

static void the_drivers_writes_reach_the_device_within_its_configuration(void **state)
{
	(void)state;
	guest_write(&m, d.device, 0x7a7a7a7a, 4);
	assert_int_equal(probe.config_writes, 1);
	assert_int_equal(guest_read(&m, d.device, 4), 0x7a7a7a7a);
	guest_write(&m, d.device + 8, 0, 1);
	guest_write(&m, d.device + 6, 0, 4);
	guest_write(&m, d.device + 0x7fc, 0, 4);
	assert_int_equal(probe.config_writes, 1);
}

static void a_device_that_may_not_reach_memory_waits(void **state)
{
	(void)state;
	start();
	config_write(&m, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	driver_set_desc(&d.queues[0], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[0], 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_int_equal(driver_used_idx(&d.queues[0]), 0);
	config_write(&m, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	fake_loop_turn(m.loop);
	assert_int_equal(driver_used_idx(&d.queues[0]), 1);
}

static void doorbells_follow_the_bar(void **state)
{
	const uint32_t moved = (uint32_t)PCI_MMIO_BASE + 0x1000000;
	uint64_t at;

	(void)state;
	start();
	at = d.notify % 0x4000;
	assert_true(fake_doorbell_ring(d.notify));
	config_write(&m, SLOT, PCI_BASE_ADDRESS_0, moved, 4);
	assert_false(fake_doorbell_ring(d.notify));
	assert_true(fake_doorbell_ring(moved + at));
	config_write(&m, SLOT, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_false(fake_doorbell_ring(moved + at));
}

/* The second way to the BAR, through configuration space. */
static void point_cfg(uint32_t bar, uint32_t offset, uint32_t length)
{
	config_write(&m, SLOT, d.pci_cfg + VIRTIO_PCI_CAP_BAR, bar, 1);
	config_write(&m, SLOT, d.pci_cfg + VIRTIO_PCI_CAP_OFFSET, offset, 4);
	config_write(&m, SLOT, d.pci_cfg + VIRTIO_PCI_CAP_LENGTH, length, 4);
}

static void configuration_space_reads_and_writes_the_bar(void **state)
{
	const unsigned data = d.pci_cfg + sizeof(struct virtio_pci_cap);

	(void)state;
	/* It works while the BAR doesn't decode: that's what it is for. */
	config_write(&m, SLOT, PCI_COMMAND, 0, 2);
	point_cfg(0, VIRTIO_PCI_COMMON_STATUS, 1);
	config_write(&m, SLOT, data, VIRTIO_CONFIG_S_ACKNOWLEDGE, 1);
	assert_int_equal(config_read(&m, SLOT, data, 1), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(probe.dev.status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	point_cfg(0, VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(config_read(&m, SLOT, data, 2), QUEUES);
}

static void configuration_space_reads_are_trapped_only_while_they_do_something(void **state)
{
	const unsigned data = d.pci_cfg + sizeof(struct virtio_pci_cap);
	unsigned exits;

	(void)state;
	start();
	virtio_device_set_config(&probe.dev, 0, "abcd", 4);
	point_cfg(0, (uint32_t)(d.isr % 0x4000), 1);
	assert_int_equal(config_read(&m, SLOT, data, 1), 2);
	assert_int_equal(config_read(&m, SLOT, data, 1), 0);
	exits = m.read_exits;
	assert_int_not_equal(exits, 0);
	point_cfg(0, 0, 0);
	config_read(&m, SLOT, data, 1);
	assert_int_equal(m.read_exits, exits);
}

static void configuration_space_does_not_reach_past_the_bar(void **state)
{
	static const struct {
		uint32_t bar, offset, length;
	} bad[] = {
		{ 0, 0x4000, 4 }, { 0, 0x3ffe, 4 }, { 0, 0xfffffffc, 4 },
		{ 0, 0, 3 },	  { 0, 0, 8 },	    { 0, 0, 0xffffffff },
		{ 1, 0, 4 },	  { 0, 2, 4 },	    { 255, 0, 1 },
	};
	const unsigned data = d.pci_cfg + sizeof(struct virtio_pci_cap);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		point_cfg(bad[i].bar, bad[i].offset, bad[i].length);
		m.read_exits = 0;
		config_write(&m, SLOT, data, 0xffffffff, 4);
		config_read(&m, SLOT, data, 4);
		assert_int_equal(m.read_exits, 0);
	}
}

static void a_device_that_can_not_be_plugged_in_stays_the_callers(void **state)
{
	struct virtio_pci_host host = test_machine_host(&m);
	struct virtio_pci *second = NULL;
	struct probe other = { .activated = 0 };

	(void)state;
	virtio_device_init(&other.dev, &probe_class);
	assert_int_equal(virtio_pci_new(&host, &other.dev, SLOT, &second, NULL), -1);
	fakes.fail_lines = true;
	assert_int_equal(virtio_pci_new(&host, &other.dev, SLOT + 1, &second, NULL), -1);
	assert_null(second);
	assert_int_equal(probe.frees, 0);
	assert_int_equal(config_read(&m, SLOT + 1, PCI_VENDOR_ID, 2), 0xffff);
	assert_int_equal(config_read(&m, SLOT, PCI_VENDOR_ID, 2), 0x1af4);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_structure_is_found),
		T(reads_cost_no_exit),
		T(a_kick_costs_no_exit_and_reaches_its_queue),
		T(without_doorbells_a_kick_is_an_exit_and_still_arrives),
		T(without_a_window_reads_are_exits_and_say_the_same),
		T(used_buffers_interrupt_the_queues_vector),
		T(a_queue_without_a_vector_interrupts_nobody),
		T(a_vector_that_is_not_there_reads_back_as_none),
		T(features_that_were_not_offered_are_refused),
		T(a_driver_of_the_old_kind_is_refused),
		T(features_are_settled_once_accepted),
		T(feature_words_past_the_second_are_empty),
		T(a_driver_can_not_skip_the_features),
		T(a_driver_that_gave_up_does_not_start),
		T(a_device_whose_driver_gave_up_stops),
		T(a_reset_undoes_everything),
		T(a_queue_that_is_not_there_has_no_size),
		T(a_queues_size_must_be_a_power_of_two_that_fits),
		T(a_queue_is_frozen_once_enabled),
		T(an_enabled_queue_is_frozen_before_the_device_starts_too),
		T(a_queue_can_not_be_enabled_too_early_or_too_late),
		T(registers_take_only_their_own_width),
		T(a_whole_address_may_be_written_at_once),
		T(a_queue_outside_ram_breaks_the_device_and_tells_the_driver),
		T(a_broken_queue_stops_the_device_until_reset),
		T(the_interrupt_status_is_cleared_by_reading),
		T(a_change_of_configuration_is_seen_and_told),
		T(the_drivers_writes_reach_the_device_within_its_configuration),
		T(a_device_that_may_not_reach_memory_waits),
		T(doorbells_follow_the_bar),
		T(configuration_space_reads_and_writes_the_bar),
		T(configuration_space_reads_are_trapped_only_while_they_do_something),
		T(configuration_space_does_not_reach_past_the_bar),
		T(a_device_that_can_not_be_plugged_in_stays_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
