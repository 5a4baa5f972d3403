/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's view of PCI and of virtio over PCI, for tests: loads and stores that go to a window, to
 * a doorbell, or else to the MMIO bus, as KVM would have it; and a driver that finds a device's
 * capabilities and brings it up as virtio 1.2, §3.1.1 says.
 */
#ifndef LODGE_TESTS_PCI_DRIVER_H
#define LODGE_TESTS_PCI_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "pci/bus.h"
#include "tests/fakes/driver.h"
#include "virtio/device.h"
#include "virtio/pci_transport.h"

struct test_machine {
	struct bus mmio;
	struct pci_bus *bus;
	struct loop *loop;
	struct driver_ram ram;
	unsigned read_exits; /* accesses that would have come out to user space */
	unsigned write_exits;
};

void test_machine_init(struct test_machine *m);
void test_machine_clear(struct test_machine *m);
/* For fuzzing: makes a machine once, and then makes it as if new, at less cost. Nothing may be
 * plugged in. */
void test_machine_renew(struct test_machine *m);
struct virtio_pci_host test_machine_host(struct test_machine *m);

uint32_t guest_read(struct test_machine *m, uint64_t gpa, unsigned len);
void guest_write(struct test_machine *m, uint64_t gpa, uint32_t value, unsigned len);

/* Configuration space of function 0 in a slot. */
uint32_t config_read(struct test_machine *m, unsigned slot, unsigned offset, unsigned len);
void config_write(struct test_machine *m, unsigned slot, unsigned offset, uint32_t value,
		  unsigned len);
/* The offset of the n-th capability of that id, from 0; 0 if there is none. */
unsigned config_find_capability(struct test_machine *m, unsigned slot, uint8_t id, unsigned n);

/* A virtio device, found by its capabilities. */
struct virtio_driver {
	struct test_machine *m;
	unsigned slot;
	unsigned msix; /* offsets of capabilities */
	unsigned pci_cfg;
	uint64_t common; /* gpas */
	uint64_t device;
	uint64_t isr;
	uint64_t notify;
	uint64_t msix_table;
	uint32_t notify_multiplier;
	struct driver_queue queues[VIRTIO_QUEUES_MAX];
};

/* Finds everything, and turns memory decoding and bus mastering on. */
void virtio_driver_probe(struct virtio_driver *d, struct test_machine *m, unsigned slot);
uint64_t virtio_driver_offered(struct virtio_driver *d);
/* Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK. False if the device refuses them. */
bool virtio_driver_negotiate(struct virtio_driver *d, uint64_t features);
/* Enables MSI-X and uses vector 0 for the configuration, and q + 1 for queue q or, where there are
 * fewer, the last one. */
void virtio_driver_use_msix(struct virtio_driver *d, unsigned n_queues);
/* Queue q of that size, its areas at DRIVER_RAM_GPA + q pages. */
void virtio_driver_setup_queue(struct virtio_driver *d, unsigned q, uint16_t size);
uint8_t virtio_driver_status(struct virtio_driver *d);
void virtio_driver_set_status(struct virtio_driver *d, uint8_t status);
/* All of the above, and DRIVER_OK. */
bool virtio_driver_start(struct virtio_driver *d, uint64_t features, unsigned n_queues,
			 uint16_t size);
void virtio_driver_kick(struct virtio_driver *d, unsigned q);

#endif
