/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a kernel and all that belongs to it into a guest's RAM: see kernel.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "boot/acpi.h"
#include "boot/kernel_parts.h"
#include "boot/layout.h"
#include "boot/start.h"
#include "mem/guest_ram.h"
#include "vm/guest_memory.h"
#include "vm/vm.h"

#define PAGE UINT64_C(4096)
#define MIB  (UINT64_C(1) << 20)

static uint64_t page_down(uint64_t v)
{
	return v & ~(PAGE - 1);
}

static uint64_t page_up(uint64_t v)
{
	return page_down(v + PAGE - 1);
}

void kernel_extent(const struct kernel *kernel, uint64_t *ret_start, uint64_t *ret_end)
{
	if (kernel->direct) {
		*ret_start = kernel->bzimage.pref_address;
		*ret_end = page_up(kernel->bzimage.pref_address + kernel->bzimage.init_size);
	} else {
		*ret_start = page_down(kernel->elf.start);
		*ret_end = page_up(kernel->elf.end);
	}
}

/* The end of where an initrd may be. PVH has no limit but the 4 GiB that its map ends at. */
static uint64_t initrd_end_max(const struct kernel *kernel)
{
	return kernel->direct ? (uint64_t)kernel->bzimage.initrd_addr_max + 1 : LAYOUT_4G;
}

uint64_t kernel_place_initrd(const struct kernel *kernel, uint64_t low_end)
{
	uint64_t max = initrd_end_max(kernel);
	uint64_t top = page_down(low_end < max ? low_end : max);
	uint64_t size = page_up(kernel->initrd_id.size);
	uint64_t start, end;

	kernel_extent(kernel, &start, &end);
	if (top >= end && top - end >= size)
		return top - size;
	if (max >= start && start - LAYOUT_HIGH >= size)
		return start - size;
	return 0;
}

uint64_t kernel_memory_min(const struct kernel *kernel)
{
	uint64_t start, end;

	kernel_extent(kernel, &start, &end);
	if (kernel->initrd_fd >= 0 && kernel_place_initrd(kernel, end) == 0) {
		end += page_up(kernel->initrd_id.size);
		if (end > initrd_end_max(kernel))
			return UINT64_MAX & ~(MIB - 1);
	}
	return (end + MIB - 1) & ~(MIB - 1);
}

static int too_small(const struct kernel *kernel, const char *what, struct err **err)
{
	uint64_t min = kernel_memory_min(kernel);

	if (min > GUEST_RAM_LOW_END)
		return err_set(err, ERR_USAGE, 0, "%s: no guest has room for it", what);
	return err_set(err, ERR_USAGE, 0, "%s: give the guest --memory %" PRIu64 "M or more", what,
		       min >> 20);
}

/* Reads part of a file into RAM. */
static int copy_in(const struct guest_memory *memory, uint64_t gpa, int fd, uint64_t offset,
		   uint64_t len, struct err **err)
{
	if (len == 0)
		return 0;

	void *hva = guest_memory_range(memory, gpa, len);

	if (!hva)
		return err_set(err, ERR_FAILED, 0, "no RAM at 0x%" PRIx64, gpa);
	return file_read(fd, offset, hva, len, err);
}

static int place_piece(struct kernel *kernel, struct guest_ram *ram, uint64_t gpa, int fd,
		       uint64_t offset, uint64_t len, struct err **err)
{
	bool mapped;

	if (kernel->n_mappings == KERNEL_MAPPINGS_MAX)
		return err_set(err, ERR_FAILED, 0, "too many mappings");
	if (guest_ram_place_file(ram, gpa, fd, offset, len, &mapped, err) < 0)
		return -1;
	if (mapped)
		kernel->mappings[kernel->n_mappings++] = (struct kernel_mapping){
			.gpa = gpa, .len = len, .offset = offset, .fd = fd
		};
	return 0;
}

/* Places whole pages of the file, but not its holes: they are zeros, as the RAM is already, and
 * what is in them (a kernel's .bss) will be written to. Anonymous memory is cheaper to write, since
 * nothing is read first, and can be huge pages. */
static int place_pages(struct kernel *kernel, struct guest_ram *ram, uint64_t gpa, int fd,
		       uint64_t offset, uint64_t len, struct err **err)
{
	uint64_t end = offset + len;
	uint64_t at = offset;

	while (at < end) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			return 0; /* a hole to the end of the file */

		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		uint64_t from = data < 0 ? at : page_down((uint64_t)data);
		uint64_t to = hole < 0 ? end : page_up((uint64_t)hole);

		if (kernel->n_mappings >= KERNEL_PIECES_MAX || to > end)
			to = end;
		if (from < at)
			from = at;
		if (from >= end)
			return 0;
		if (place_piece(kernel, ram, gpa + (from - offset), fd, from, to - from, err) < 0)
			return -1;
		at = to;
	}
	return 0;
}

/* Bytes of a file at an address: whole pages are mapped where file and address agree and the RAM
 * can have them, the rest is copied. A page that is mapped belongs to these bytes alone. */
static int place(struct kernel *kernel, struct guest_ram *ram, uint64_t gpa, int fd,
		 uint64_t offset, uint64_t len, struct err **err)
{
	const struct guest_memory *memory = guest_ram_memory(ram);
	uint64_t from = page_up(gpa), to = page_down(gpa + len);

	if ((gpa & (PAGE - 1)) != (offset & (PAGE - 1)) || from >= to)
		return copy_in(memory, gpa, fd, offset, len, err);
	if (copy_in(memory, gpa, fd, offset, from - gpa, err) < 0 ||
	    place_pages(kernel, ram, from, fd, offset + (from - gpa), to - from, err) < 0)
		return -1;
	return copy_in(memory, to, fd, offset + (to - gpa), gpa + len - to, err);
}

