/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM, with the host's kernel as the witness of what is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "mem/guest_ram.h"
#include "vm/guest_memory.h"

enum { PAGE = GUEST_RAM_PAGE, PAGES = 1024, SIZE = PAGES * PAGE };

static struct guest_ram *make(uint64_t size, const struct guest_ram_options *options)
{
	struct guest_ram *ram;

	assert_int_equal(guest_ram_new(size, options, &ram, NULL), 0);
	return ram;
}

static uint8_t *at(const struct guest_ram *ram, uint64_t gpa)
{
	uint8_t *p = guest_memory_range(guest_ram_memory(ram), gpa, PAGE);

	assert_non_null(p);
	return p;
}

/* Pages of RAM that the kernel has memory for. */
static unsigned present(const struct guest_ram *ram)
{
	unsigned char there[PAGES];
	unsigned n = 0;

	assert_int_equal(mincore(at(ram, 0), SIZE, there), 0);
	for (size_t i = 0; i < PAGES; i++)
		n += there[i] & 1;
	return n;
}

static void touch(const struct guest_ram *ram, uint64_t page, uint64_t n)
{
	for (uint64_t i = page; i < page + n; i++)
		memset(at(ram, i * PAGE), 0x5a, PAGE);
}

static bool reads(const struct guest_ram *ram, uint64_t page, uint8_t byte)
{
	const uint8_t *p = at(ram, page * PAGE);

	for (size_t i = 0; i < PAGE; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* A file whose page N is full of bytes N + 1. */
static int make_file(unsigned pages)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	uint8_t page[PAGE];

	assert_true(fd >= 0);
	for (unsigned i = 0; i < pages; i++) {
		memset(page, (int)(i + 1), PAGE);
		assert_int_equal(write(fd, page, PAGE), PAGE);
	}
	return fd;
}

static void nothing_is_touched_unless_asked(void **state)
{
	struct guest_ram *ram = make(SIZE, &(struct guest_ram_options){ 0 });

	(void)state;
	assert_int_equal(guest_ram_prefault(ram, NULL), 0);
	assert_int_equal(present(ram), 0);
	guest_ram_free(ram);

	ram = make(SIZE, &(struct guest_ram_options){ .prefault = true });
	assert_int_equal(guest_ram_prefault(ram, NULL), 0);
	assert_int_equal(present(ram), PAGES);
	guest_ram_free(ram);
}

static void prefault_makes_no_copies_of_files(void **state)
{
	struct guest_ram *ram = make(SIZE, &(struct guest_ram_options){ .prefault = true });
	int fd = make_file(4);
	bool mapped;

	(void)state;
	assert_int_equal(guest_ram_place_file(ram, 8 * PAGE, fd, 0, 4 * PAGE, &mapped, NULL), 0);
	assert_true(mapped);
	assert_int_equal(guest_ram_prefault(ram, NULL), 0);
	assert_int_equal(present(ram), PAGES);

	/* The file's own page is still what is seen. */
	uint8_t changed = 0x77;

	assert_int_equal(pwrite(fd, &changed, 1, 0), 1);
	assert_int_equal(at(ram, 8 * PAGE)[0], 0x77);
	close(fd);
	guest_ram_free(ram);
}

static void released_pages_are_gone_and_read_zero(void **state)
{
	static const enum guest_ram_backing backings[] = { GUEST_RAM_ANON, GUEST_RAM_MEMFD };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct guest_ram *ram = make(SIZE,
					     &(struct guest_ram_options){ .backing = backings[i] });

		touch(ram, 0, PAGES);
		assert_int_equal(present(ram), PAGES);
		assert_int_equal(guest_ram_release(ram, 100, 200), 200);
		assert_int_equal(present(ram), PAGES - 200);
		assert_true(reads(ram, 99, 0x5a));
		assert_true(reads(ram, 100, 0));
		assert_true(reads(ram, 299, 0));
		assert_true(reads(ram, 300, 0x5a));
		touch(ram, 100, 1);
		assert_true(reads(ram, 100, 0x5a));
		guest_ram_free(ram);
	}
}

