/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel images and command lines that anybody made: the input is the file that the user calls a
 * kernel, and its last 256 bytes are the words for its command line.
 *
 * Each image goes the whole way into a guest's RAM. Whatever is in it, nothing may be written to
 * the file or outside of the guest's RAM, and what was said about memory must hold.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/bzimage.h"
#include "boot/cmdline.h"
#include "boot/elf.h"
#include "boot/kernel.h"
#include "boot/unpack.h"
#include "mem/guest_ram.h"
#include "vm/vm.h"

enum { WORDS = 256, UNPACKED_MAX = 4 << 20, RAM = 128 << 20 };

static void must(int ok)
{
	if (!ok)
		abort();
}

static void try_cmdline(const uint8_t *data, size_t size)
{
	char words[WORDS + 1] = { 0 };
	size_t n = size < WORDS ? size : WORDS;
	char *line = NULL;

	memcpy(words, data + size - n, n);
	if (cmdline_build(words, WORDS / 2, &line, NULL) < 0)
		return;
	must(strlen(line) <= WORDS / 2);
	for (const char *p = line; *p; p++)
		must((unsigned char)*p >= ' ' && *p != 0x7f);
	free(line);
}

static void try_unpack(int fd, const struct bzimage *image)
{
	int out = memfd_create("unpacked", MFD_CLOEXEC);
	struct elf_image elf;

	must(out >= 0);
	if (image->unpacked_size <= UNPACKED_MAX &&
	    unpack_file(fd, image->payload_offset, image->payload_size, out, image->unpacked_size,
			NULL) == 0) {
		must(lseek(out, 0, SEEK_END) == (off_t)image->unpacked_size);
		(void)elf_read(out, &elf, NULL);
	}
	close(out);
}

/* Opens the file by its descriptor's name and loads it, with itself as the initrd. */
static void try_load(int fd, enum kernel_boot mode)
{
	struct kernel *kernel = NULL;
	struct guest_ram *ram = NULL;
	struct vm_entry entry;
	struct kernel_info info;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (kernel_open(path, path, NULL, mode, &kernel, NULL) < 0)
		return;
	kernel_info(kernel, &info);
	must(guest_ram_new(RAM, &(struct guest_ram_options){ 0 }, &ram, NULL) == 0);
	/* The file can't have changed and is small, so only memory can be lacking. */
	must((kernel_load(kernel, ram, 1, &entry, NULL) == 0) == (info.memory_min <= RAM));
	guest_ram_free(ram);
	kernel_free(kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct bzimage image;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (bzimage_read(fd, &image, NULL) == 0) {
		try_unpack(fd, &image);
		try_load(fd, KERNEL_BOOT_DIRECT);
	} else if (elf_is(data, size)) {
		try_load(fd, KERNEL_BOOT_AUTO);
	}
	try_cmdline(data, size);
	close(fd);
	return 0;
}
