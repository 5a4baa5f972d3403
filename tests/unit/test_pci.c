/* SPDX-License-Identifier: Apache-2.0 */
/* PCI configuration space and base address registers, as a guest finds and changes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <string.h>

#include "base/err.h"
#include "pci/function.h"
#include "tests/fakes/fakes.h"
#include "tests/fakes/pci_driver.h"

enum { SLOT = 1, OTHER_SLOT = 2, BAR_SIZE = 0x4000 };

static const struct pci_function_class class = {
	.vendor = 0x1af4,
	.device = 0x1043,
	.subsystem_vendor = 0x1af4,
	.subsystem = 0x43,
	.class_code = 0x078000,
	.revision = 1,
};

struct device {
	unsigned mapped, unmapped, config_reads, config_writes, bar_writes;
	uint64_t gpa;
	uint64_t last_offset;
};

static void on_bar_read(void *opaque, unsigned bar, uint64_t offset, uint8_t *data, unsigned len)
{
	(void)opaque;
	(void)bar;
	memset(data, (int)offset, len);
}

static void on_bar_write(void *opaque, unsigned bar, uint64_t offset, const uint8_t *data,
			 unsigned len)
{
	struct device *device = opaque;

	(void)bar;
	(void)data;
	(void)len;
	device->bar_writes++;
	device->last_offset = offset;
}

static void on_mapped(void *opaque, unsigned bar, uint64_t gpa)
{
	struct device *device = opaque;

	(void)bar;
	device->mapped++;
	device->gpa = gpa;
}

static void on_unmapped(void *opaque, unsigned bar, uint64_t gpa)
{
	struct device *device = opaque;

	(void)bar;
	assert_int_equal(gpa, device->gpa);
	device->unmapped++;
}

static void on_config_read(void *opaque, unsigned offset, unsigned len)
{
	(void)offset;
	(void)len;
	((struct device *)opaque)->config_reads++;
}

static void on_config_written(void *opaque, unsigned offset, unsigned len)
{
	(void)offset;
	(void)len;
	((struct device *)opaque)->config_writes++;
}

static const struct pci_function_ops ops = {
	.bar_read = on_bar_read,
	.bar_write = on_bar_write,
	.bar_mapped = on_mapped,
	.bar_unmapped = on_unmapped,
	.config_read = on_config_read,
	.config_written = on_config_written,
};

static struct test_machine m;
static struct device device, other_device;
static struct pci_function *function, *other;

static int setup(void **state)
{
	(void)state;
	test_machine_init(&m);
	device = other_device = (struct device){ .mapped = 0 };
	assert_int_equal(pci_function_new(m.bus, SLOT, &class, &ops, &device, &function, NULL), 0);
	assert_int_equal(pci_function_add_bar(function, 0, BAR_SIZE, NULL), 0);
	assert_int_equal(
	    pci_function_new(m.bus, OTHER_SLOT, &class, &ops, &other_device, &other, NULL), 0);
	assert_int_equal(pci_function_add_bar(other, 0, BAR_SIZE, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pci_function_free(function);
	pci_function_free(other);
	test_machine_clear(&m);
	assert_int_equal(fakes_live(), 0);
	return 0;
}

static uint32_t bar(void)
{
	return config_read(&m, SLOT, PCI_BASE_ADDRESS_0, 4);
}

static void set_bar(uint32_t value)
{
	config_write(&m, SLOT, PCI_BASE_ADDRESS_0, value, 4);
}

static void decode(unsigned slot, bool on)
{
	config_write(&m, slot, PCI_COMMAND, on ? PCI_COMMAND_MEMORY : 0, 2);
}

static void the_header_says_what_the_function_is(void **state)
{
	(void)state;
	assert_int_equal(config_read(&m, SLOT, PCI_VENDOR_ID, 4), 0x10431af4);
	assert_int_equal(config_read(&m, SLOT, PCI_CLASS_REVISION, 4), 0x07800001);
	assert_int_equal(config_read(&m, SLOT, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x00431af4);
	assert_int_equal(config_read(&m, SLOT, PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
	assert_int_equal(config_read(&m, SLOT, PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(config_read(&m, SLOT, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	assert_int_equal(config_read(&m, SLOT, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY, 0);
	/* No extended capabilities. */
	assert_int_equal(config_read(&m, SLOT, 0x100, 4), 0);
}

