/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI bus of a guest: see bus.h. */
#include "pci/bus.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "pci/function.h"
#include "vm/window.h"

struct pci_bus {
	struct vm *vm;
	struct bus *mmio;
	uint8_t *image; /* PCI_ECAM_LEN bytes, as the guest reads them */
	struct vm_window *window;
	unsigned n_traps; /* functions that want reads to come out */
	bool added;	  /* to mmio */
	uint64_t next;	  /* where the next BAR goes */
	struct pci_function *functions[PCI_SLOTS];
};

static uint8_t *slot_config(struct pci_bus *bus, unsigned slot)
{
	return bus->image + (size_t)slot * PCI_ECAM_SLOT_LEN;
}

/* The function at an ECAM offset, or NULL. */
static struct pci_function *bus_function(struct pci_bus *bus, uint64_t offset)
{
	if (offset % PCI_ECAM_SLOT_LEN >= PCI_ECAM_FUNCTION_LEN)
		return NULL;
	return bus->functions[offset / PCI_ECAM_SLOT_LEN];
}

/* An access of 1, 2 or 4 bytes within a naturally aligned dword (PCI 3.0, 3.2.2.3.1). Others can't
 * come over a PCI bus, and read ones and write nothing. */
static bool access_is_sane(uint64_t offset, unsigned len)
{
	return (len == 1 || len == 2 || len == 4) && offset % len == 0;
}

static void ecam_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	struct pci_bus *bus = opaque;
	struct pci_function *function = bus_function(bus, offset);

	if (function && access_is_sane(offset, len))
		pci_function_config_read(function, offset % PCI_ECAM_FUNCTION_LEN, data, len);
	else
		memset(data, 0xff, len);
}

static void ecam_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	struct pci_bus *bus = opaque;
	struct pci_function *function = bus_function(bus, offset);

	if (function && access_is_sane(offset, len))
		pci_function_config_write(function, offset % PCI_ECAM_FUNCTION_LEN, data, len);
}

static const struct bus_ops ecam_ops = { .read = ecam_read, .write = ecam_write };

/* Fills the descriptor's file with one slot's worth of ones. */
static int write_ones(int fd)
{
	uint8_t ones[PCI_ECAM_FUNCTION_LEN];

	memset(ones, 0xff, sizeof(ones));
	for (off_t at = 0; at < PCI_ECAM_SLOT_LEN; at += PCI_ECAM_FUNCTION_LEN)
		if (pwrite(fd, ones, sizeof(ones), at) != (ssize_t)sizeof(ones))
			return -1;
	return 0;
}

/* Each slot is a private mapping of the same file, so that all empty slots share its pages, and a
 * function that is plugged in gets a page of its own when that is first written. */
static int map_image(struct pci_bus *bus, struct err **err)
{
	_cleanup_close_ int fd = memfd_create("pci-empty", MFD_CLOEXEC);
	uint8_t *image;

	if (fd < 0 || write_ones(fd) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "PCI configuration space");
	image = mmap(NULL, PCI_ECAM_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image == MAP_FAILED)
		return err_set(err, err_code_from_errno(errno), errno, "PCI configuration space");
	bus->image = image;
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (mmap(slot_config(bus, slot), PCI_ECAM_SLOT_LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
			return err_set(err, err_code_from_errno(errno), errno,
				       "PCI configuration space");
	return 0;
}

int pci_bus_new(struct vm *vm, struct bus *mmio, struct pci_bus **ret_bus, struct err **err)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return err_set(err, ERR_NO_SPACE, errno, "PCI bus");
	*bus = (struct pci_bus){ .vm = vm, .mmio = mmio, .next = PCI_MMIO_BASE };
	if (map_image(bus, err) < 0)
		goto fail;
	if (bus_add(mmio, PCI_ECAM_BASE, PCI_ECAM_LEN, &ecam_ops, bus, err) < 0)
		goto fail;
	bus->added = true;
	if (vm_window_new(vm, PCI_ECAM_BASE, bus->image, PCI_ECAM_LEN, &bus->window, err) < 0)
		goto fail;
	*ret_bus = bus;
	return 0;
fail:
	pci_bus_free(bus);
	return err_wrap(err, "PCI");
}

void pci_bus_free(struct pci_bus *bus)
{
	if (!bus)
		return;
	vm_window_free(bus->window);
	if (bus->added)
		bus_remove(bus->mmio, PCI_ECAM_BASE);
	if (bus->image)
		munmap(bus->image, PCI_ECAM_LEN);
	free(bus);
}

int pci_bus_plug(struct pci_bus *bus, unsigned slot, struct pci_function *function,
		 uint8_t **ret_config, struct err **err)
{
	if (slot >= PCI_SLOTS)
		return err_set(err, ERR_FAILED, 0, "PCI has no slot %u", slot);
	if (bus->functions[slot])
		return err_set(err, ERR_FAILED, 0, "PCI slot %u is in use", slot);
	bus->functions[slot] = function;
	memset(slot_config(bus, slot), 0, PCI_ECAM_FUNCTION_LEN);
	*ret_config = slot_config(bus, slot);
	return 0;
}

void pci_bus_unplug(struct pci_bus *bus, unsigned slot)
{
	bus->functions[slot] = NULL;
	memset(slot_config(bus, slot), 0xff, PCI_ECAM_FUNCTION_LEN);
	/* Places are given out one after the other, and begin anew on an empty bus. */
	for (unsigned i = 0; i < PCI_SLOTS; i++)
		if (bus->functions[i])
			return;
	bus->next = PCI_MMIO_BASE;
}

int pci_bus_place(struct pci_bus *bus, uint32_t size, uint32_t *ret_address, struct err **err)
{
	uint64_t address = (bus->next + size - 1) & ~((uint64_t)size - 1);

	if (address + size > PCI_MMIO_BASE + PCI_MMIO_LEN)
		return err_set(err, ERR_FAILED, 0, "the PCI window is full");
	bus->next = address + size;
	*ret_address = (uint32_t)address;
	return 0;
}

struct bus *pci_bus_mmio(struct pci_bus *bus)
{
	return bus->mmio;
}

void pci_bus_trap_reads(struct pci_bus *bus, bool trap)
{
	_cleanup_err_ struct err *err = NULL;

	if (trap) {
		if (bus->n_traps++ == 0) {
			vm_window_free(bus->window);
			bus->window = NULL;
		}
		return;
	}
	/* Without the window, reads come out as exits and are answered from the same memory. */
	if (--bus->n_traps == 0 &&
	    vm_window_new(bus->vm, PCI_ECAM_BASE, bus->image, PCI_ECAM_LEN, &bus->window, &err) < 0)
		log_limited("PCI: configuration space without a window: %s", err_message(err));
}