static void a_release_beyond_the_end_stops_there(void **state)
{
	struct guest_ram *ram = make(SIZE, &(struct guest_ram_options){ 0 });

	(void)state;
	touch(ram, 0, PAGES);
	assert_int_equal(guest_ram_release(ram, PAGES - 2, 100), 2);
	assert_int_equal(guest_ram_release(ram, PAGES - 2, UINT64_MAX), 2);
	assert_int_equal(guest_ram_release(ram, PAGES, 1), 0);
	assert_int_equal(guest_ram_release(ram, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(guest_ram_release(ram, 0, 0), 0);
	assert_int_equal(present(ram), PAGES - 2);
	guest_ram_free(ram);
}

static void locked_memory_can_be_released(void **state)
{
	struct guest_ram *ram = make(SIZE, &(struct guest_ram_options){ .lock = true });

	(void)state;
	touch(ram, 0, 16);
	assert_int_equal(guest_ram_release(ram, 0, 8), 8);
	assert_int_equal(present(ram), 8);
	assert_true(reads(ram, 0, 0));
	guest_ram_free(ram);
}

static void a_file_does_not_show_through_where_it_was_released(void **state)
{
	struct guest_ram *ram = make(SIZE, &(struct guest_ram_options){ 0 });
	int fd = make_file(8);
	bool mapped;

	(void)state;
	assert_int_equal(guest_ram_place_file(ram, 8 * PAGE, fd, 0, 8 * PAGE, &mapped, NULL), 0);
	assert_true(reads(ram, 8, 1));
	touch(ram, 9, 1); /* a private copy */
	/* From before the file into its middle. */
	assert_int_equal(guest_ram_release(ram, 6, 4), 4);
	assert_true(reads(ram, 8, 0));
	assert_true(reads(ram, 9, 0));
	assert_true(reads(ram, 10, 3));
	/* Out of the middle, and what is left at the end. */
	assert_int_equal(guest_ram_release(ram, 12, 1), 1);
	assert_true(reads(ram, 11, 4));
	assert_true(reads(ram, 12, 0));
	assert_true(reads(ram, 13, 6));
	touch(ram, 12, 1);
	assert_int_equal(guest_ram_release(ram, 12, 10), 10);
	for (uint64_t page = 12; page < 22; page++)
		assert_true(reads(ram, page, 0));
	assert_true(reads(ram, 11, 4));
	close(fd);
	guest_ram_free(ram);
}

static unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned n = 0;
	int c;

	assert_non_null(maps);
	while ((c = fgetc(maps)) != EOF)
		n += c == '\n';
	fclose(maps);
	return n;
}

static void holes_in_a_file_do_not_make_mappings_without_end(void **state)
{
	struct guest_ram *ram = make(SIZE, &(struct guest_ram_options){ 0 });
	int fd = make_file(1);
	uint64_t refused = 0;
	bool mapped;

	(void)state;
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(guest_ram_place_file(ram, 0, fd, 0, SIZE, &mapped, NULL), 0);

	unsigned before = count_mappings();

	for (uint64_t page = 1; page < PAGES; page += 2)
		refused += guest_ram_release(ram, page, 1) == 0;
	assert_in_range(refused, 1, PAGES / 2 - 100);
	assert_in_range(count_mappings(), before, before + 600);
	/* What makes fewer of them isn't refused. */
	assert_int_equal(guest_ram_release(ram, 0, PAGES), PAGES);
	assert_true(reads(ram, PAGES - 2, 0));
	close(fd);
	guest_ram_free(ram);
}

static void clearing_gives_everything_back(void **state)
{
	static const enum guest_ram_backing backings[] = { GUEST_RAM_ANON, GUEST_RAM_MEMFD };
	int fd = make_file(8);
	bool mapped;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct guest_ram *ram = make(SIZE,
					     &(struct guest_ram_options){ .backing = backings[i] });

		touch(ram, 0, 16);
		assert_int_equal(
		    guest_ram_place_file(ram, 4 * PAGE, fd, 0, 8 * PAGE, &mapped, NULL), 0);
		assert_int_equal(mapped, backings[i] == GUEST_RAM_ANON);
		assert_true(reads(ram, 11, 8));
		assert_int_equal(guest_ram_clear(ram, NULL), 0);
		assert_int_equal(present(ram), 0);
		assert_true(reads(ram, 0, 0));
		assert_true(reads(ram, 11, 0));
		guest_ram_free(ram);
	}
	close(fd);
}

static void pages_are_counted_without_the_hole(void **state)
{
	const uint64_t low_pages = GUEST_RAM_LOW_END / PAGE;
	struct guest_ram *ram = make(GUEST_RAM_LOW_END + SIZE, &(struct guest_ram_options){ 0 });
	uint64_t page;

	(void)state;
	assert_int_equal(guest_ram_pages(ram), low_pages + PAGES);
	assert_true(guest_ram_find_page(ram, GUEST_RAM_LOW_END - 1, &page));
	assert_int_equal(page, low_pages - 1);
	assert_false(guest_ram_find_page(ram, GUEST_RAM_LOW_END, &page));
	assert_false(guest_ram_find_page(ram, GUEST_RAM_HIGH_START - 1, &page));
	assert_true(guest_ram_find_page(ram, GUEST_RAM_HIGH_START, &page));
	assert_int_equal(page, low_pages);
	assert_false(guest_ram_find_page(ram, GUEST_RAM_HIGH_START + SIZE, &page));
	assert_int_equal(guest_ram_page_at(ram, at(ram, GUEST_RAM_HIGH_START + PAGE)),
			 low_pages + 1);
	guest_ram_free(ram);
}

static void assert_refused(uint64_t size, struct guest_ram_options options, const char *why)
{
	struct guest_ram *ram;
	struct err *err = NULL;

	assert_int_equal(guest_ram_new(size, &options, &ram, &err), -1);
	assert_non_null(strstr(err_message(err), why));
	err_free(err);
}

static void what_can_not_be_is_refused_by_name(void **state)
{
	(void)state;
	assert_refused(0, (struct guest_ram_options){ 0 }, "whole pages");
	assert_refused(PAGE + 1, (struct guest_ram_options){ 0 }, "whole pages");
	assert_refused(SIZE,
		       (struct guest_ram_options){ .backing = GUEST_RAM_MEMFD, .merge = true },
		       "only anonymous memory can be merged");
	assert_refused(3u << 20, (struct guest_ram_options){ .backing = GUEST_RAM_HUGETLB },
		       "whole huge pages");
	/* More than any host's pool has. */
	assert_refused(UINT64_C(1) << 44,
		       (struct guest_ram_options){ .backing = GUEST_RAM_HUGETLB },
		       "vm.nr_hugepages");
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(nothing_is_touched_unless_asked),
		T(prefault_makes_no_copies_of_files),
		T(released_pages_are_gone_and_read_zero),
		T(a_release_beyond_the_end_stops_there),
		T(locked_memory_can_be_released),
		T(a_file_does_not_show_through_where_it_was_released),
		T(holes_in_a_file_do_not_make_mappings_without_end),
		T(clearing_gives_everything_back),
		T(pages_are_counted_without_the_hole),
		T(what_can_not_be_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
