/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X: the table, its masks, and interrupts that wait for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <string.h>

#include "pci/function.h"
#include "pci/msix.h"
#include "tests/fakes/fakes.h"
#include "tests/fakes/pci_driver.h"

enum { SLOT = 1, VECTORS = 3, PAGE_OFFSET = 0x1000 };

static const struct pci_function_class class = { .vendor = 0x1af4, .device = 0x1044 };

static struct test_machine m;
static struct pci_function *function;
static struct msix *msix;
static unsigned capability;
static uint8_t page[MSIX_PAGE_LEN];

static void on_config_written(void *opaque, unsigned offset, unsigned len)
{
	(void)opaque;
	(void)offset;
	(void)len;
	msix_config_written(msix);
}

static const struct pci_function_ops ops = { .config_written = on_config_written };

static int setup(void **state)
{
	(void)state;
	test_machine_init(&m);
	memset(page, 0, sizeof(page));
	assert_int_equal(pci_function_new(m.bus, SLOT, &class, &ops, NULL, &function, NULL), 0);
	assert_int_equal(
	    msix_new(fake_irqs(), function, 0, PAGE_OFFSET, page, VECTORS, &msix, NULL), 0);
	capability = config_find_capability(&m, SLOT, PCI_CAP_ID_MSIX, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	msix_free(msix);
	pci_function_free(function);
	test_machine_clear(&m);
	assert_int_equal(fakes_live(), 0);
	return 0;
}

static void control(uint16_t value)
{
	config_write(&m, SLOT, capability + PCI_MSIX_FLAGS, value, 2);
}

static void entry(unsigned vector, unsigned field, uint32_t value)
{
	msix_write(msix, vector * PCI_MSIX_ENTRY_SIZE + field, (const uint8_t *)&value, 4);
}

static uint32_t entry_value(unsigned vector, unsigned field)
{
	uint32_t value;

	memcpy(&value, page + vector * PCI_MSIX_ENTRY_SIZE + field, 4);
	return value;
}

static uint8_t pending(void)
{
	return page[MSIX_PBA_OFFSET];
}

static void the_capability_says_where_the_table_is(void **state)
{
	(void)state;
	assert_int_equal(config_read(&m, SLOT, capability + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	assert_int_equal(config_read(&m, SLOT, capability + PCI_MSIX_TABLE, 4), PAGE_OFFSET);
	assert_int_equal(config_read(&m, SLOT, capability + PCI_MSIX_PBA, 4),
			 PAGE_OFFSET + MSIX_PBA_OFFSET);
	control(0xffff);
	assert_int_equal(config_read(&m, SLOT, capability + PCI_MSIX_FLAGS, 2),
			 (VECTORS - 1) | PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static void every_vector_begins_masked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VECTORS; i++)
		assert_int_equal(entry_value(i, PCI_MSIX_ENTRY_VECTOR_CTRL),
				 PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void a_vector_sends_the_message_that_was_written(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(1, PCI_MSIX_ENTRY_LOWER_ADDR, 0xfee01003);
	entry(1, PCI_MSIX_ENTRY_UPPER_ADDR, 0x12);
	entry(1, PCI_MSIX_ENTRY_DATA, 0x4025);
	entry(1, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	assert_int_equal(fakes.lines[1].address, 0x12fee01000);
	assert_int_equal(fakes.lines[1].data, 0x4025);
	msix_raise(msix, 1);
	assert_int_equal(fakes.lines[1].raised, 1);
	assert_int_equal(fakes.lines[0].raised + fakes.lines[2].raised, 0);
	assert_int_equal(pending(), 0);
}

static void eight_bytes_at_once_are_two_fields(void **state)
{
	const uint64_t address = 0x12fee02000, rest = 0x77;

	(void)state;
	msix_write(msix, PCI_MSIX_ENTRY_SIZE, (const uint8_t *)&address, 8);
	msix_write(msix, PCI_MSIX_ENTRY_SIZE + 8, (const uint8_t *)&rest, 8);
	assert_int_equal(fakes.lines[1].address, address);
	assert_int_equal(fakes.lines[1].data, 0x77);
	assert_int_equal(entry_value(1, PCI_MSIX_ENTRY_VECTOR_CTRL), 0);
}

static void nothing_is_sent_while_msix_is_off(void **state)
{
	(void)state;
	entry(0, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	msix_raise(msix, 0);
	assert_int_equal(fakes.lines[0].raised, 0);
	assert_int_equal(pending(), 0);
	assert_false(msix_enabled(msix));
}

static void a_masked_vector_waits_for_its_mask(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	msix_raise(msix, 2);
	msix_raise(msix, 2);
	assert_int_equal(pending(), 4);
	assert_int_equal(fakes.lines[2].raised, 0);
	entry(2, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	assert_int_equal(pending(), 0);
	assert_int_equal(fakes.lines[2].raised, 1);
}

static void the_functions_mask_holds_every_vector(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	entry(0, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	msix_raise(msix, 0);
	msix_raise(msix, 1); /* has a mask of its own too */
	assert_int_equal(pending(), 3);
	control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(pending(), 2);
	assert_int_equal(fakes.lines[0].raised, 1);
	assert_int_equal(fakes.lines[1].raised, 0);
}

static void turning_msix_off_forgets_what_was_pending(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	msix_raise(msix, 0);
	control(0);
	assert_int_equal(pending(), 0);
	control(PCI_MSIX_FLAGS_ENABLE);
	entry(0, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	assert_int_equal(fakes.lines[0].raised, 0);
}

static void odd_writes_and_writes_elsewhere_are_dropped(void **state)
{
	uint8_t before[MSIX_PAGE_LEN];
	const uint8_t ones[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	(void)state;
	memcpy(before, page, sizeof(before));
	msix_write(msix, 0, ones, 1);
	msix_write(msix, 0, ones, 2);
	msix_write(msix, 2, ones, 4);
	msix_write(msix, 4, ones, 8);
	msix_write(msix, VECTORS * PCI_MSIX_ENTRY_SIZE, ones, 4);
	msix_write(msix, MSIX_PBA_OFFSET, ones, 8);
	msix_write(msix, MSIX_PAGE_LEN - 8, ones, 8);
	msix_write(msix, UINT64_MAX - 3, ones, 4);
	assert_memory_equal(before, page, sizeof(before));
}

static void a_vector_that_is_not_there_sends_nothing(void **state)
{
	(void)state;
	control(PCI_MSIX_FLAGS_ENABLE);
	msix_raise(msix, VECTORS);
	msix_raise(msix, 0xffff);
	assert_int_equal(pending(), 0);
}

static void a_host_without_lines_is_an_error(void **state)
{
	struct msix *none = NULL;

	(void)state;
	fakes.fail_lines = true;
	assert_int_equal(msix_new(fake_irqs(), function, 0, 0, page, 1, &none, NULL), -1);
	assert_int_equal(msix_new(fake_irqs(), function, 0, 0, page, 0, &none, NULL), -1);
	assert_int_equal(
	    msix_new(fake_irqs(), function, 0, 0, page, MSIX_VECTORS_MAX + 1, &none, NULL), -1);
	assert_null(none);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_capability_says_where_the_table_is),
		T(every_vector_begins_masked),
		T(a_vector_sends_the_message_that_was_written),
		T(eight_bytes_at_once_are_two_fields),
		T(nothing_is_sent_while_msix_is_off),
		T(a_masked_vector_waits_for_its_mask),
		T(the_functions_mask_holds_every_vector),
		T(turning_msix_off_forgets_what_was_pending),
		T(odd_writes_and_writes_elsewhere_are_dropped),
		T(a_vector_that_is_not_there_sends_nothing),
		T(a_host_without_lines_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
