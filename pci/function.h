/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PCI function: its configuration space (a type 0 header and a list of capabilities) and its
 * base address registers (BARs).
 *
 * Configuration space is a page of memory with two masks of 256 bytes beside it: which bits a write
 * sets, and which bits a write of 1 clears. All other bits are read-only.
 * Source: PCI Local Bus 3.0, 6.1, 6.2, 6.7.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_PCI_FUNCTION_H
#define LODGE_PCI_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pci_bus;
struct pci_function;

enum { PCI_BARS = 6, PCI_CONFIG_LEN = 256 };

struct pci_function_class {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint32_t class_code; /* 24 bits: class, subclass, programming interface */
	uint8_t revision;
};

/* What the device behind a function does. Any operation may be NULL. */
struct pci_function_ops {
	/* An access to a BAR, from a guest's exit: len is 1 to 8, and offset + len is within the
	 * BAR. */
	void (*bar_read)(void *opaque, unsigned bar, uint64_t offset, uint8_t *data, unsigned len);
	void (*bar_write)(void *opaque, unsigned bar, uint64_t offset, const uint8_t *data,
			  unsigned len);
	/* The BAR answers at gpa from now on; it no longer does. Between two calls of the first
	 * there is always one of the second. */
	void (*bar_mapped)(void *opaque, unsigned bar, uint64_t gpa);
	void (*bar_unmapped)(void *opaque, unsigned bar, uint64_t gpa);
	/* A read of [offset, offset + len) of configuration space is about to be answered from its
	 * memory; called only while pci_function_trap_reads() is on. */
	void (*config_read)(void *opaque, unsigned offset, unsigned len);
	/* A write to [offset, offset + len) has changed what it may change. */
	void (*config_written)(void *opaque, unsigned offset, unsigned len);
};

/* Puts a new function into a slot of the bus. ops and opaque stay the caller's and outlive it. */
int pci_function_new(struct pci_bus *bus, unsigned slot, const struct pci_function_class *class,
		     const struct pci_function_ops *ops, void *opaque,
		     struct pci_function **ret_function, struct err **err);
/* Takes it off the bus, unmapping its BARs. NULL is fine. */
void pci_function_free(struct pci_function *function);

/* Makes a 32-bit, non-prefetchable memory BAR of size bytes, a power of two of 4096 or more, and
 * gives it a place in the PCI window. */
int pci_function_add_bar(struct pci_function *function, unsigned bar, uint32_t size,
			 struct err **err);
/* Appends a capability of len bytes (its first two, id and next, included and filled in here) to
 * the list. Returns its offset, or -1 if configuration space is full. */
int pci_function_add_capability(struct pci_function *function, uint8_t id, const void *body,
				unsigned len, struct err **err);
/* Lets the guest set the bits of mask at offset. */
void pci_function_allow_write(struct pci_function *function, unsigned offset, uint32_t mask,
			      unsigned len);

/* Configuration space as bytes; PCI_CONFIG_LEN of them. */
uint8_t *pci_function_config(struct pci_function *function);
/* Whether the guest lets the function reach memory (command register, bus master enable). */
bool pci_function_bus_master(const struct pci_function *function);
/* Whether reads of this function's configuration space call config_read (pci_bus_trap_reads()). */
void pci_function_trap_reads(struct pci_function *function, bool trap);

/* Accesses from ECAM (pci/bus.c): offset within the function's 4 KiB. Only aligned accesses of 1, 2
 * and 4 bytes mean anything. */
void pci_function_config_read(struct pci_function *function, unsigned offset, uint8_t *data,
			      unsigned len);
void pci_function_config_write(struct pci_function *function, unsigned offset, const uint8_t *data,
			       unsigned len);

#endif
