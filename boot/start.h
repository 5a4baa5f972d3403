/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel finds in memory when it starts: the two ways of telling it about its machine.
 *
 * PVH: hvm_start_info, which points to the command line, the initrd, the memory map and the RSDP.
 *   Source: Xen, public/arch-x86/hvm/start_info.h, version 1.
 * Linux, 64-bit entry: boot_params ("the zero page"), and page tables that map the first 4 GiB to
 *   themselves, since the kernel is entered in long mode.
 *   Source: Linux, Documentation/arch/x86/boot.rst (64-bit boot protocol) and zero-page.rst.
 *
 * Everything goes to the places in layout.h.
 */
#ifndef LODGE_BOOT_START_H
#define LODGE_BOOT_START_H

#include <stddef.h>
#include <stdint.h>

struct bzimage;
struct err;
struct guest_memory;

struct start_info {
	uint64_t low_end;  /* where RAM below 4 GiB ends */
	uint64_t high_end; /* where RAM above 4 GiB ends; 4 GiB if there's none */
	uint64_t initrd_gpa;
	uint64_t initrd_size; /* bytes; 0: no initrd */
};

/* The types are the same in both: 1 is RAM, 2 is reserved. */
struct start_range {
	uint64_t gpa, len;
	uint32_t type;
};

enum { START_RANGES_MAX = 5, START_RAM = 1, START_RESERVED = 2, START_GDT_LIMIT = 31 };

/* The memory map, sorted; returns how many entries it has. */
size_t start_memory_map(const struct start_info *info, struct start_range map[START_RANGES_MAX]);

/* Writes hvm_start_info and what belongs to it at LAYOUT_INFO. */
int start_write_pvh(const struct guest_memory *memory, const struct start_info *info,
		    struct err **err);

/* Writes boot_params at LAYOUT_INFO, and the page tables and a GDT where layout.h says. */
int start_write_linux64(const struct guest_memory *memory, const struct start_info *info,
			const struct bzimage *image, struct err **err);

#endif
