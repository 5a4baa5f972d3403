/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel finds in memory when it starts: see start.h. */
#include "boot/start.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "boot/bzimage.h"
#include "boot/layout.h"
#include "boot/le.h"
#include "vm/guest_memory.h"

/* struct hvm_start_info, with what it points to in the same page */
enum {
	PVH_MAGIC = 0x336ec578,
	PVH_VERSION = 1,
	PVH_MODULES = 0x100, /* offset of the list of modules: one, the initrd */
	PVH_MEMORY_MAP = 0x200,
	PVH_MODULE_SIZE = 32,
	PVH_RANGE_SIZE = 24,
};

/* struct boot_params */
enum {
	BP_ACPI_RSDP_ADDR = 0x070,
	BP_E820_ENTRIES = 0x1e8,
	BP_VID_MODE = 0x1fa,
	BP_TYPE_OF_LOADER = 0x210,
	BP_CODE32_START = 0x214,
	BP_RAMDISK_IMAGE = 0x218,
	BP_RAMDISK_SIZE = 0x21c,
	BP_CMD_LINE_PTR = 0x228,
	BP_SETUP_DATA = 0x250,
	BP_E820_TABLE = 0x2d0,
	BP_E820_SIZE = 20,

	LOADER_UNDEFINED = 0xff, /* without a number assigned to it */
	VID_MODE_NORMAL = 0xffff,
};

enum {
	PAGE_SIZE_4K = 4096,
	PAGE_TABLES_SIZE = 6 * PAGE_SIZE_4K, /* PML4, PDPT, 4 page directories */
	PTE_TABLE = 0x3,		     /* present, writable */
	PTE_PAGE = 0x83,		     /* and a page of 2 MiB itself */
};

size_t start_memory_map(const struct start_info *info, struct start_range map[START_RANGES_MAX])
{
	size_t n = 0;

	map[n++] = (struct start_range){ 0, LAYOUT_LOW_END, START_RAM };
	/* RAM too, but a PC has its firmware here; the ACPI tables are in it. */
	map[n++] = (struct start_range){ LAYOUT_LOW_END, LAYOUT_HIGH - LAYOUT_LOW_END,
					 START_RESERVED };
	map[n++] = (struct start_range){ LAYOUT_HIGH, info->low_end - LAYOUT_HIGH, START_RAM };
	/* Linux takes the MCFG table's word only for memory that the map or ACPI reserves. */
	map[n++] = (struct start_range){ LAYOUT_ECAM, LAYOUT_ECAM_SIZE, START_RESERVED };
	if (info->high_end > LAYOUT_4G)
		map[n++] = (struct start_range){ LAYOUT_4G, info->high_end - LAYOUT_4G, START_RAM };
	return n;
}

static int put(const struct guest_memory *memory, uint64_t gpa, const void *data, size_t len,
	       struct err **err)
{
	if (guest_memory_write(memory, gpa, data, len) < 0)
		return err_set(err, ERR_FAILED, 0, "no RAM at 0x%" PRIx64, gpa);
	return 0;
}

/* Writes the memory map and returns how many entries it has. Both formats have address, length and
 * type in front; PVH's entries are longer. */
static uint32_t put_memory_map(uint8_t *p, size_t entry_size, const struct start_info *info)
{
	struct start_range map[START_RANGES_MAX];
	size_t n = start_memory_map(info, map);

	for (size_t i = 0; i < n && i < ARRAY_SIZE(map); i++, p += entry_size) {
		le64_put(p, map[i].gpa);
		le64_put(p + 8, map[i].len);
		le32_put(p + 16, map[i].type);
	}
	return (uint32_t)n;
}

int start_write_pvh(const struct guest_memory *memory, const struct start_info *info,
		    struct err **err)
{
	uint8_t page[PAGE_SIZE_4K] = { 0 };

