/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's RAM: private anonymous memory of the VM process, so that the host's kernel can swap,
 * merge and reclaim it like any other process's.
 *
 * RAM starts at guest-physical 0 and leaves a hole from 3 GiB to 4 GiB for devices; what doesn't
 * fit below continues at 4 GiB. Nothing is touched until the guest or the loader does.
 */
#ifndef LODGE_MEM_GUEST_RAM_H
#define LODGE_MEM_GUEST_RAM_H

#include <stdint.h>

struct err;
struct guest_memory;
struct guest_ram;

#define GUEST_RAM_LOW_END    UINT64_C(0xc0000000)  /* bytes: 3 GiB, where the device hole starts */
#define GUEST_RAM_HIGH_START UINT64_C(0x100000000) /* 4 GiB, where RAM continues */

/* size: bytes, a multiple of the page size, not 0. ERR_NO_SPACE if the host's address space can't
 * hold it. */
int guest_ram_new(uint64_t size, struct guest_ram **ret_ram, struct err **err);
void guest_ram_free(struct guest_ram *ram);

/* The gate to it; valid as long as the RAM. */
const struct guest_memory *guest_ram_memory(const struct guest_ram *ram);

/* The end of RAM below the device hole, and of RAM above it (GUEST_RAM_HIGH_START if there's none).
 */
uint64_t guest_ram_low_end(const struct guest_ram *ram);
uint64_t guest_ram_high_end(const struct guest_ram *ram);

/* Lays a file's bytes over RAM at gpa, privately: the guest's writes stay its own, and what it only
 * reads is the host's page cache, shared with every guest that maps the same file. gpa, offset and
 * len are page-aligned; the file must be at least offset + len long. */
int guest_ram_map_file(struct guest_ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len,
		       struct err **err);

/* Gives everything back to the host: all of RAM reads zero again and no file is mapped. No vCPU may
 * be using it. */
int guest_ram_clear(struct guest_ram *ram, struct err **err);

#endif
