/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of a virtqueue: a small driver for tests, with a guest's memory of its own.
 */
#ifndef LODGE_TESTS_DRIVER_H
#define LODGE_TESTS_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdint.h>

#include "vm/guest_memory.h"

/* Guest RAM at DRIVER_RAM_GPA. */
enum { DRIVER_RAM_LEN = 1 << 20, DRIVER_RAM_GPA = 0x100000 };

struct driver_ram {
	uint8_t *bytes;
	struct guest_memory memory;
};

/* Zeroed RAM; exits the process if there is none. */
void driver_ram_init(struct driver_ram *ram);
void driver_ram_free(struct driver_ram *ram);
/* What is at gpa. */
void *driver_at(const struct driver_ram *ram, uint64_t gpa);

/* A queue whose three areas are one after the other from desc on. */
struct driver_queue {
	const struct driver_ram *ram;
	uint16_t size;
	uint64_t desc, avail, used; /* gpas */
	uint16_t next_avail;
	uint16_t next_used;
};

/* Takes 4096 bytes at gpa. size is at most 128. */
void driver_queue_init(struct driver_queue *queue, const struct driver_ram *ram, uint64_t gpa,
		       uint16_t size);
void driver_set_desc(struct driver_queue *queue, uint16_t index, uint64_t addr, uint32_t len,
		     uint16_t flags, uint16_t next);
/* Offers the chain that starts at head. */
void driver_offer(struct driver_queue *queue, uint16_t head);
void driver_set_avail_idx(struct driver_queue *queue, uint16_t idx);
void driver_set_avail_flags(struct driver_queue *queue, uint16_t flags);
void driver_set_used_event(struct driver_queue *queue, uint16_t idx);
uint16_t driver_avail_event(const struct driver_queue *queue);
uint16_t driver_used_flags(const struct driver_queue *queue);
uint16_t driver_used_idx(const struct driver_queue *queue);
struct vring_used_elem driver_used(const struct driver_queue *queue, uint16_t idx);

#endif
