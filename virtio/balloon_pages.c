/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that go into the balloon and come out (virtio 1.2, §5.5.6.1), and free page reporting
 * (§5.5.6.7).
 *
 * The driver names pages by their numbers, in arrays. All arrays of a turn are collected, copied
 * once and made into ranges, and then the chains go back. When the pages do is in
 * balloon_release.c.
 *
 * A number may be anything. One that isn't RAM is passed over, as the specification has no rule for
 * it and the other pages of the array are still worth having; one that was given before changes
 * nothing. A page whose bit isn't set is never given back.
 */
#include <string.h>

#include "base/log.h"
#include "mem/guest_ram.h"
#include "virtio/balloon_internal.h"

enum { PAGE_SIZE_4K = 1 << VIRTIO_BALLOON_PFN_SHIFT };

static void put_in(struct virtio_balloon *b, unsigned n_ranges)
{
	n_ranges = page_ranges_join(b->ranges, n_ranges);
	for (unsigned i = 0; i < n_ranges; i++) {
		uint32_t page = page_range_first(b->ranges[i]);
		uint32_t n = page_range_len(b->ranges[i]);

		if (page_bitmap_set(&b->ballooned, page, n) == 0)
			continue;
		page_bitmap_clear(&b->reported, page, n);
		balloon_release(b, page, n);
	}
}

static void take_out(struct virtio_balloon *b, unsigned n_ranges)
{
	for (unsigned i = 0; i < n_ranges; i++) {
		uint32_t page = page_range_first(b->ranges[i]);
		uint32_t n = page_range_len(b->ranges[i]);

		page_bitmap_clear(&b->ballooned, page, n);
		balloon_keep(b, page, n);
	}
}

/* Makes page numbers of the first n frame numbers, which differ above the device hole, and leaves
 * out what isn't RAM. How many there are. */
static unsigned check_pfns(struct virtio_balloon *b, unsigned n)
{
	const uint64_t high_pages = b->n_pages - b->low_pages;
	unsigned good = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t pfn = b->pfns[i];

		if (pfn < b->low_pages)
			b->pfns[good++] = (uint32_t)pfn;
		else if (pfn - b->high_pfn < high_pages)
			b->pfns[good++] = (uint32_t)(pfn - b->high_pfn + b->low_pages);
	}
	if (good < n)
		log_limited("virtio-balloon: the guest's driver named %u pages that aren't RAM",
			    n - good);
	return good;
}

/* Copies numbers from a chain, behind *len bytes that are there already, for as long as there is
 * room. True if that was all. */
static bool copy_pfns(struct virtio_balloon *b, struct balloon_work *work, size_t *len)
{
	while (work->buffer < work->chain.n_readable && *len < sizeof(b->pfns)) {
		const struct iovec *iov = &virtq_chain_readable(&work->chain)[work->buffer];
		size_t n = iov->iov_len - work->offset;

		if (n > sizeof(b->pfns) - *len)
			n = sizeof(b->pfns) - *len;
		memcpy((uint8_t *)b->pfns + *len, (const uint8_t *)iov->iov_base + work->offset, n);
		*len += n;
		work->offset += n;
		if (work->offset == iov->iov_len) {
			work->buffer++;
			work->offset = 0;
		}
	}
	return work->buffer == work->chain.n_readable;
}

/* Takes a chain, or goes on with the one in hand. As virtqueue_pop(). */
static int next_chain(struct virtqueue *vq, struct balloon_work *work)
{
	int found;

	if (work->held)
		return !vq->paused;
	found = virtqueue_pop(vq, &work->chain);
	work->held = found > 0;
	work->buffer = 0;
	work->offset = 0;
	return found;
}

/* What one turn has collected. */
struct turn {
	size_t len; /* bytes of frame numbers */
	unsigned n_done;
	uint16_t done[BALLOON_TURN_CHAINS]; /* heads of chains that are to go back */
};

/* Collects what is in the queue: 1 if the turn is full, 0 if the queue is empty, -1 if the driver
 * broke the rules. */
static int collect(struct virtio_balloon *b, struct virtqueue *vq, struct balloon_work *work,
		   struct turn *turn)
{
	while (turn->n_done < BALLOON_TURN_CHAINS && turn->len < sizeof(b->pfns)) {
		int found = next_chain(vq, work);

		if (found <= 0)
			return found;
		/* An array of whole numbers, and nothing to write into. As a chain has whole
		 * numbers and so has b->pfns, each turn's bytes begin with a number. */
		if (work->chain.n_writable != 0 ||
		    work->chain.readable_len % sizeof(b->pfns[0]) != 0)
			return -1;
		if (copy_pfns(b, work, &turn->len)) {
			work->held = false;
			turn->done[turn->n_done++] = work->chain.head;
		}
	}
	return 1;
}

