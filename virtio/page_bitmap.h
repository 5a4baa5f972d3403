/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of guest pages: a bit a page, and how many are set.
 *
 * Made once, for all of a guest's RAM; what was never touched costs nothing (32 KiB for each GiB of
 * RAM at most). Pages are the numbers of mem/guest_ram.h, from 0. A range that reaches beyond the
 * last page is the caller's bug.
 */
#ifndef LODGE_VIRTIO_PAGE_BITMAP_H
#define LODGE_VIRTIO_PAGE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct page_bitmap {
	uint64_t *words;
	uint64_t n_pages;
	uint64_t count; /* pages in the set */
};

/* An empty set of pages below n_pages, which isn't 0. */
int page_bitmap_init(struct page_bitmap *bitmap, uint64_t n_pages, struct err **err);
/* One that was never made, all zero, is fine. */
void page_bitmap_free(struct page_bitmap *bitmap);

/* Adds the n pages from page on, or takes them out. How many weren't (were) in it. */
uint64_t page_bitmap_set(struct page_bitmap *bitmap, uint64_t page, uint64_t n);
uint64_t page_bitmap_clear(struct page_bitmap *bitmap, uint64_t page, uint64_t n);
/* Takes all out, and gives the bitmap's own memory back. */
void page_bitmap_clear_all(struct page_bitmap *bitmap);

/* Whether all n pages from page on are in it. */
bool page_bitmap_all(const struct page_bitmap *bitmap, uint64_t page, uint64_t n);

/* The first run of pages in it from page on and below end; false if there is none. */
bool page_bitmap_next(const struct page_bitmap *bitmap, uint64_t page, uint64_t end,
		      uint64_t *ret_page, uint64_t *ret_n);

#endif
