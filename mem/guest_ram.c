/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's RAM: see guest_ram.h. */
#include "mem/guest_ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vm/guest_memory.h"

/* Guest RAM starts at a multiple of the huge page size in the host too, so that a huge page of the
 * host is one of the guest. */
#define HUGE_PAGE_SIZE (UINT64_C(2) << 20)
#define PAGE_MASK_4K   UINT64_C(0xfff)

/* Linux's mman.h, for C libraries that don't have them. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif

/* Each part of a file that is still mapped is a mapping of the process more. A guest that gives up
 * pages here and there can't make more of them than this. */
enum { FILE_PARTS_MAX = 256 };

/* Pages over which a file is mapped: [start, end). */
struct file_part {
	uint64_t start;
	uint64_t end;
};

struct guest_ram {
	uint8_t *base;
	uint64_t size;
	struct guest_ram_options options;
	int fd; /* of the memory file, or -1 */
	struct guest_memory memory;
	struct file_part parts[FILE_PARTS_MAX];
	size_t n_parts;
};

/* Addresses for size bytes, aligned to huge pages; nothing can be reached there yet. */
static uint8_t *reserve(uint64_t size)
{
	uint64_t len = size + HUGE_PAGE_SIZE;
	uint8_t *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;

	uint64_t head = (HUGE_PAGE_SIZE - ((uintptr_t)p & (HUGE_PAGE_SIZE - 1))) % HUGE_PAGE_SIZE;

	if (head)
		munmap(p, head);
	munmap(p + head + size, len - head - size);
	return p + head;
}

/* Tells the kernel what may be done with a new part of RAM. */
static int advise(const struct guest_ram *ram, void *hva, uint64_t len, struct err **err)
{
	const struct guest_ram_options *o = &ram->options;

	if (o->backing == GUEST_RAM_HUGETLB)
		return 0;
	if (o->merge && madvise(hva, len, MADV_MERGEABLE) < 0)
		return err_set(err, ERR_FAILED, errno,
			       "merge: this host's kernel can't merge pages (it has no KSM)");
	if (o->thp == GUEST_RAM_THP_ALWAYS && madvise(hva, len, MADV_HUGEPAGE) < 0)
		return err_set(err, ERR_FAILED, errno,
			       "thp: this host's kernel has no transparent huge pages");
	/* Without huge pages there are none to refuse. */
	if (o->thp == GUEST_RAM_THP_NEVER)
		madvise(hva, len, MADV_NOHUGEPAGE);
	if (o->lock && mlock2(hva, len, MLOCK_ONFAULT) < 0)
		return err_set(err, ERR_DENIED, errno,
			       "lock: this user may not keep %" PRIu64
			       " MiB in RAM: raise the limit (ulimit -l, LimitMEMLOCK=)",
			       ram->size >> 20);
	return 0;
}

