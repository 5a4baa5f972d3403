/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that writes anything to PCI configuration space and to BARs.
 *
 * The input is a list of operations of 8 bytes: what, width, address (u16 or so), value (u32). At
 * all times every BAR that answers must lie in the PCI window and over nothing else, and the
 * registers that say what a function is must not change.
 */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pci/function.h"
#include "pci/msix.h"
#include "tests/fakes/fakes.h"
#include "tests/fakes/pci_driver.h"

enum { FUNCTIONS = 3, BARS = 2, OP_LEN = 8, OPS_MAX = 400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t bar_sizes[BARS] = { 0x1000, 0x4000 };

struct device {
	struct pci_function *function;
	struct msix *msix;
	uint8_t page[MSIX_PAGE_LEN];
	bool mapped[BARS];
	uint64_t gpa[BARS];
};

static struct device devices[FUNCTIONS];

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_place(const struct device *device, unsigned bar)
{
	uint64_t gpa = device->gpa[bar];

	check(gpa % bar_sizes[bar] == 0);
	check(gpa >= PCI_MMIO_BASE && gpa + bar_sizes[bar] <= PCI_MMIO_BASE + PCI_MMIO_LEN);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		for (unsigned j = 0; j < BARS; j++)
			if (devices[i].mapped[j] && !(&devices[i] == device && j == bar))
				check(gpa >= devices[i].gpa[j] + bar_sizes[j] ||
				      devices[i].gpa[j] >= gpa + bar_sizes[bar]);
}

static void on_mapped(void *opaque, unsigned bar, uint64_t gpa)
{
	struct device *device = opaque;

	check(!device->mapped[bar]);
	device->mapped[bar] = true;
	device->gpa[bar] = gpa;
	check_place(device, bar);
}

static void on_unmapped(void *opaque, unsigned bar, uint64_t gpa)
{
	struct device *device = opaque;

	check(device->mapped[bar] && device->gpa[bar] == gpa);
	device->mapped[bar] = false;
}

static void on_bar_read(void *opaque, unsigned bar, uint64_t offset, uint8_t *data, unsigned len)
{
	(void)opaque;
	check(offset + len <= bar_sizes[bar]);
	memset(data, 0x5a, len);
}

static void on_bar_write(void *opaque, unsigned bar, uint64_t offset, const uint8_t *data,
			 unsigned len)
{
	struct device *device = opaque;

	check(device->mapped[bar] && offset + len <= bar_sizes[bar]);
	if (bar == 0)
		msix_write(device->msix, offset, data, len);
}

static void on_config_read(void *opaque, unsigned offset, unsigned len)
{
	(void)opaque;
	check(offset + len <= PCI_ECAM_FUNCTION_LEN);
}

static void on_config_written(void *opaque, unsigned offset, unsigned len)
{
	struct device *device = opaque;

	check(offset + len <= PCI_CONFIG_LEN);
	pci_function_trap_reads(device->function,
				pci_function_config(device->function)[PCI_INTERRUPT_LINE] & 1);
	msix_config_written(device->msix);
}

static const struct pci_function_ops ops = {
	.bar_read = on_bar_read,
	.bar_write = on_bar_write,
	.bar_mapped = on_mapped,
	.bar_unmapped = on_unmapped,
	.config_read = on_config_read,
	.config_written = on_config_written,
};

static void plug(struct test_machine *m, unsigned i)
{
	const struct pci_function_class class = { .vendor = 0x1af4,
						  .device = (uint16_t)(0x1040 + i) };
	struct device *device = &devices[i];

	*device = (struct device){ .function = NULL };
	if (pci_function_new(m->bus, i + 1, &class, &ops, device, &device->function, NULL) < 0 ||
	    pci_function_add_bar(device->function, 0, bar_sizes[0], NULL) < 0 ||
	    pci_function_add_bar(device->function, 1, bar_sizes[1], NULL) < 0 ||
	    msix_new(fake_irqs(), device->function, 0, 0, device->page, 4, &device->msix, NULL) < 0)
		abort();
}

static void operate(struct test_machine *m, const uint8_t *op)
{
	static const uint8_t widths[8] = { 1, 2, 4, 4, 4, 8, 3, 5 };
	unsigned len = widths[op[1] & 7];
	const struct device *device = &devices[op[1] >> 3 & 1];
	unsigned bar = op[1] >> 4 & 1;
	uint16_t where = (uint16_t)(op[2] | op[3] << 8);
	uint64_t config = PCI_ECAM_BASE + (uint64_t)(op[0] >> 4) % 5 * PCI_ECAM_SLOT_LEN;
	uint8_t data[8], value[8];

	memcpy(value, op + 4, 4);
	memcpy(value + 4, op + 4, 4);
	switch (op[0] & 7) {
	case 0: /* the header and the capabilities */
	case 1:
		bus_write(&m->mmio, config + (where & 0xff), value, len);
		break;
	case 2: /* any of ECAM, and a little past it */
		bus_write(&m->mmio, PCI_ECAM_BASE + where * 17ull, value, len);
		break;
	case 3:
		bus_read(&m->mmio, PCI_ECAM_BASE + where * 17ull, data, len);
		break;
	case 4:
		bus_read(&m->mmio, config + (where & 0xff), data, len);
		break;
	case 5:
		bus_write(&m->mmio, device->gpa[bar] + (where & 0x3fff), value, len);
		break;
	case 6:
		bus_read(&m->mmio, device->gpa[bar] + (where & 0x3fff), data, len);
		break;
	case 7:
		msix_raise(devices[op[1] % FUNCTIONS].msix, where);
		break;
	}
}

static void check_identity(struct test_machine *m)
{
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		check(config_read(m, i + 1, PCI_VENDOR_ID, 4) == ((0x1040u + i) << 16 | 0x1af4));
		check(config_read(m, i + 1, PCI_INTERRUPT_PIN, 1) == 0);
		check(config_find_capability(m, i + 1, PCI_CAP_ID_MSIX, 0) == 0x40);
	}
	check(config_read(m, 0, PCI_VENDOR_ID, 4) == 0xffffffff);
	check(config_read(m, FUNCTIONS + 1, PCI_VENDOR_ID, 4) == 0xffffffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct test_machine m;

	log_to(-1);
	test_machine_renew(&m);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		plug(&m, i);
	for (size_t at = 0; at + OP_LEN <= size && at < (size_t)OPS_MAX * OP_LEN; at += OP_LEN)
		operate(&m, data + at);
	check_identity(&m);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		pci_function_free(devices[i].function);
		msix_free(devices[i].msix);
		check(!devices[i].mapped[0] && !devices[i].mapped[1]);
	}
	check(fakes_live() == 1); /* configuration space */
	return 0;
}
