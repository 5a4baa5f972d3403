/* SPDX-License-Identifier: Apache-2.0 */
/* mem/guest_ram.h without the kernel: see guest_ram.h. */
#include "tests/fakes/guest_ram.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "mem/guest_ram.h"
#include "vm/guest_memory.h"

struct fake_guest_ram fake_guest_ram;

struct guest_ram {
	uint8_t *base;
	uint64_t size;
	struct guest_memory memory;
};

int guest_ram_new(uint64_t size, const struct guest_ram_options *options,
		  struct guest_ram **ret_ram, struct err **err)
{
	struct guest_ram *ram = calloc(1, sizeof(*ram));

	(void)options;
	if (!ram)
		abort();
	ram->size = size;
	ram->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ram->base == MAP_FAILED || guest_memory_add(&ram->memory, 0, size, ram->base, err) < 0)
		abort();
	*ret_ram = ram;
	return 0;
}

void guest_ram_free(struct guest_ram *ram)
{
	munmap(ram->base, ram->size);
	free(ram);
}

int guest_ram_clear(struct guest_ram *ram, struct err **err)
{
	(void)err;
	return madvise(ram->base, ram->size, MADV_DONTNEED);
}

const struct guest_memory *guest_ram_memory(const struct guest_ram *ram)
{
	return &ram->memory;
}

uint64_t guest_ram_low_end(const struct guest_ram *ram)
{
	return ram->size;
}

uint64_t guest_ram_pages(const struct guest_ram *ram)
{
	return ram->size / GUEST_RAM_PAGE;
}

uint64_t guest_ram_page_at(const struct guest_ram *ram, const void *hva)
{
	return (uint64_t)((const uint8_t *)hva - ram->base) / GUEST_RAM_PAGE;
}

uint64_t guest_ram_unit(const struct guest_ram *ram)
{
	(void)ram;
	return fake_guest_ram.unit ? fake_guest_ram.unit : 1;
}

uint64_t guest_ram_release(struct guest_ram *ram, uint64_t page, uint64_t n)
{
	uint64_t unit = guest_ram_unit(ram);

	/* What is asked for is whole and there. */
	if (n == 0 || page % unit != 0 || n % unit != 0 || page + n > guest_ram_pages(ram))
		abort();
	if (fake_guest_ram.n_releases < FAKE_RELEASES_MAX) {
		fake_guest_ram.releases[fake_guest_ram.n_releases].page = page;
		fake_guest_ram.releases[fake_guest_ram.n_releases].n = n;
	}
	fake_guest_ram.n_releases++;
	if (fake_guest_ram.on_release)
		fake_guest_ram.on_release(page, n);
	return n;
}
