/* SPDX-License-Identifier: Apache-2.0 */
/* virtio over PCI: the BAR and configuration space, interrupts and kicks, and what costs exits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/fakes/fakes.h"
#include "tests/unit/virtio_probe.h"

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
	virtio_probe_start();
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
	virtio_probe_start();
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
	virtio_probe_start();
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
	virtio_probe_start();
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
	virtio_probe_start();
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, VIRTIO_MSI_NO_VECTOR, 2);
	driver_set_desc(&d.queues[1], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[1], 0);
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(driver_used_idx(&d.queues[1]), 1);
	assert_int_equal(fakes.lines[0].raised + fakes.lines[1].raised + fakes.lines[2].raised, 0);
}

static void the_interrupt_status_is_cleared_by_reading(void **state)
{
	(void)state;
	virtio_probe_start();
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
	virtio_probe_start();
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
	virtio_probe_start();
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
	virtio_probe_start();
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
	virtio_probe_start();
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
#define T(name) cmocka_unit_test_setup_teardown(name, virtio_probe_setup, virtio_probe_teardown)
	const struct CMUnitTest tests[] = {
		T(every_structure_is_found),
		T(reads_cost_no_exit),
		T(a_kick_costs_no_exit_and_reaches_its_queue),
		T(without_doorbells_a_kick_is_an_exit_and_still_arrives),
		T(without_a_window_reads_are_exits_and_say_the_same),
		T(used_buffers_interrupt_the_queues_vector),
		T(a_queue_without_a_vector_interrupts_nobody),
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
