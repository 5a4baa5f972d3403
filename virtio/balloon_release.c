/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving back to the host what was put into the balloon.
 *
 * The kernel isn't called for pages as they come, but for a block of 2 MiB once all of it is in the
 * balloon. A huge page of the host then goes whole; giving back a part of it would split it, and
 * the guest, which clears pages before it puts them in, would fault on each page of the rest.
 *
 * That is sound because a driver that has negotiated VIRTIO_BALLOON_F_MUST_TELL_HOST uses no page
 * of the balloon before it has taken it out (§5.5.6.1), and a page that is taken out isn't given
 * back any more. From other drivers nothing is kept.
 *
 * At most BALLOON_BLOCKS_MAX blocks wait to become whole, and what there is of the oldest goes when
 * another begins; all of them go when the balloon is as large as it was to be.
 */
#include <string.h>

#include "mem/guest_ram.h"
#include "virtio/balloon_internal.h"

enum { BLOCK_PAGES = (2 << 20) / GUEST_RAM_PAGE };

static uint64_t block_start(uint32_t block)
{
	return (uint64_t)block * BLOCK_PAGES;
}

/* Pages in a block; the last one may be short. */
static uint64_t block_len(const struct virtio_balloon *b, uint32_t block)
{
	uint64_t left = b->n_pages - block_start(block);

	return left < BLOCK_PAGES ? left : BLOCK_PAGES;
}

static bool is_whole(const struct virtio_balloon *b, uint32_t block)
{
	return page_bitmap_all(&b->ballooned, block_start(block), block_len(b, block));
}

static void stop_waiting(struct virtio_balloon *b, unsigned i)
{
	b->n_blocks--;
	memmove(&b->blocks[i], &b->blocks[i + 1], (b->n_blocks - i) * sizeof(b->blocks[0]));
}

/* Gives pages back of which some may have gone before. */
static void give(struct virtio_balloon *b, uint64_t page, uint64_t n)
{
	if (guest_ram_release(b->host.ram, page, n) > 0)
		b->released_pages += page_bitmap_clear(&b->waiting, page, n);
}

/* Gives back what waits of the block that waited for longest, or of hugetlb's pages, which can't be
 * given back in parts, nothing. */
static void give_oldest(struct virtio_balloon *b)
{
	uint64_t page = block_start(b->blocks[0]);
	uint64_t end = page + block_len(b, b->blocks[0]);
	uint64_t n;

	while (b->unit == 1 && page_bitmap_next(&b->waiting, page, end, &page, &n)) {
		give(b, page, n);
		page += n;
	}
	stop_waiting(b, 0);
}

static void wait_for_rest(struct virtio_balloon *b, uint32_t block)
{
	for (unsigned i = 0; i < b->n_blocks; i++)
		if (b->blocks[i] == block)
			return;
	if (b->n_blocks == BALLOON_BLOCKS_MAX)
		give_oldest(b);
	b->blocks[b->n_blocks++] = block;
}

/* Gives back blocks that are whole, next to each other. */
static void give_blocks(struct virtio_balloon *b, uint32_t first, uint32_t n)
{
	uint64_t start = block_start(first);
	uint64_t end = block_start(first + n - 1) + block_len(b, first + n - 1);

	give(b, start, end - start);
	for (unsigned i = b->n_blocks; i-- > 0;)
		if (b->blocks[i] - first < n)
			stop_waiting(b, i);
}

void balloon_release(struct virtio_balloon *b, uint64_t page, uint64_t n)
{
	uint32_t block = (uint32_t)(page / BLOCK_PAGES);
	uint32_t end = (uint32_t)((page + n - 1) / BLOCK_PAGES) + 1;

	page_bitmap_set(&b->waiting, page, n);
	while (block < end) {
		uint32_t whole = block;

		while (whole < end && is_whole(b, whole))
			whole++;
		if (whole > block)
			give_blocks(b, block, whole - block);
		if (whole < end)
			wait_for_rest(b, whole);
		block = whole + 1;
	}
	if (!balloon_negotiated(b, VIRTIO_BALLOON_F_MUST_TELL_HOST) ||
	    b->ballooned.count >= balloon_config(b).num_pages)
		balloon_release_rest(b);
}

void balloon_release_rest(struct virtio_balloon *b)
{
	while (b->n_blocks > 0)
		give_oldest(b);
}

void balloon_keep(struct virtio_balloon *b, uint64_t page, uint64_t n)
{
	page_bitmap_clear(&b->waiting, page, n);
}