static int map_anon(const struct guest_ram *ram, void *hva, uint64_t len, struct err **err)
{
	if (mmap(hva, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return err_set(err, ERR_NO_SPACE, errno, "map memory");
	return advise(ram, hva, len, err);
}

static int map_memfd(struct guest_ram *ram, struct err **err)
{
	ram->fd = memfd_create("lodge-ram", MFD_CLOEXEC);
	if (ram->fd < 0 || ftruncate(ram->fd, (off_t)ram->size) < 0)
		return err_set(err, ERR_FAILED, errno, "memory file");
	if (mmap(ram->base, ram->size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, ram->fd, 0) == MAP_FAILED)
		return err_set(err, ERR_NO_SPACE, errno, "memory file");
	return advise(ram, ram->base, ram->size, err);
}

/* The pages are set aside for this guest here, so that it doesn't find them gone later. */
static int map_hugetlb(const struct guest_ram *ram, struct err **err)
{
	if (mmap(ram->base, ram->size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | MAP_HUGE_2MB, -1,
		 0) != MAP_FAILED)
		return 0;
	return err_set(err, ERR_NO_SPACE, errno,
		       "the host has no %" PRIu64
		       " huge pages of 2 MiB left: add some with sysctl vm.nr_hugepages=...",
		       ram->size / HUGE_PAGE_SIZE);
}

static int map_all(struct guest_ram *ram, struct err **err)
{
	switch (ram->options.backing) {
	case GUEST_RAM_MEMFD:
		return map_memfd(ram, err);
	case GUEST_RAM_HUGETLB:
		return map_hugetlb(ram, err);
	default:
		return map_anon(ram, ram->base, ram->size, err);
	}
}

static int check_new(uint64_t size, const struct guest_ram_options *options, struct err **err)
{
	if (size == 0 || (size & PAGE_MASK_4K))
		return err_set(err, ERR_USAGE, 0, "the size must be whole pages");
	if (size > UINT64_MAX - GUEST_RAM_HIGH_START)
		return err_set(err, ERR_USAGE, 0, "%" PRIu64 " bytes is too much", size);
	if (options->backing == GUEST_RAM_HUGETLB && size % HUGE_PAGE_SIZE)
		return err_set(err, ERR_USAGE, 0, "the size must be whole huge pages of 2 MiB");
	if (options->merge && options->backing != GUEST_RAM_ANON)
		return err_set(err, ERR_USAGE, 0, "only anonymous memory can be merged");
	return 0;
}

static int ram_set_up(struct guest_ram *ram, struct err **err)
{
	uint64_t low = ram->size < GUEST_RAM_LOW_END ? ram->size : GUEST_RAM_LOW_END;

	ram->base = reserve(ram->size);
	if (!ram->base)
		return err_set(err, ERR_NO_SPACE, errno,
			       "%" PRIu64 " MiB don't fit into this host's address space",
			       ram->size >> 20);
	if (map_all(ram, err) < 0 || guest_memory_add(&ram->memory, 0, low, ram->base, err) < 0)
		return -1;
	if (ram->size == low)
		return 0;
	return guest_memory_add(&ram->memory, GUEST_RAM_HIGH_START, ram->size - low,
				ram->base + low, err);
}

int guest_ram_new(uint64_t size, const struct guest_ram_options *options,
		  struct guest_ram **ret_ram, struct err **err)
{
	if (check_new(size, options, err) < 0)
		return err_wrap(err, "guest RAM");

	struct guest_ram *ram = calloc(1, sizeof(*ram));

	if (!ram)
		return err_set(err, ERR_NO_SPACE, errno, "guest RAM");
	ram->size = size;
	ram->options = *options;
	ram->fd = -1;
	if (ram_set_up(ram, err) < 0) {
		guest_ram_free(ram);
		return err_wrap(err, "guest RAM");
	}
	*ret_ram = ram;
	return 0;
}

void guest_ram_free(struct guest_ram *ram)
{
	if (!ram)
		return;
	if (ram->base)
		munmap(ram->base, ram->size);
	cleanup_close(&ram->fd);
	free(ram);
}

const struct guest_memory *guest_ram_memory(const struct guest_ram *ram)
{
	return &ram->memory;
}

uint64_t guest_ram_low_end(const struct guest_ram *ram)
{
	return ram->memory.regions[0].len;
}

uint64_t guest_ram_high_end(const struct guest_ram *ram)
{
	return GUEST_RAM_HIGH_START + (ram->size - guest_ram_low_end(ram));
}

/* Maps a file over anonymous memory, and notes where. */
static int map_file(struct guest_ram *ram, void *hva, int fd, uint64_t offset, uint64_t len,
		    struct err **err)
{
	uint64_t start = guest_ram_page_at(ram, hva);

	if (ram->n_parts == FILE_PARTS_MAX)
		return err_set(err, ERR_FAILED, 0, "too many parts of files");
	if (mmap(hva, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) == MAP_FAILED)
		return err_set(err, ERR_FAILED, errno, "map a file");
	ram->parts[ram->n_parts++] = (struct file_part){ .start = start,
							 .end = start + len / GUEST_RAM_PAGE };
	return advise(ram, hva, len, err);
}

static int copy_file(void *hva, int fd, uint64_t offset, uint64_t len, struct err **err)
{
	uint8_t *at = hva;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_FAILED, n < 0 ? errno : EIO, "read a file");
		at += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int guest_ram_place_file(struct guest_ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len,
			 bool *ret_mapped, struct err **err)
{
	void *hva = guest_memory_range(&ram->memory, gpa, len);
	bool map = ram->options.backing == GUEST_RAM_ANON;

	if (!hva || ((gpa | offset | len) & PAGE_MASK_4K))
		return err_set(err, ERR_FAILED, 0,
			       "guest RAM: a file can't be placed at 0x%" PRIx64 ", 0x%" PRIx64
			       " bytes",
			       gpa, len);
	if ((map ? map_file(ram, hva, fd, offset, len, err)
		 : copy_file(hva, fd, offset, len, err)) < 0)
		return err_wrap(err, "guest RAM");
	*ret_mapped = map;
	return 0;
}

static struct file_part *part_at(struct guest_ram *ram, uint64_t page)
{
	for (size_t i = 0; i < ram->n_parts; i++)
		if (page >= ram->parts[i].start && page < ram->parts[i].end)
			return &ram->parts[i];
	return NULL;
}

/* The page at which what begins at page ends: a part of a file, or what is between two. */
static uint64_t stretch_end(const struct guest_ram *ram, uint64_t page,
			    const struct file_part *part)
{
	uint64_t end = guest_ram_pages(ram);

	if (part)
		return part->end;
	for (size_t i = 0; i < ram->n_parts; i++)
		if (ram->parts[i].start > page && ram->parts[i].start < end)
			end = ram->parts[i].start;
	return end;
}

static void *page_hva(const struct guest_ram *ram, uint64_t page)
{
	return ram->base + page * GUEST_RAM_PAGE;
}

int guest_ram_prefault(struct guest_ram *ram, struct err **err)
{
	uint64_t pages = guest_ram_pages(ram);
	uint64_t next;

	for (uint64_t page = 0; ram->options.prefault && page < pages; page = next) {
		struct file_part *part = part_at(ram, page);

		next = stretch_end(ram, page, part);
		/* A file's pages are there when they can be read; writing makes copies of them. */
		if (madvise(page_hva(ram, page), (next - page) * GUEST_RAM_PAGE,
			    part ? MADV_POPULATE_READ : MADV_POPULATE_WRITE) == 0)
			continue;
		if (errno == EINVAL)
			return err_set(err, ERR_FAILED, 0,
				       "guest RAM: prefault needs Linux 5.14 or later");
		return err_set(err, ERR_NO_SPACE, errno,
			       "guest RAM: the host can't find memory for all of it now");
	}
	return 0;
}

int guest_ram_clear(struct guest_ram *ram, struct err **err)
{
	int r;

	ram->n_parts = 0;
	switch (ram->options.backing) {
	case GUEST_RAM_MEMFD:
		r = fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      (off_t)ram->size);
		if (r < 0)
			err_set(err, ERR_FAILED, errno, "memory file");
		break;
	case GUEST_RAM_HUGETLB:
		r = map_hugetlb(ram, err);
		break;
	default:
		r = map_anon(ram, ram->base, ram->size, err);
	}
	return r < 0 ? err_wrap(err, "guest RAM: clear") : 0;
}

void guest_ram_drop(struct guest_ram *ram)
{
	/* Addresses that nothing is behind: they can't be given away, nor fail to be had. */
	if (mmap(ram->base, ram->size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		madvise(ram->base, ram->size, MADV_DONTNEED);
	cleanup_close(&ram->fd);
	ram->fd = -1;
	ram->n_parts = 0;
}

uint64_t guest_ram_pages(const struct guest_ram *ram)
{
	return ram->size / GUEST_RAM_PAGE;
}

bool guest_ram_find_page(const struct guest_ram *ram, uint64_t gpa, uint64_t *ret_page)
{
	const void *hva = guest_memory_range(&ram->memory, gpa, 1);

	if (!hva)
		return false;
	*ret_page = guest_ram_page_at(ram, hva);
	return true;
}

uint64_t guest_ram_page_at(const struct guest_ram *ram, const void *hva)
{
	return (uint64_t)((const uint8_t *)hva - ram->base) / GUEST_RAM_PAGE;
}

uint64_t guest_ram_unit(const struct guest_ram *ram)
{
	return ram->options.backing == GUEST_RAM_HUGETLB ? HUGE_PAGE_SIZE / GUEST_RAM_PAGE : 1;
}

/* Takes [start, end), which lies in the part, out of it. */
static void part_cut(struct guest_ram *ram, struct file_part *part, uint64_t start, uint64_t end)
{
	struct file_part after = { .start = end, .end = part->end };

	part->end = start;
	if (part->start == part->end)
		*part = ram->parts[--ram->n_parts];
	if (after.start < after.end)
		ram->parts[ram->n_parts++] = after;
}

/* Without its private copies a file would show through, and a guest's kernel counts on zeros: so
 * anonymous memory takes the place of the file. */
static bool release_file(struct guest_ram *ram, uint64_t start, uint64_t end,
			 struct file_part *part)
{
	bool splits = start > part->start && end < part->end;

	if ((splits && ram->n_parts == FILE_PARTS_MAX) ||
	    map_anon(ram, page_hva(ram, start), (end - start) * GUEST_RAM_PAGE, NULL) < 0)
		return false;
	part_cut(ram, part, start, end);
	return true;
}

/* Gives back what is all of one kind: a part of a file, or no file. */
static bool release_stretch(struct guest_ram *ram, uint64_t start, uint64_t end,
			    struct file_part *part)
{
	uint64_t len = (end - start) * GUEST_RAM_PAGE;

	if (part)
		return release_file(ram, start, end, part);
	if (ram->options.backing == GUEST_RAM_MEMFD)
		return fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)(start * GUEST_RAM_PAGE), (off_t)len) == 0;
	return madvise(page_hva(ram, start), len,
		       ram->options.lock ? MADV_DONTNEED_LOCKED : MADV_DONTNEED) == 0;
}

uint64_t guest_ram_release(struct guest_ram *ram, uint64_t page, uint64_t n)
{
	uint64_t unit = guest_ram_unit(ram);
	uint64_t pages = guest_ram_pages(ram);
	uint64_t released = 0;

	if (page >= pages)
		return 0;

	uint64_t end = n < pages - page ? page + n : pages;
	uint64_t start = (page + unit - 1) / unit * unit;
	uint64_t next;

	for (end = end / unit * unit; start < end; start = next) {
		struct file_part *part = part_at(ram, start);

		next = stretch_end(ram, start, part);
		if (next > end)
			next = end;
		if (release_stretch(ram, start, next, part))
			released += next - start;
	}
	return released;
}
