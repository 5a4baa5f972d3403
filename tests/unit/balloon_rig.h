/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a balloon behind PCI, a guest's RAM, and a driver whose queues are in that RAM. */
#ifndef LODGE_TESTS_BALLOON_RIG_H
#define LODGE_TESTS_BALLOON_RIG_H

#include <linux/virtio_balloon.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/fakes/pci_driver.h"
#include "virtio/balloon.h"

struct guest_ram;

enum {
	RIG_SLOT = 1,
	RIG_QUEUE_SIZE = 128,
	RIG_RAM_MIB = 8,
	/* The driver's queues and buffers are in the second MiB; what's above is free to give. */
	RIG_BUFFERS = DRIVER_RAM_GPA + 0x10000,
	RIG_FREE_PAGE = 512,
	/* The numbers of the specification. */
	INFLATE = 0,
	DEFLATE,
	STATS,
	HINTS,
	REPORTS,
};

struct balloon_rig {
	struct test_machine m;
	struct driver_ram spare; /* what the machine came with */
	struct guest_ram *ram;
	struct virtio_device *dev;
	struct virtio_pci *transport;
	struct virtio_driver d;
	uint64_t next_buffer;
	uint16_t next_desc[VIRTIO_QUEUES_MAX];
	unsigned changes;
};

extern struct balloon_rig rig;

/* Plugs it in; the RAM's pages are new. For fuzzing, renew keeps the machine and the RAM. */
void rig_init(unsigned options, uint64_t ram_bytes);
void rig_renew(unsigned options);
void rig_unplug(void);
void rig_clear(void);

/* Brings it up with those VIRTIO_BALLOON_F_* (a mask), and those queues (a mask). False if it
 * refuses the features. */
bool rig_start(uint64_t features, unsigned queues);
/* With all of both. */
void rig_start_all(void);
bool rig_broken(void);
struct virtio_balloon_info rig_info(void);

/* Offers a buffer of the driver's: copies it into guest RAM, for the device to read. */
void rig_offer(unsigned queue, const void *data, uint32_t len);
/* Offers guest memory at gpa as it is. */
void rig_offer_at(unsigned queue, uint64_t gpa, uint32_t len, uint16_t flags);
/* Kicks and has the device work until it has nothing to do. How many turns that took. */
unsigned rig_kick(unsigned queue);

void *rig_page(uint64_t page);
/* The driver's used index. */
uint16_t rig_used(unsigned queue);

#endif
