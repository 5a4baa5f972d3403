/* SPDX-License-Identifier: Apache-2.0 */
/* A PCI function: see function.h. */
#include "pci/function.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "pci/bus.h"

struct pci_bar {
	uint32_t size; /* 0: not there */
	bool mapped;
	uint64_t gpa; /* where it answers, if mapped */
	struct pci_function *function;
};

struct pci_function {
	struct pci_bus *bus;
	unsigned slot;
	const struct pci_function_ops *ops;
	void *opaque;
	uint8_t *config; /* PCI_ECAM_FUNCTION_LEN bytes that the guest reads */
	uint8_t writable[PCI_CONFIG_LEN];
	uint8_t write_1_clears[PCI_CONFIG_LEN];
	struct pci_bar bars[PCI_BARS];
	unsigned capabilities_end; /* where the next capability goes */
	unsigned last_capability;  /* offset of the last one's next pointer */
	bool traps_reads;
};

/* lodge plays the firmware: what a BIOS would have left in a register for Linux to find. With
 * these, a driver has nothing to correct, which saves a write (an exit) each: there is no legacy
 * interrupt, so it's off; and the latency timer, without meaning here, is one that Linux accepts.
 */
enum { INITIAL_COMMAND = PCI_COMMAND_INTX_DISABLE, INITIAL_LATENCY_TIMER = 64 };

static uint16_t get16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static void put(uint8_t *p, uint32_t value, unsigned len)
{
	memcpy(p, &value, len);
}

static bool overlaps(unsigned offset, unsigned len, unsigned field, unsigned field_len)
{
	return offset < field + field_len && field < offset + len;
}

/*
 * BARs.
 */

static void bar_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	struct pci_bar *bar = opaque;
	struct pci_function *function = bar->function;

	memset(data, 0xff, len);
	if (function->ops->bar_read)
		function->ops->bar_read(function->opaque, (unsigned)(bar - function->bars), offset,
					data, len);
}

static void bar_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	struct pci_bar *bar = opaque;
	struct pci_function *function = bar->function;

	if (function->ops->bar_write)
		function->ops->bar_write(function->opaque, (unsigned)(bar - function->bars), offset,
					 data, len);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

static void bar_unmap(struct pci_bar *bar)
{
	struct pci_function *function = bar->function;

	if (!bar->mapped)
		return;
	bar->mapped = false;
	if (function->ops->bar_unmapped)
		function->ops->bar_unmapped(function->opaque, (unsigned)(bar - function->bars),
					    bar->gpa);
	bus_remove(pci_bus_mmio(function->bus), bar->gpa);
}

static void bar_map(struct pci_bar *bar, uint64_t gpa)
{
	struct pci_function *function = bar->function;
	_cleanup_err_ struct err *err = NULL;

	if (bus_add(pci_bus_mmio(function->bus), gpa, bar->size, &bar_ops, bar, &err) < 0) {
		log_limited("PCI slot %u: no decoding at 0x%" PRIx64 ": %s", function->slot, gpa,
			    err_message(err));
		return;
	}
	bar->mapped = true;
	bar->gpa = gpa;
	if (function->ops->bar_mapped)
		function->ops->bar_mapped(function->opaque, (unsigned)(bar - function->bars), gpa);
}

/* Makes each BAR answer where its register and the command register say. A BAR outside the PCI
 * window, and one that is in another's way, answers nowhere. */
