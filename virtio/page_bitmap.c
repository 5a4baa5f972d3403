/* SPDX-License-Identifier: Apache-2.0 */
/* A set of guest pages: see page_bitmap.h. */
#include "virtio/page_bitmap.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

enum { WORD_PAGES = 64 };

static uint64_t bitmap_bytes(uint64_t n_pages)
{
	return (n_pages + WORD_PAGES - 1) / WORD_PAGES * sizeof(uint64_t);
}

int page_bitmap_init(struct page_bitmap *bitmap, uint64_t n_pages, struct err **err)
{
	void *words = mmap(NULL, bitmap_bytes(n_pages), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (words == MAP_FAILED)
		return err_set(err, ERR_NO_SPACE, errno, "a bitmap of %" PRIu64 " pages", n_pages);
	*bitmap = (struct page_bitmap){ .words = words, .n_pages = n_pages };
	return 0;
}

void page_bitmap_free(struct page_bitmap *bitmap)
{
	if (bitmap->words)
		munmap(bitmap->words, bitmap_bytes(bitmap->n_pages));
	*bitmap = (struct page_bitmap){ .words = NULL };
}

/* The bits of the word that page is in, from page on and for n pages or to the word's end. Moves
 * page and n past them. */
static uint64_t next_mask(uint64_t *page, uint64_t *n)
{
	uint64_t first = *page % WORD_PAGES;
	uint64_t len = *n < WORD_PAGES - first ? *n : WORD_PAGES - first;

	*page += len;
	*n -= len;
	return (~UINT64_C(0) >> (WORD_PAGES - len)) << first;
}

uint64_t page_bitmap_set(struct page_bitmap *bitmap, uint64_t page, uint64_t n)
{
	uint64_t added = 0;

	while (n > 0) {
		uint64_t *word = &bitmap->words[page / WORD_PAGES];
		uint64_t mask = next_mask(&page, &n);

		added += (uint64_t)__builtin_popcountll(mask & ~*word);
		*word |= mask;
	}
	bitmap->count += added;
	return added;
}

uint64_t page_bitmap_clear(struct page_bitmap *bitmap, uint64_t page, uint64_t n)
{
	uint64_t taken = 0;

	/* A word of an empty set may never have been touched, and stays so. */
	while (n > 0 && bitmap->count > taken) {
		uint64_t *word = &bitmap->words[page / WORD_PAGES];
		uint64_t hit = next_mask(&page, &n) & *word;

		if (!hit)
			continue;
		taken += (uint64_t)__builtin_popcountll(hit);
		*word &= ~hit;
	}
	bitmap->count -= taken;
	return taken;
}

void page_bitmap_clear_all(struct page_bitmap *bitmap)
{
	if (bitmap->count == 0)
		return;
	if (madvise(bitmap->words, bitmap_bytes(bitmap->n_pages), MADV_DONTNEED) < 0)
		memset(bitmap->words, 0, bitmap_bytes(bitmap->n_pages)); /* locked memory */
	bitmap->count = 0;
}

bool page_bitmap_all(const struct page_bitmap *bitmap, uint64_t page, uint64_t n)
{
	while (n > 0) {
		uint64_t word = bitmap->words[page / WORD_PAGES];
		uint64_t mask = next_mask(&page, &n);

		if ((word & mask) != mask)
			return false;
	}
	return true;
}

static bool has(const struct page_bitmap *bitmap, uint64_t page)
{
	return bitmap->words[page / WORD_PAGES] >> (page % WORD_PAGES) & 1;
}

bool page_bitmap_next(const struct page_bitmap *bitmap, uint64_t page, uint64_t end,
		      uint64_t *ret_page, uint64_t *ret_n)
{
	uint64_t first;

	while (page < end && !has(bitmap, page))
		page++;
	if (page >= end)
		return false;
	first = page;
	while (page < end && has(bitmap, page))
		page++;
	*ret_page = first;
	*ret_n = page - first;
	return true;
}
