/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's RAM: memory of the VM process, so that the host's kernel can swap, merge and reclaim it
 * like any other process's.
 *
 * RAM starts at guest-physical 0 and leaves a hole from 3 GiB to 4 GiB for devices; what doesn't
 * fit below continues at 4 GiB. Unless it's asked for, nothing is touched until the guest or the
 * loader does.
 *
 * In the host it's one range of addresses, hole or not, so pages of it have numbers, from 0: pages
 * are 4 KiB here, whatever they are in the host.
 */
#ifndef LODGE_MEM_GUEST_RAM_H
#define LODGE_MEM_GUEST_RAM_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct guest_memory;
struct guest_ram;

#define GUEST_RAM_LOW_END    UINT64_C(0xc0000000)  /* bytes: 3 GiB, where the device hole starts */
#define GUEST_RAM_HIGH_START UINT64_C(0x100000000) /* 4 GiB, where RAM continues */

enum { GUEST_RAM_PAGE = 4096 };

/* What RAM is made of, for the host's kernel (docs/memory.md). */
enum guest_ram_backing {
	GUEST_RAM_ANON,	   /* private anonymous memory: swaps, merges */
	GUEST_RAM_MEMFD,   /* a memory file that other processes can map: swaps, isn't merged */
	GUEST_RAM_HUGETLB, /* the host's reserved huge pages of 2 MiB: neither */
};

/* Transparent huge pages (madvise(2)). */
enum guest_ram_thp {
	GUEST_RAM_THP_MADVISE, /* doesn't ask for any: the host's setting decides */
	GUEST_RAM_THP_ALWAYS,  /* asks for them: MADV_HUGEPAGE */
	GUEST_RAM_THP_NEVER,   /* doesn't want them: MADV_NOHUGEPAGE */
};

struct guest_ram_options {
	enum guest_ram_backing backing;
	enum guest_ram_thp thp;
	bool lock;     /* what is in RAM is never swapped */
	bool prefault; /* all of it is there before the guest starts */
	bool merge;    /* KSM may merge it (GUEST_RAM_ANON only) */
};

/* size: bytes, a multiple of the page size (of 2 MiB for GUEST_RAM_HUGETLB), not 0. ERR_NO_SPACE if
 * the host hasn't the address space or the huge pages, ERR_DENIED if memory may not be locked,
 * ERR_FAILED if the host's kernel lacks what is asked for. */
int guest_ram_new(uint64_t size, const struct guest_ram_options *options,
		  struct guest_ram **ret_ram, struct err **err);
void guest_ram_free(struct guest_ram *ram);

/* The gate to it; valid as long as the RAM. */
const struct guest_memory *guest_ram_memory(const struct guest_ram *ram);

/* The end of RAM below the device hole, and of RAM above it (GUEST_RAM_HIGH_START if there's none).
 */
uint64_t guest_ram_low_end(const struct guest_ram *ram);
uint64_t guest_ram_high_end(const struct guest_ram *ram);

/* Lays a file's bytes over RAM at gpa. gpa, offset and len are page-aligned; the file must be at
 * least offset + len long.
 *
 * Anonymous RAM maps them privately: the guest's writes stay its own, and what it only reads is the
 * host's page cache, shared with every guest that maps the same file. Of other backings a part
 * can't be replaced, and the bytes are copied. *ret_mapped tells which. */
int guest_ram_place_file(struct guest_ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len,
			 bool *ret_mapped, struct err **err);

/* Has the host find memory for all of RAM now, if that was asked for; call it when all files are
 * placed. ERR_NO_SPACE if the host hasn't got it. */
int guest_ram_prefault(struct guest_ram *ram, struct err **err);

/* Gives everything back to the host: all of RAM reads zero again and no file is mapped. No vCPU may
 * be using it. */
int guest_ram_clear(struct guest_ram *ram, struct err **err);

/* The same for good, when the guest has ended: nothing may touch RAM any more. */
void guest_ram_drop(struct guest_ram *ram);

/* How many pages it has. */
uint64_t guest_ram_pages(const struct guest_ram *ram);
/* The number of the page at gpa; false if that isn't RAM. */
bool guest_ram_find_page(const struct guest_ram *ram, uint64_t gpa, uint64_t *ret_page);
/* The number of the page at a host address, which the gate gave. */
uint64_t guest_ram_page_at(const struct guest_ram *ram, const void *hva);
/* Pages that can only be given back together: 1, or 512 for huge pages. */
uint64_t guest_ram_unit(const struct guest_ram *ram);

/* Gives pages back to the host while the guest runs: they read zero from now on, and take memory
 * again when they're written to. The guest must have given them up. Of n pages from page on, whole
 * units are given back, and files that were placed there go away for good. Returns how many pages
 * were; fewer if the host refuses. */
uint64_t guest_ram_release(struct guest_ram *ram, uint64_t page, uint64_t n);

#endif
