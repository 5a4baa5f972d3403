/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of a virtqueue: see driver.h. */
#include "tests/fakes/driver.h"

#include <stdlib.h>
#include <string.h>

void driver_ram_init(struct driver_ram *ram)
{
	*ram = (struct driver_ram){ .bytes = aligned_alloc(4096, DRIVER_RAM_LEN) };
	if (!ram->bytes)
		abort();
	memset(ram->bytes, 0, DRIVER_RAM_LEN);
	if (guest_memory_add(&ram->memory, DRIVER_RAM_GPA, DRIVER_RAM_LEN, ram->bytes, NULL) < 0)
		abort();
}

void driver_ram_free(struct driver_ram *ram)
{
	free(ram->bytes);
}

void *driver_at(const struct driver_ram *ram, uint64_t gpa)
{
	return ram->bytes + (gpa - DRIVER_RAM_GPA);
}

static void put16(const struct driver_queue *queue, uint64_t gpa, uint16_t value)
{
	memcpy(driver_at(queue->ram, gpa), &value, sizeof(value));
}

static uint16_t get16(const struct driver_queue *queue, uint64_t gpa)
{
	uint16_t value;

	memcpy(&value, driver_at(queue->ram, gpa), sizeof(value));
	return value;
}

void driver_queue_init(struct driver_queue *queue, const struct driver_ram *ram, uint64_t gpa,
		       uint16_t size)
{
	*queue = (struct driver_queue){
		.ram = ram,
		.size = size,
		.desc = gpa,
		.avail = gpa + 16ull * size,
		.used = (gpa + 18ull * size + 6 + 3) & ~3ull,
	};
	memset(driver_at(ram, gpa), 0, 4096);
}

void driver_set_desc(struct driver_queue *queue, uint16_t index, uint64_t addr, uint32_t len,
		     uint16_t flags, uint16_t next)
{
	const struct vring_desc desc = { .addr = addr, .len = len, .flags = flags, .next = next };

	memcpy(driver_at(queue->ram, queue->desc + 16ull * index), &desc, sizeof(desc));
}

void driver_offer(struct driver_queue *queue, uint16_t head)
{
	put16(queue, queue->avail + 4 + 2ull * (queue->next_avail % queue->size), head);
	driver_set_avail_idx(queue, ++queue->next_avail);
}

void driver_set_avail_idx(struct driver_queue *queue, uint16_t idx)
{
	put16(queue, queue->avail + 2, idx);
}

void driver_set_avail_flags(struct driver_queue *queue, uint16_t flags)
{
	put16(queue, queue->avail, flags);
}

void driver_set_used_event(struct driver_queue *queue, uint16_t idx)
{
	put16(queue, queue->avail + 4 + 2ull * queue->size, idx);
}

uint16_t driver_avail_event(const struct driver_queue *queue)
{
	return get16(queue, queue->used + 4 + 8ull * queue->size);
}

uint16_t driver_used_flags(const struct driver_queue *queue)
{
	return get16(queue, queue->used);
}

uint16_t driver_used_idx(const struct driver_queue *queue)
{
	return get16(queue, queue->used + 2);
}

struct vring_used_elem driver_used(const struct driver_queue *queue, uint16_t idx)
{
	struct vring_used_elem elem;

	memcpy(&elem, driver_at(queue->ram, queue->used + 4 + 8ull * (idx % queue->size)),
	       sizeof(elem));
	return elem;
}
