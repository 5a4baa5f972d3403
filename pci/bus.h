/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI bus of a guest: bus 0 of segment 0, 32 slots, one function a slot.
 *
 * Configuration space is reached through ECAM only (PCI Express base 4.0, 7.2.2): 4 KiB a
 * function, 8 functions a slot, 1 MiB a bus. All of it is a memory image that the guest reads
 * without an exit (vm/window.h). Slots that hold nothing, and functions 1 to 7, read as ones, as
 * PCI 3.0, 6.1 wants; they share one small file, so that only the pages of real functions cost
 * memory of their own. Writes come out as MMIO exits and change what the function's write mask lets
 * them change.
 *
 * There is no host bridge function and there are no legacy interrupts. lodge plays the firmware: it
 * gives each base address register a place in the 32-bit window before the guest starts, and leaves
 * memory decoding off until a driver turns it on.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_PCI_BUS_H
#define LODGE_PCI_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/bus.h"

struct err;
struct pci_bus;
struct pci_function;
struct vm;

#define PCI_ECAM_BASE 0xe0000000ull
#define PCI_ECAM_LEN  0x100000ull /* 1 MiB: bus 0 */
#define PCI_MMIO_BASE 0xc0000000ull
#define PCI_MMIO_LEN  0x20000000ull /* 512 MiB, where base addresses must lie */

enum { PCI_SLOTS = 32, PCI_ECAM_FUNCTION_LEN = 4096, PCI_ECAM_SLOT_LEN = 32768 };

/* An empty bus whose configuration space is at PCI_ECAM_BASE. vm and mmio stay the caller's and
 * outlive the bus. */
int pci_bus_new(struct vm *vm, struct bus *mmio, struct pci_bus **ret_bus, struct err **err);
/* All functions must have been freed. NULL is fine. */
void pci_bus_free(struct pci_bus *bus);

/* For functions only (pci/function.c). */

/* Puts a function into a slot (0 to 31) and gives it its page of configuration space, zeroed. */
int pci_bus_plug(struct pci_bus *bus, unsigned slot, struct pci_function *function,
		 uint8_t **ret_config, struct err **err);
/* The slot reads as ones again. */
void pci_bus_unplug(struct pci_bus *bus, unsigned slot);
/* A place for a base address register of size bytes, a power of two. */
int pci_bus_place(struct pci_bus *bus, uint32_t size, uint32_t *ret_address, struct err **err);
struct bus *pci_bus_mmio(struct pci_bus *bus);
/* While one function or more asks for it, reads of configuration space come out as exits too.
 * That's for registers whose reads do something. Each `true` must be followed by one `false`. */
void pci_bus_trap_reads(struct pci_bus *bus, bool trap);

#endif
