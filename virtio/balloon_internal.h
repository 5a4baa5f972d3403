/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of virtio-balloon share: the device and its queues (balloon.c), pages put in,
 * taken out and reported (balloon_pages.c), given back (balloon_release.c), statistics
 * (balloon_stats.c), hints (balloon_hints.c).
 */
#ifndef LODGE_VIRTIO_BALLOON_INTERNAL_H
#define LODGE_VIRTIO_BALLOON_INTERNAL_H

#include <linux/virtio_balloon.h>

#include "virtio/balloon.h"
#include "virtio/device.h"
#include "virtio/page_bitmap.h"
#include "virtio/page_ranges.h"

/* §5.5.2: what the queues are for, and their numbers in the specification (but see
 * assign_queues()). */
enum balloon_role {
	BALLOON_INFLATE,
	BALLOON_DEFLATE,
	BALLOON_STATS,
	BALLOON_HINTS,
	BALLOON_REPORTS,
	BALLOON_ROLES,
};

enum {
	/* What one turn of the event loop does at most. Linux hands over 256 pages at a time when
	 * it inflates, and 32 blocks of 2 or 4 MiB when it reports. */
	BALLOON_TURN_CHAINS = 64,
	BALLOON_TURN_PFNS = 2048, /* page frame numbers, each of which may cost a call */
	BALLOON_BLOCKS_MAX = 8,	  /* of 2 MiB, that wait to become whole */
	BALLOON_TURN_PAGES = 256 << 20 >> 12, /* reported pages, a whole number of any unit */
};

/* A chain that is worked off, perhaps over several turns: a driver may put all its memory into
 * one. */
struct balloon_work {
	struct virtq_chain chain;
	bool held;	 /* taken and not given back yet */
	unsigned buffer; /* the one to go on with */
	uint64_t offset; /* what of it is done: bytes of numbers, or pages reported */
};

struct virtio_balloon {
	struct virtio_device dev;
	struct virtio_balloon_host host;
	unsigned options;

	/* Guest RAM: pages below the device hole, and those above it from high_pfn on. */
	uint64_t n_pages, low_pages, high_pfn;
	uint64_t unit; /* pages that can only be given back together */

	/* The role of each queue, BALLOON_ROLES if it has none, and the queue of each role, -1 if
	 * it has none. */
	enum balloon_role roles[VIRTIO_QUEUES_MAX];
	int queues[BALLOON_ROLES];

	struct page_bitmap ballooned; /* given to the balloon and not taken out */
	struct page_bitmap waiting;   /* of those, not given back to the host yet */
	struct page_bitmap reported;
	struct page_bitmap hinted;
	uint32_t blocks[BALLOON_BLOCKS_MAX]; /* in which pages wait, the oldest first */
	unsigned n_blocks;
	uint64_t released_pages;
	uint64_t reported_total;

	struct {
		bool held; /* the driver's buffer is here, to be given back when more is wanted */
		uint16_t head;
		bool valid;
		uint64_t time_ms;
		uint64_t values[VIRTIO_BALLOON_STATS_MAX];
		bool present[VIRTIO_BALLOON_STATS_MAX];
	} stats;

	struct {
		uint32_t next_id;
		bool asked;   /* the driver hasn't answered yet */
		bool running; /* the driver has */
	} hints;

	/* Scratch, and too large for a stack frame. */
	struct virtq_chain chain;
	struct balloon_work inflate, deflate, reports;
	uint32_t pfns[BALLOON_TURN_PFNS];
	page_range ranges[BALLOON_TURN_PFNS];
};

/* The driver negotiated this VIRTIO_BALLOON_F_*. */
bool balloon_negotiated(const struct virtio_balloon *b, unsigned feature);
/* The configuration as the driver reads it. */
struct virtio_balloon_config balloon_config(const struct virtio_balloon *b);
void balloon_changed(struct virtio_balloon *b);

/* Copies what a chain has to read, or as much of it as there is room for. How much it was. */
size_t balloon_copy_chain(const struct virtq_chain *chain, void *buf, size_t size);
/* The whole pages in a buffer; false if there is none. */
bool balloon_buffer_pages(const struct virtio_balloon *b, const struct iovec *iov,
			  uint64_t *ret_page, uint64_t *ret_n);

/* Pages that were put into the balloon are to go back to the host, now or soon. */
void balloon_release(struct virtio_balloon *b, uint64_t page, uint64_t n);
/* Whatever still waits goes now. */
void balloon_release_rest(struct virtio_balloon *b);
/* Pages that were taken out aren't given back any more. */
void balloon_keep(struct virtio_balloon *b, uint64_t page, uint64_t n);

/* The driver may have put chains into the queue of that role. */
void balloon_inflate(struct virtio_balloon *b, unsigned queue);
void balloon_deflate(struct virtio_balloon *b, unsigned queue);
void balloon_take_reports(struct virtio_balloon *b, unsigned queue);
void balloon_take_stats(struct virtio_balloon *b, unsigned queue);
void balloon_take_hints(struct virtio_balloon *b, unsigned queue);

#endif