static int load_image(struct kernel *kernel, struct guest_ram *ram, struct err **err)
{
	const struct bzimage *bz = &kernel->bzimage;

	if (file_check_unchanged(kernel->fd, &kernel->id, err) < 0)
		return -1;
	if (kernel->direct)
		return copy_in(guest_ram_memory(ram), bz->pref_address, kernel->fd, bz->code_offset,
			       bz->code_size, err);
	for (size_t i = 0; i < kernel->elf.n_segments; i++) {
		const struct elf_segment *s = &kernel->elf.segments[i];

		if (place(kernel, ram, s->gpa, kernel->fd, s->offset, s->file_size, err) < 0)
			return -1;
	}
	return 0;
}

static int load_initrd(struct kernel *kernel, struct guest_ram *ram, struct start_info *info,
		       struct err **err)
{
	char what[80];

	if (kernel->initrd_fd < 0)
		return 0;
	info->initrd_size = kernel->initrd_id.size;
	info->initrd_gpa = kernel_place_initrd(kernel, info->low_end);
	snprintf(what, sizeof(what), "its %" PRIu64 " MiB don't fit beside the kernel",
		 (info->initrd_size + MIB - 1) >> 20);
	if (info->initrd_gpa == 0)
		return too_small(kernel, what, err);
	if (file_check_unchanged(kernel->initrd_fd, &kernel->initrd_id, err) < 0)
		return -1;
	return place(kernel, ram, info->initrd_gpa, kernel->initrd_fd, 0, info->initrd_size, err);
}

/* Real-mode code at the place where a PC's processor starts. On hardware-reduced ACPI Linux wants
 * to reset through EFI, whatever the FADT says of a reset register; without EFI it jumps there.
 * Source: Linux arch/x86/kernel/reboot.c, BOOT_EFI and BOOT_BIOS; drivers/firmware/efi/reboot.c. */
static const uint8_t reset_vector[] = {
	0xba, 0x02, 0x06, /* mov dx, 0x602: the reset register (dev/power.h, boot/dsdt.asl) */
	0xb0, 0x01,	  /* mov al, 1 */
	0xee,		  /* out dx, al */
	0xf4,		  /* hlt */
	0xeb, 0xfd,	  /* jmp to the hlt */
};

static int load_tables(const struct kernel *kernel, const struct guest_memory *memory,
		       unsigned cpus, struct err **err)
{
	_cleanup_free_ uint8_t *tables = NULL;
	size_t len;

	if (acpi_build(cpus, LAYOUT_ACPI, &tables, &len, err) < 0)
		return -1;
	if (len > LAYOUT_ACPI_MAX || guest_memory_write(memory, LAYOUT_ACPI, tables, len) < 0 ||
	    guest_memory_write(memory, LAYOUT_RESET_VECTOR, reset_vector, sizeof(reset_vector)) <
		0 ||
	    guest_memory_write(memory, LAYOUT_CMDLINE, kernel->cmdline,
			       strlen(kernel->cmdline) + 1) < 0)
		return err_set(err, ERR_FAILED, 0, "no RAM for the boot tables");
	return 0;
}

static int write_start(const struct kernel *kernel, const struct guest_memory *memory,
		       const struct start_info *info, struct vm_entry *entry, struct err **err)
{
	if (kernel->direct) {
		*entry = (struct vm_entry){
			.mode = VM_ENTRY_LINUX64,
			.rip = kernel->bzimage.pref_address + BZIMAGE_ENTRY64,
			.argument = LAYOUT_INFO,
			.page_tables = LAYOUT_PAGE_TABLES,
			.gdt = LAYOUT_GDT,
			.gdt_limit = START_GDT_LIMIT,
		};
		return start_write_linux64(memory, info, &kernel->bzimage, err);
	}
	*entry = (struct vm_entry){
		.mode = VM_ENTRY_PVH,
		.rip = kernel->elf.pvh_entry,
		.argument = LAYOUT_INFO,
	};
	return start_write_pvh(memory, info, err);
}

int kernel_load(struct kernel *kernel, struct guest_ram *ram, unsigned cpus,
		struct vm_entry *ret_entry, struct err **err)
{
	const struct guest_memory *memory = guest_ram_memory(ram);
	struct start_info info = { .low_end = guest_ram_low_end(ram),
				   .high_end = guest_ram_high_end(ram) };
	struct vm_entry entry;
	uint64_t start, end;

	kernel->n_mappings = 0;
	kernel_extent(kernel, &start, &end);
	if (end > info.low_end) {
		char what[80];

		snprintf(what, sizeof(what), "it needs %" PRIu64 " MiB of memory to start",
			 (end + MIB - 1) >> 20);
		too_small(kernel, what, err);
		return err_wrap(err, "kernel %s", kernel->path);
	}
	if (load_image(kernel, ram, err) < 0)
		return err_wrap(err, "kernel %s", kernel->path);
	if (load_initrd(kernel, ram, &info, err) < 0)
		return err_wrap(err, "initrd %s", kernel->initrd_path);
	if (load_tables(kernel, memory, cpus, err) < 0 ||
	    write_start(kernel, memory, &info, &entry, err) < 0)
		return -1;
	*ret_entry = entry;
	return 0;
}
