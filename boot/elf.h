/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vmlinux: an ELF64 kernel that is entered through PVH.
 *
 * Its PT_LOAD segments say which bytes of the file go to which guest-physical addresses, and a note
 * (name "Xen", type 18, XEN_ELFNOTE_PHYS32_ENTRY) says where 32-bit code starts.
 *
 * Linux ends its image with a section .init.scratch, working room for encrypting memory on machines
 * that do so, outside of the kernel proper. Nothing else uses it, so lodge neither loads it nor
 * asks for RAM there: with it a 64 MiB guest couldn't hold a distribution's kernel.
 *
 * Sources: System V ABI, chapters 4 and 5; Xen, docs/misc/pvh.pandoc and public/elfnote.h; Linux,
 * arch/x86/kernel/vmlinux.lds.S.
 */
#ifndef LODGE_BOOT_ELF_H
#define LODGE_BOOT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { ELF_SEGMENTS_MAX = 16, ELF_RELEASE_MAX = 64 };

struct elf_segment {
	uint64_t gpa;
	uint64_t mem_size;  /* bytes at gpa, of which those after file_size are zero */
	uint64_t offset;    /* in the file */
	uint64_t file_size; /* bytes, within the file, not more than mem_size */
};

struct elf_image {
	struct elf_segment segments[ELF_SEGMENTS_MAX]; /* by gpa, none overlaps another */
	size_t n_segments;			       /* 1 or more */
	uint64_t start, end; /* gpa: all segments are between; 1 MiB to 4 GiB */
	bool pvh;
	uint32_t pvh_entry;	       /* gpa, in a segment; only if pvh */
	char release[ELF_RELEASE_MAX]; /* from the build salt note, or empty */
};

/* Whether a file that starts so is ELF. */
bool elf_is(const void *head, size_t len);

/* Reads and checks the headers. ERR_USAGE if it isn't a 64-bit x86 kernel or is truncated. A file
 * without a PVH entry is no error here: image->pvh says so. */
int elf_read(int fd, struct elf_image *ret_image, struct err **err);

#endif