static void what_is_not_there_reads_as_ones(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		bool there = slot == SLOT || slot == OTHER_SLOT;

		assert_int_equal(config_read(&m, slot, PCI_VENDOR_ID, 4),
				 there ? 0x10431af4 : 0xffffffff);
		for (unsigned fn = 1; fn < 8; fn++)
			assert_int_equal(config_read(&m, slot, fn * PCI_ECAM_FUNCTION_LEN, 4),
					 0xffffffff);
	}
}

static void reading_configuration_space_costs_no_exit(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		for (unsigned offset = 0; offset < PCI_CONFIG_LEN; offset += 4)
			config_read(&m, slot, offset, 4);
	assert_int_equal(m.read_exits, 0);
}

static void an_exit_reads_the_same_as_the_window(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < 4; slot++) {
		for (unsigned offset = 0; offset < 2 * PCI_ECAM_FUNCTION_LEN; offset += 4) {
			uint64_t gpa = PCI_ECAM_BASE + slot * PCI_ECAM_SLOT_LEN + offset;
			uint32_t exit;

			bus_read(&m.mmio, gpa, (uint8_t *)&exit, 4);
			assert_int_equal(exit, guest_read(&m, gpa, 4));
		}
	}
}

static void a_slot_is_empty_again_when_its_function_goes(void **state)
{
	(void)state;
	decode(SLOT, true);
	pci_function_free(function);
	function = NULL;
	assert_int_equal(device.unmapped, 1);
	assert_int_equal(config_read(&m, SLOT, PCI_VENDOR_ID, 4), 0xffffffff);
	config_write(&m, SLOT, PCI_COMMAND, 0, 2);
	assert_int_equal(config_read(&m, SLOT, PCI_COMMAND, 2), 0xffff);
}

static void read_only_registers_do_not_change(void **state)
{
	uint8_t before[PCI_CONFIG_LEN], after[PCI_CONFIG_LEN];
	static const uint8_t may_change[] = { PCI_COMMAND, PCI_COMMAND + 1, PCI_CACHE_LINE_SIZE,
					      PCI_LATENCY_TIMER, PCI_INTERRUPT_LINE };

	(void)state;
	memcpy(before, pci_function_config(function), sizeof(before));
	for (unsigned offset = 0; offset < PCI_CONFIG_LEN; offset++)
		config_write(&m, SLOT, offset, offset % 2 ? 0xff : 0, 1);
	for (unsigned offset = 0; offset < PCI_CONFIG_LEN; offset++)
		config_write(&m, SLOT, offset, ~0u, 1);
	memcpy(after, pci_function_config(function), sizeof(after));
	for (unsigned i = 0; i < sizeof(may_change); i++)
		after[may_change[i]] = before[may_change[i]];
	memcpy(after + PCI_BASE_ADDRESS_0, before + PCI_BASE_ADDRESS_0, 4);
	assert_memory_equal(before, after, sizeof(before));
}