static void move_pages(struct virtio_balloon *b, unsigned queue, struct balloon_work *work,
		       void (*apply)(struct virtio_balloon *b, unsigned n_ranges))
{
	struct virtqueue *vq = &b->dev.queues[queue];
	uint64_t before = b->ballooned.count;
	struct turn turn = { .len = 0 };
	unsigned n;
	int more;

	do {
		virtqueue_disable_notify(vq);
		more = collect(b, vq, work, &turn);
	} while (more == 0 && virtqueue_enable_notify(vq));
	if (more < 0) {
		virtio_device_break(&b->dev, "bad page frame numbers");
		return;
	}
	n = check_pfns(b, (unsigned)(turn.len / sizeof(b->pfns[0])));
	apply(b, page_ranges_runs(b->pfns, n, b->ranges));
	for (unsigned i = 0; i < turn.n_done; i++)
		virtqueue_push_head(vq, turn.done[i], 0);
	if (turn.n_done > 0)
		virtio_device_used(&b->dev, queue);
	if (more > 0)
		virtio_device_kick(&b->dev, queue);
	if (b->ballooned.count != before)
		balloon_changed(b);
}

void balloon_inflate(struct virtio_balloon *b, unsigned queue)
{
	move_pages(b, queue, &b->inflate, put_in);
}

void balloon_deflate(struct virtio_balloon *b, unsigned queue)
{
	move_pages(b, queue, &b->deflate, take_out);
}

/*
 * Free page reporting: a chain's buffers are the free pages themselves, and the driver leaves them
 * alone until it has the chain back.
 */

bool balloon_buffer_pages(const struct virtio_balloon *b, const struct iovec *iov,
			  uint64_t *ret_page, uint64_t *ret_n)
{
	uint64_t head = -(uintptr_t)iov->iov_base & (PAGE_SIZE_4K - 1);

	if (iov->iov_len < head + PAGE_SIZE_4K)
		return false;
	*ret_page = guest_ram_page_at(b->host.ram, (const uint8_t *)iov->iov_base + head);
	*ret_n = (iov->iov_len - head) / PAGE_SIZE_4K;
	return true;
}

/* §5.5.6.6: where the guest relies on what its free pages hold, they may come back with nothing
 * else. Fresh pages hold zeroes. */
static bool may_release_reported(const struct virtio_balloon *b)
{
	return balloon_config(b).poison_val == 0;
}

/* Gives the whole units of a range of free pages back. */
static void release_reported(struct virtio_balloon *b, uint64_t page, uint64_t n)
{
	uint64_t end = (page + n) / b->unit * b->unit;
	uint64_t released;

	page = (page + b->unit - 1) / b->unit * b->unit;
	if (page >= end || !may_release_reported(b))
		return;
	released = guest_ram_release(b->host.ram, page, end - page);
	b->reported_total += released;
	if (released == end - page)
		page_bitmap_set(&b->reported, page, end - page);
}

/* Works on a chain for at most max pages, or one unit more. How many it were; the chain is done if
 * work->buffer is at its end. */
static uint64_t report_some(struct virtio_balloon *b, struct balloon_work *work, uint64_t max)
{
	uint64_t done = 0;

	while (work->buffer < work->chain.n_writable && done < max) {
		const struct iovec *iov = &virtq_chain_writable(&work->chain)[work->buffer];
		uint64_t page, n, part;

		if (!balloon_buffer_pages(b, iov, &page, &n)) {
			work->buffer++;
			continue;
		}
		page += work->offset;
		part = n -= work->offset;
		/* A long buffer is cut where a unit ends. */
		if (part > max - done)
			part = (page + (max - done) + b->unit - 1) / b->unit * b->unit - page;
		if (part >= n) {
			part = n;
			work->buffer++;
			work->offset = 0;
		} else {
			work->offset += part;
		}
		release_reported(b, page, part);
		done += part;
	}
	return done;
}

void balloon_take_reports(struct virtio_balloon *b, unsigned queue)
{
	struct virtqueue *vq = &b->dev.queues[queue];
	struct balloon_work *work = &b->reports;
	unsigned n_chains = 0;
	uint64_t pages = 0;
	int found = 0;

	do {
		virtqueue_disable_notify(vq);
		while (n_chains < BALLOON_TURN_CHAINS && pages < BALLOON_TURN_PAGES &&
		       (found = next_chain(vq, work)) > 0) {
			if (work->chain.n_readable != 0) {
				found = -1;
				break;
			}
			pages += report_some(b, work, BALLOON_TURN_PAGES - pages);
			if (work->buffer < work->chain.n_writable)
				continue;
			work->held = false;
			virtqueue_push(vq, &work->chain, 0);
			n_chains++;
		}
		if (found < 0) {
			virtio_device_break(&b->dev, "bad descriptors in the reporting queue");
			return;
		}
	} while (found == 0 && virtqueue_enable_notify(vq));
	if (n_chains > 0)
		virtio_device_used(&b->dev, queue);
	if (found > 0)
		virtio_device_kick(&b->dev, queue);
}