	le32_put(page, PVH_MAGIC);
	le32_put(page + 4, PVH_VERSION);
	if (info->initrd_size) {
		le32_put(page + 12, 1);
		le64_put(page + 16, LAYOUT_INFO + PVH_MODULES);
		le64_put(page + PVH_MODULES, info->initrd_gpa);
		le64_put(page + PVH_MODULES + 8, info->initrd_size);
	}
	le64_put(page + 24, LAYOUT_CMDLINE);
	le64_put(page + 32, LAYOUT_ACPI);
	le64_put(page + 40, LAYOUT_INFO + PVH_MEMORY_MAP);
	le32_put(page + 48, put_memory_map(page + PVH_MEMORY_MAP, PVH_RANGE_SIZE, info));
	return put(memory, LAYOUT_INFO, page, sizeof(page), err);
}

static void fill_boot_params(uint8_t *page, const struct start_info *info,
			     const struct bzimage *image)
{
	memcpy(page + BZIMAGE_HEADER_OFFSET, image->header, image->header_size);
	le64_put(page + BP_ACPI_RSDP_ADDR, LAYOUT_ACPI);
	le16_put(page + BP_VID_MODE, VID_MODE_NORMAL);
	page[BP_TYPE_OF_LOADER] = LOADER_UNDEFINED;
	le32_put(page + BP_CODE32_START, (uint32_t)image->pref_address);
	/* A header on a disk has no business with these. */
	le32_put(page + BP_RAMDISK_IMAGE, info->initrd_size ? (uint32_t)info->initrd_gpa : 0);
	le32_put(page + BP_RAMDISK_SIZE, (uint32_t)info->initrd_size);
	le32_put(page + BP_CMD_LINE_PTR, LAYOUT_CMDLINE);
	le64_put(page + BP_SETUP_DATA, 0);
	page[BP_E820_ENTRIES] = (uint8_t)put_memory_map(page + BP_E820_TABLE, BP_E820_SIZE, info);
}

static void fill_page_tables(uint8_t *tables)
{
	uint8_t *pdpt = tables + PAGE_SIZE_4K, *directories = tables + 2 * PAGE_SIZE_4K;

	le64_put(tables, (LAYOUT_PAGE_TABLES + PAGE_SIZE_4K) | PTE_TABLE);
	for (uint64_t i = 0; i < 4; i++)
		le64_put(pdpt + i * 8, (LAYOUT_PAGE_TABLES + (2 + i) * PAGE_SIZE_4K) | PTE_TABLE);
	for (uint64_t i = 0; i < 4 * 512; i++)
		le64_put(directories + i * 8, (i << 21) | PTE_PAGE);
}

int start_write_linux64(const struct guest_memory *memory, const struct start_info *info,
			const struct bzimage *image, struct err **err)
{
	/* The protocol's selectors: __BOOT_CS is 0x10, 64-bit code; __BOOT_DS is 0x18, data. */
	static const uint64_t gdt[] = { 0, 0, UINT64_C(0x00af9b000000ffff),
					UINT64_C(0x00cf93000000ffff) };
	uint8_t page[PAGE_SIZE_4K] = { 0 };
	uint8_t tables[PAGE_TABLES_SIZE] = { 0 };
	uint8_t descriptors[sizeof(gdt)];

	_Static_assert(sizeof(gdt) == START_GDT_LIMIT + 1, "the GDT's limit is known to others");
	for (size_t i = 0; i < ARRAY_SIZE(gdt); i++)
		le64_put(descriptors + i * 8, gdt[i]);
	fill_boot_params(page, info, image);
	fill_page_tables(tables);
	if (put(memory, LAYOUT_INFO, page, sizeof(page), err) < 0 ||
	    put(memory, LAYOUT_PAGE_TABLES, tables, sizeof(tables), err) < 0 ||
	    put(memory, LAYOUT_GDT, descriptors, sizeof(descriptors), err) < 0)
		return -1;
	return 0;
}
