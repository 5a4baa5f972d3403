/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's kernel: from the files that the user names to a guest whose first vCPU can start.
 *
 * kernel_open() opens and checks everything, kernel_load() puts it into the guest's RAM, again at
 * each reset, and opens nothing. There are two ways (docs/boot.md):
 *   unpacked  the vmlinux that a bzImage holds, from the cache, or a vmlinux itself. It is mapped
 *             privately and entered through PVH.
 *   direct    the bzImage as it is, copied, and entered at its 64-bit entry. It unpacks itself.
 */
#ifndef LODGE_BOOT_KERNEL_H
#define LODGE_BOOT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct guest_ram;
struct kernel;
struct vm_entry;

/* The same values as enum vm_boot. */
enum kernel_boot {
	KERNEL_BOOT_AUTO,   /* unpacked, or direct where unpacking isn't possible */
	KERNEL_BOOT_UNPACK, /* unpacked, or an error */
	KERNEL_BOOT_DIRECT,
};

/* Opens the kernel, the initrd (NULL: none), and makes the command line from append (NULL: none).
 * Errors name the file and what is wrong with it: ERR_USAGE if it's no kernel that lodge can boot,
 * ERR_DENIED, ERR_NO_SPACE. */
int kernel_open(const char *path, const char *initrd_path, const char *append,
		enum kernel_boot mode, struct kernel **ret_kernel, struct err **err);
/* kernel_free(NULL) is fine. */
void kernel_free(struct kernel *kernel);

/* Puts everything into RAM, which reads zero: the kernel, the initrd, the command line, the ACPI
 * tables for cpus vCPUs, and what the kernel starts from. ERR_USAGE if the RAM is too small,
 * ERR_FAILED if a file was changed since it was opened. */
int kernel_load(struct kernel *kernel, struct guest_ram *ram, unsigned cpus,
		struct vm_entry *ret_entry, struct err **err);

/* Bytes of a file that are mapped into RAM (not those that were copied). */
struct kernel_mapping {
	uint64_t gpa;
	uint64_t len;	 /* bytes, whole pages */
	uint64_t offset; /* in the file */
	int fd;		 /* stays the kernel's */
};

struct kernel_info {
	enum kernel_boot mode; /* how it boots: KERNEL_BOOT_UNPACK or KERNEL_BOOT_DIRECT */
	bool unpacked_now;     /* the cache didn't have it */
	const char *fallback;  /* why it boots directly though that wasn't asked for, or NULL */
	const char *release;   /* "6.12.5-amd64", or "" */
	const char *cmdline;
	uint64_t memory_min;  /* bytes of RAM with which kernel_load() succeeds, whole MiB */
	uint64_t initrd_size; /* bytes, 0 without one */
	int fd;		      /* of what is loaded */
	int initrd_fd;	      /* or -1 */
	const struct kernel_mapping *mappings; /* of the last kernel_load() */
	size_t n_mappings;
};

/* The pointers are valid until the kernel is loaded again or freed. */
void kernel_info(const struct kernel *kernel, struct kernel_info *ret_info);

#endif
