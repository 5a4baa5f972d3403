/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one gate to guest memory.
 *
 * A guest-physical address and a length become a checked host range here, or nothing: no other
 * code turns a guest address into a pointer. Only RAM can be reached; device windows can't.
 *
 * The guest changes its memory while the host looks at it. Whoever reads a structure resolves its
 * range and copies it once, checks the copy and uses the copy.
 */
#ifndef LODGE_VM_GUEST_MEMORY_H
#define LODGE_VM_GUEST_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct err;

enum { GUEST_MEMORY_REGIONS_MAX = 4 };

struct guest_memory_region {
	uint64_t gpa; /* page-aligned */
	uint64_t len; /* bytes, page-aligned, not 0 */
	uint8_t *hva;
};

struct guest_memory {
	struct guest_memory_region regions[GUEST_MEMORY_REGIONS_MAX];
	size_t n_regions;
};

/* Adds a region of RAM. The mapping stays the caller's and outlives the gate. */
int guest_memory_add(struct guest_memory *memory, uint64_t gpa, uint64_t len, void *hva,
		     struct err **err);

/* The host address of [gpa, gpa + len), or NULL if the range isn't wholly in one region of RAM
 * (or is empty, or wraps). */
void *guest_memory_range(const struct guest_memory *memory, uint64_t gpa, uint64_t len);

/* Copies into guest memory; -1 (without an error object: the fault is the guest's) if the range
 * isn't RAM. */
int guest_memory_write(const struct guest_memory *memory, uint64_t gpa, const void *buf,
		       size_t len);

#endif