static void only_what_the_mask_lets_is_written(void **state)
{
	(void)state;
	config_write(&m, SLOT, PCI_COMMAND, 0xffff, 2);
	assert_int_equal(config_read(&m, SLOT, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_true(pci_function_bus_master(function));
	config_write(&m, SLOT, PCI_COMMAND, 0, 2);
	assert_int_equal(config_read(&m, SLOT, PCI_COMMAND, 2), 0);
	assert_false(pci_function_bus_master(function));
}

static void writing_1_clears_an_error_bit_and_writing_0_keeps_it(void **state)
{
	uint8_t *status = pci_function_config(function) + PCI_STATUS;

	(void)state;
	status[1] = PCI_STATUS_REC_MASTER_ABORT >> 8;
	config_write(&m, SLOT, PCI_STATUS, 0, 2);
	assert_int_equal(status[1], PCI_STATUS_REC_MASTER_ABORT >> 8);
	config_write(&m, SLOT, PCI_STATUS, PCI_STATUS_REC_MASTER_ABORT, 2);
	assert_int_equal(status[1], 0);
	assert_int_equal(status[0], PCI_STATUS_CAP_LIST);
}

static void accesses_that_a_bus_can_not_carry_do_nothing(void **state)
{
	const uint64_t gpa = PCI_ECAM_BASE + SLOT * PCI_ECAM_SLOT_LEN;
	uint8_t ones[8], data[8];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	bus_write(&m.mmio, gpa + PCI_COMMAND + 1, ones, 2);
	bus_write(&m.mmio, gpa + PCI_COMMAND, ones, 8);
	bus_write(&m.mmio, gpa + PCI_COMMAND, ones, 3);
	bus_write(&m.mmio, gpa + 4094, ones, 4);
	assert_int_equal(device.config_writes, 0);
	bus_read(&m.mmio, gpa + 1, data, 2);
	assert_memory_equal(data, ones, 2);
	bus_read(&m.mmio, gpa, data, 8);
	assert_memory_equal(data, ones, 8);
}

static void a_bar_tells_its_size_and_keeps_its_place(void **state)
{
	uint32_t address = bar();

	(void)state;
	assert_int_equal(address % BAR_SIZE, 0);
	assert_in_range(address, PCI_MMIO_BASE, PCI_MMIO_BASE + PCI_MMIO_LEN - BAR_SIZE);
	set_bar(0xffffffff);
	assert_int_equal(bar(), 0xffffffff - BAR_SIZE + 1);
	set_bar(address);
	assert_int_equal(bar(), address);
	/* Registers that are no BAR have no size. */
	config_write(&m, SLOT, PCI_BASE_ADDRESS_1, 0xffffffff, 4);
	assert_int_equal(config_read(&m, SLOT, PCI_BASE_ADDRESS_1, 4), 0);
	config_write(&m, SLOT, PCI_ROM_ADDRESS, 0xffffffff, 4);
	assert_int_equal(config_read(&m, SLOT, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(device.mapped, 0);
}

static void a_bar_answers_only_while_decoding_is_on(void **state)
{
	(void)state;
	assert_int_equal(guest_read(&m, bar() + 0x12, 1), 0xff);
	decode(SLOT, true);
	assert_int_equal(device.mapped, 1);
	assert_int_equal(device.gpa, bar());
	assert_int_equal(guest_read(&m, bar() + 0x12, 1), 0x12);
	guest_write(&m, bar() + 0x34, 0, 4);
	assert_int_equal(device.last_offset, 0x34);
	decode(SLOT, true);
	assert_int_equal(device.mapped, 1);
	decode(SLOT, false);
	assert_int_equal(device.unmapped, 1);
	assert_int_equal(guest_read(&m, bar() + 0x12, 1), 0xff);
	guest_write(&m, bar(), 0, 4);
	assert_int_equal(device.bar_writes, 1);
}

static void a_bar_that_moves_answers_at_its_new_place(void **state)
{
	uint32_t old = bar();
	const uint32_t new = PCI_MMIO_BASE + 0x1000000;

	(void)state;
	decode(SLOT, true);
	set_bar(new);
	assert_int_equal(device.mapped, 2);
	assert_int_equal(device.unmapped, 1);
	assert_int_equal(guest_read(&m, new + 0x56, 1), 0x56);
	assert_int_equal(guest_read(&m, old + 0x56, 1), 0xff);
}

static void a_bar_outside_the_window_answers_nowhere(void **state)
{
	static const uint32_t bad[] = {
		0,
		0x100000,
		(uint32_t)PCI_MMIO_BASE - BAR_SIZE,
		(uint32_t)PCI_ECAM_BASE,
		0xfec00000,
		0xfee00000,
		0xffffc000,
	};

	(void)state;
	decode(SLOT, true);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_bar(bad[i]);
		assert_int_equal(device.mapped, device.unmapped);
	}
	set_bar(PCI_MMIO_BASE + PCI_MMIO_LEN - BAR_SIZE);
	assert_int_equal(device.mapped, device.unmapped + 1);
	/* Nothing has taken ECAM's place. */
	assert_int_equal(config_read(&m, SLOT, PCI_VENDOR_ID, 2), 0x1af4);
}

static void a_bar_over_another_answers_nowhere(void **state)
{
	(void)state;
	decode(OTHER_SLOT, true);
	decode(SLOT, true);
	set_bar((uint32_t)other_device.gpa);
	assert_int_equal(device.mapped, device.unmapped);
	guest_write(&m, other_device.gpa, 0, 4);
	assert_int_equal(other_device.bar_writes, 1);
	assert_int_equal(device.bar_writes, 0);
}

static void capabilities_form_a_list(void **state)
{
	const uint8_t three[3] = { 0, 0, 0xaa };
	const uint8_t five[5] = { 0, 0, 1, 2, 3 };
	int first = pci_function_add_capability(function, PCI_CAP_ID_VNDR, three, 3, NULL);
	int second = pci_function_add_capability(function, PCI_CAP_ID_VNDR, five, 5, NULL);

	(void)state;
	assert_int_equal(first, 0x40);
	assert_int_equal(second, 0x44);
	assert_int_equal(config_find_capability(&m, SLOT, PCI_CAP_ID_VNDR, 0), first);
	assert_int_equal(config_find_capability(&m, SLOT, PCI_CAP_ID_VNDR, 1), second);
	assert_int_equal(config_find_capability(&m, SLOT, PCI_CAP_ID_VNDR, 2), 0);
	assert_int_equal(config_read(&m, SLOT, 0x42, 1), 0xaa);
}

static void too_many_capabilities_are_refused(void **state)
{
	const uint8_t body[64] = { 0 };
	struct err *err = NULL;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(pci_function_add_capability(function, PCI_CAP_ID_VNDR, body,
							sizeof(body), NULL) > 0);
	assert_int_equal(
	    pci_function_add_capability(function, PCI_CAP_ID_VNDR, body, sizeof(body), &err), -1);
	assert_non_null(strstr(err_message(err), "no room"));
	err_free(err);
}

static void trapped_reads_come_out_and_the_window_comes_back(void **state)
{
	(void)state;
	pci_function_trap_reads(function, true);
	pci_function_trap_reads(function, true);
	pci_function_trap_reads(other, true);
	config_read(&m, SLOT, PCI_VENDOR_ID, 4);
	assert_int_equal(m.read_exits, 1);
	assert_int_equal(device.config_reads, 1);
	pci_function_trap_reads(function, false);
	assert_int_equal(config_read(&m, SLOT, PCI_VENDOR_ID, 4), 0x10431af4);
	assert_int_equal(m.read_exits, 2);
	assert_int_equal(device.config_reads, 1);
	pci_function_trap_reads(other, false);
	config_read(&m, SLOT, PCI_VENDOR_ID, 4);
	assert_int_equal(m.read_exits, 2);
}

static void a_slot_holds_one_function(void **state)
{
	struct pci_function *third = NULL;

	(void)state;
	assert_int_equal(pci_function_new(m.bus, SLOT, &class, &ops, &device, &third, NULL), -1);
	assert_int_equal(pci_function_new(m.bus, PCI_SLOTS, &class, &ops, &device, &third, NULL),
			 -1);
	assert_null(third);
}

static void bars_that_can_not_be_are_refused(void **state)
{
	(void)state;
	assert_int_equal(pci_function_add_bar(function, 0, BAR_SIZE, NULL), -1);
	assert_int_equal(pci_function_add_bar(function, PCI_BARS, BAR_SIZE, NULL), -1);
	assert_int_equal(pci_function_add_bar(function, 1, 2048, NULL), -1);
	assert_int_equal(pci_function_add_bar(function, 1, 0x6000, NULL), -1);
	assert_int_equal(pci_function_add_bar(function, 1, 0x40000000, NULL), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_header_says_what_the_function_is),
		T(what_is_not_there_reads_as_ones),
		T(reading_configuration_space_costs_no_exit),
		T(an_exit_reads_the_same_as_the_window),
		T(a_slot_is_empty_again_when_its_function_goes),
		T(read_only_registers_do_not_change),
		T(only_what_the_mask_lets_is_written),
		T(writing_1_clears_an_error_bit_and_writing_0_keeps_it),
		T(accesses_that_a_bus_can_not_carry_do_nothing),
		T(a_bar_tells_its_size_and_keeps_its_place),
		T(a_bar_answers_only_while_decoding_is_on),
		T(a_bar_that_moves_answers_at_its_new_place),
		T(a_bar_outside_the_window_answers_nowhere),
		T(a_bar_over_another_answers_nowhere),
		T(capabilities_form_a_list),
		T(too_many_capabilities_are_refused),
		T(trapped_reads_come_out_and_the_window_comes_back),
		T(a_slot_holds_one_function),
		T(bars_that_can_not_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
