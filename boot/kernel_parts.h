/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel is made of; for kernel.c, which opens it, and kernel_load.c. Inside boot/ only. */
#ifndef LODGE_BOOT_KERNEL_PARTS_H
#define LODGE_BOOT_KERNEL_PARTS_H

#include "boot/bzimage.h"
#include "boot/elf.h"
#include "boot/file.h"
#include "boot/kernel.h"

enum {
	/* A segment is mapped in several pieces if its file has holes; once this many mappings are
	 * in use, each further segment takes one. */
	KERNEL_PIECES_MAX = 48,
	KERNEL_MAPPINGS_MAX = KERNEL_PIECES_MAX + ELF_SEGMENTS_MAX + 1,
};

struct kernel {
	char *path, *initrd_path; /* for messages */
	char *cmdline;
	char *fallback;
	bool direct; /* which of elf and bzimage is booted */
	bool unpacked_now;
	int fd; /* of the file that is loaded, and what it was when it was checked */
	struct file_id id;
	int initrd_fd;
	struct file_id initrd_id;
	struct bzimage bzimage;
	struct elf_image elf;
	struct kernel_mapping mappings[KERNEL_MAPPINGS_MAX];
	size_t n_mappings;
};

/* The RAM that the kernel takes until it runs: [*ret_start, *ret_end). */
void kernel_extent(const struct kernel *kernel, uint64_t *ret_start, uint64_t *ret_end);

/* Where an initrd goes: as high as it may, so that it's out of the kernel's way; below the kernel
 * if there's no room above. 0 if there is none at all. Multiples of the page size. */
uint64_t kernel_place_initrd(const struct kernel *kernel, uint64_t low_end);

/* Bytes of RAM that kernel_load() needs, whole MiB; more than there can be if nothing is enough. */
uint64_t kernel_memory_min(const struct kernel *kernel);

#endif
