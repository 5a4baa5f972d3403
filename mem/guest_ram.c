/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's RAM: see guest_ram.h. */
#include "mem/guest_ram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vm/guest_memory.h"

/* Guest RAM starts at a multiple of the huge page size in the host too, so that a huge page of the
 * host is one of the guest. */
#define HUGE_PAGE_SIZE (UINT64_C(2) << 20)
#define PAGE_MASK_4K   UINT64_C(0xfff)

struct guest_ram {
	uint8_t *base;
	uint64_t size;
	struct guest_memory memory;
};

static uint8_t *reserve(uint64_t size)
{
	uint64_t len = size + HUGE_PAGE_SIZE;
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;

	uint64_t head = (HUGE_PAGE_SIZE - ((uintptr_t)p & (HUGE_PAGE_SIZE - 1))) % HUGE_PAGE_SIZE;

	if (head)
		munmap(p, head);
	munmap(p + head + size, len - head - size);
	return p + head;
}

int guest_ram_new(uint64_t size, struct guest_ram **ret_ram, struct err **err)
{
	if (size == 0 || (size & PAGE_MASK_4K))
		return err_set(err, ERR_USAGE, 0, "guest RAM: the size must be whole pages");
	if (size > UINT64_MAX - GUEST_RAM_HIGH_START)
		return err_set(err, ERR_USAGE, 0, "guest RAM: %" PRIu64 " bytes is too much", size);

	struct guest_ram *ram = calloc(1, sizeof(*ram));

	if (!ram)
		return err_set(err, ERR_NO_SPACE, errno, "guest RAM");
	ram->size = size;
	ram->base = reserve(size);
	if (!ram->base) {
		free(ram);
		return err_set(err, ERR_NO_SPACE, errno,
			       "guest RAM: %" PRIu64
			       " MiB don't fit into this host's address space",
			       size >> 20);
	}

	uint64_t low = size < GUEST_RAM_LOW_END ? size : GUEST_RAM_LOW_END;

	if (guest_memory_add(&ram->memory, 0, low, ram->base, err) < 0 ||
	    (size > low && guest_memory_add(&ram->memory, GUEST_RAM_HIGH_START, size - low,
					    ram->base + low, err) < 0)) {
		guest_ram_free(ram);
		return -1;
	}
	*ret_ram = ram;
	return 0;
}

void guest_ram_free(struct guest_ram *ram)
{
	if (!ram)
		return;
	munmap(ram->base, ram->size);
	free(ram);
}

const struct guest_memory *guest_ram_memory(const struct guest_ram *ram)
{
	return &ram->memory;
}

uint64_t guest_ram_low_end(const struct guest_ram *ram)
{
	return ram->memory.regions[0].len;
}

uint64_t guest_ram_high_end(const struct guest_ram *ram)
{
	return GUEST_RAM_HIGH_START + (ram->size - guest_ram_low_end(ram));
}

int guest_ram_map_file(struct guest_ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len,
		       struct err **err)
{
	void *hva = guest_memory_range(&ram->memory, gpa, len);

	if (!hva || ((gpa | offset | len) & PAGE_MASK_4K))
		return err_set(err, ERR_FAILED, 0,
			       "guest RAM: a file can't be mapped at 0x%" PRIx64 ", 0x%" PRIx64
			       " bytes",
			       gpa, len);
	if (mmap(hva, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) == MAP_FAILED)
		return err_set(err, ERR_FAILED, errno, "guest RAM: map a file");
	return 0;
}

int guest_ram_clear(struct guest_ram *ram, struct err **err)
{
	if (mmap(ram->base, ram->size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return err_set(err, ERR_NO_SPACE, errno, "guest RAM: clear");
	return 0;
}