static void update_bars(struct pci_function *function)
{
	bool decoding = get16(function->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;

	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &function->bars[i];
		uint64_t gpa = get32(function->config + PCI_BASE_ADDRESS_0 + 4 * i) &
			       (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
		bool inside = bar->size != 0 && gpa >= PCI_MMIO_BASE &&
			      gpa + bar->size <= PCI_MMIO_BASE + PCI_MMIO_LEN;

		if (bar->mapped && decoding && gpa == bar->gpa)
			continue;
		bar_unmap(bar);
		if (decoding && inside)
			bar_map(bar, gpa);
	}
}

int pci_function_add_bar(struct pci_function *function, unsigned bar, uint32_t size,
			 struct err **err)
{
	uint32_t address;

	if (bar >= PCI_BARS || function->bars[bar].size != 0 || size < 4096 ||
	    (size & (size - 1)) != 0)
		return err_set(err, ERR_FAILED, 0, "PCI slot %u: bad BAR %u", function->slot, bar);
	if (pci_bus_place(function->bus, size, &address, err) < 0)
		return -1;
	function->bars[bar] = (struct pci_bar){ .size = size, .function = function };
	put(function->config + PCI_BASE_ADDRESS_0 + 4 * bar, address, 4);
	/* The bits below the size stay 0, which is how a driver learns it (6.2.5.1). */
	pci_function_allow_write(function, PCI_BASE_ADDRESS_0 + 4 * bar, ~(size - 1), 4);
	return 0;
}

/*
 * Configuration space.
 */

void pci_function_config_read(struct pci_function *function, unsigned offset, uint8_t *data,
			      unsigned len)
{
	if (function->traps_reads && function->ops->config_read)
		function->ops->config_read(function->opaque, offset, len);
	memcpy(data, function->config + offset, len);
}

void pci_function_config_write(struct pci_function *function, unsigned offset, const uint8_t *data,
			       unsigned len)
{
	uint8_t value[4];

	if (offset + len > PCI_CONFIG_LEN)
		return; /* there are no extended capabilities, so there is nothing to write */
	for (unsigned i = 0; i < len; i++) {
		uint8_t old = function->config[offset + i];
		uint8_t set = function->writable[offset + i];

		value[i] = (old & ~set) | (data[i] & set);
		value[i] &= ~(data[i] & function->write_1_clears[offset + i]);
	}
	/* In one piece: another vCPU may be reading. */
	memcpy(function->config + offset, value, len);

	if (overlaps(offset, len, PCI_COMMAND, 2) ||
	    overlaps(offset, len, PCI_BASE_ADDRESS_0, 4 * PCI_BARS))
		update_bars(function);
	if (function->ops->config_written)
		function->ops->config_written(function->opaque, offset, len);
}

void pci_function_allow_write(struct pci_function *function, unsigned offset, uint32_t mask,
			      unsigned len)
{
	put(function->writable + offset, mask, len);
}

int pci_function_add_capability(struct pci_function *function, uint8_t id, const void *body,
				unsigned len, struct err **err)
{
	unsigned offset = function->capabilities_end;

	if (len < 2 || len > PCI_CONFIG_LEN || offset + len > PCI_CONFIG_LEN)
		return err_set(err, ERR_FAILED, 0, "PCI slot %u: no room for a capability",
			       function->slot);
	memcpy(function->config + offset, body, len);
	function->config[offset + PCI_CAP_LIST_ID] = id;
	function->config[offset + PCI_CAP_LIST_NEXT] = 0;
	function->config[function->last_capability] = (uint8_t)offset;
	function->last_capability = offset + PCI_CAP_LIST_NEXT;
	/* The two low bits of a next pointer are reserved (6.7). */
	function->capabilities_end = (offset + len + 3) & ~3u;
	return (int)offset;
}

uint8_t *pci_function_config(struct pci_function *function)
{
	return function->config;
}

bool pci_function_bus_master(const struct pci_function *function)
{
	return get16(function->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

void pci_function_trap_reads(struct pci_function *function, bool trap)
{
	if (function->traps_reads == trap)
		return;
	function->traps_reads = trap;
	pci_bus_trap_reads(function->bus, trap);
}

static void init_header(struct pci_function *function, const struct pci_function_class *class)
{
	uint8_t *config = function->config;

	put(config + PCI_VENDOR_ID, class->vendor, 2);
	put(config + PCI_DEVICE_ID, class->device, 2);
	put(config + PCI_COMMAND, INITIAL_COMMAND, 2);
	put(config + PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(config + PCI_CLASS_REVISION, class->class_code << 8 | class->revision, 4);
	put(config + PCI_LATENCY_TIMER, INITIAL_LATENCY_TIMER, 1);
	put(config + PCI_SUBSYSTEM_VENDOR_ID, class->subsystem_vendor, 2);
	put(config + PCI_SUBSYSTEM_ID, class->subsystem, 2);

	pci_function_allow_write(function, PCI_COMMAND,
				 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE,
				 2);
	pci_function_allow_write(function, PCI_CACHE_LINE_SIZE, 0xff, 1);
	pci_function_allow_write(function, PCI_LATENCY_TIMER, 0xff, 1);
	pci_function_allow_write(function, PCI_INTERRUPT_LINE, 0xff, 1);
	put(function->write_1_clears + PCI_STATUS,
	    PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT |
		PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR |
		PCI_STATUS_DETECTED_PARITY,
	    2);
}

int pci_function_new(struct pci_bus *bus, unsigned slot, const struct pci_function_class *class,
		     const struct pci_function_ops *ops, void *opaque,
		     struct pci_function **ret_function, struct err **err)
{
	struct pci_function *function = calloc(1, sizeof(*function));

	if (!function)
		return err_set(err, ERR_NO_SPACE, errno, "PCI slot %u", slot);
	*function = (struct pci_function){
		.bus = bus,
		.slot = slot,
		.ops = ops,
		.opaque = opaque,
		.capabilities_end = PCI_STD_HEADER_SIZEOF,
		.last_capability = PCI_CAPABILITY_LIST,
	};
	if (pci_bus_plug(bus, slot, function, &function->config, err) < 0) {
		free(function);
		return -1;
	}
	init_header(function, class);
	*ret_function = function;
	return 0;
}

void pci_function_free(struct pci_function *function)
{
	if (!function)
		return;
	for (unsigned i = 0; i < PCI_BARS; i++)
		bar_unmap(&function->bars[i]);
	pci_function_trap_reads(function, false);
	pci_bus_unplug(function->bus, function->slot);
	free(function);
}
