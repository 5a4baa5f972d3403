/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's memory statistics (virtio 1.2, §5.5.6.3).
 *
 * The queue works backwards: the driver offers a buffer of statistics when it starts, and the
 * device keeps it. Giving it back is the question; the driver's answer is the buffer again, with
 * new ones in it.
 *
 * A buffer is an array of { u16 tag, u64 value } without padding. Tags that aren't known are passed
 * over, as drivers learn new ones; so is what is left at the end and isn't a whole entry, or beyond
 * more entries than there are tags several times over.
 */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "virtio/balloon_internal.h"

enum { STATS_BYTES_MAX = 8 * VIRTIO_BALLOON_STATS_MAX * sizeof(struct virtio_balloon_stat) };

_Static_assert((int)VIRTIO_BALLOON_STATS_MAX == VIRTIO_BALLOON_S_NR, "a slot for each tag");

const char *virtio_balloon_stat_name(unsigned i)
{
	static const char *const names[VIRTIO_BALLOON_STATS_MAX] = {
		[VIRTIO_BALLOON_S_SWAP_IN] = "swap_in",
		[VIRTIO_BALLOON_S_SWAP_OUT] = "swap_out",
		[VIRTIO_BALLOON_S_MAJFLT] = "major_faults",
		[VIRTIO_BALLOON_S_MINFLT] = "minor_faults",
		[VIRTIO_BALLOON_S_MEMFREE] = "free",
		[VIRTIO_BALLOON_S_MEMTOT] = "total",
		[VIRTIO_BALLOON_S_AVAIL] = "available",
		[VIRTIO_BALLOON_S_CACHES] = "disk_caches",
		[VIRTIO_BALLOON_S_HTLB_PGALLOC] = "hugetlb_allocations",
		[VIRTIO_BALLOON_S_HTLB_PGFAIL] = "hugetlb_failures",
		[VIRTIO_BALLOON_S_OOM_KILL] = "oom_kill",
		[VIRTIO_BALLOON_S_ALLOC_STALL] = "alloc_stall",
		[VIRTIO_BALLOON_S_ASYNC_SCAN] = "async_scan",
		[VIRTIO_BALLOON_S_DIRECT_SCAN] = "direct_scan",
		[VIRTIO_BALLOON_S_ASYNC_RECLAIM] = "async_reclaim",
		[VIRTIO_BALLOON_S_DIRECT_RECLAIM] = "direct_reclaim",
	};

	return names[i];
}

size_t balloon_copy_chain(const struct virtq_chain *chain, void *buf, size_t size)
{
	size_t len = 0;

	for (unsigned i = 0; i < chain->n_readable && len < size; i++) {
		const struct iovec *iov = &virtq_chain_readable(chain)[i];
		size_t n = iov->iov_len < size - len ? iov->iov_len : size - len;

		memcpy((uint8_t *)buf + len, iov->iov_base, n);
		len += n;
	}
	return len;
}

static void parse(struct virtio_balloon *b)
{
	uint8_t buf[STATS_BYTES_MAX];
	size_t len = balloon_copy_chain(&b->chain, buf, sizeof(buf));
	struct virtio_balloon_stat stat;

	memset(b->stats.present, 0, sizeof(b->stats.present));
	for (size_t at = 0; at + sizeof(stat) <= len; at += sizeof(stat)) {
		memcpy(&stat, buf + at, sizeof(stat));
		if (stat.tag >= VIRTIO_BALLOON_STATS_MAX)
			continue;
		b->stats.values[stat.tag] = stat.val;
		b->stats.present[stat.tag] = true;
	}
	b->stats.valid = true;
	b->stats.time_ms = clock_boot_ms();
}

void balloon_take_stats(struct virtio_balloon *b, unsigned queue)
{
	struct virtqueue *vq = &b->dev.queues[queue];
	unsigned n = 0;
	bool used = false;
	int found = 0;

	do {
		virtqueue_disable_notify(vq);
		while (n < BALLOON_TURN_CHAINS && (found = virtqueue_pop(vq, &b->chain)) > 0) {
			if (b->chain.n_writable != 0) {
				found = -1;
				break;
			}
			/* A driver has one buffer there. Of more, the last is kept. */
			if (b->stats.held) {
				virtqueue_push_head(vq, b->stats.head, 0);
				used = true;
			}
			b->stats.held = true;
			b->stats.head = b->chain.head;
			parse(b);
			n++;
		}
		if (found < 0) {
			virtio_device_break(&b->dev, "bad descriptors in the statistics queue");
			return;
		}
	} while (found == 0 && virtqueue_enable_notify(vq));
	if (used)
		virtio_device_used(&b->dev, queue);
	if (found > 0)
		virtio_device_kick(&b->dev, queue);
	if (n > 0)
		balloon_changed(b);
}

int virtio_balloon_ask_stats(struct virtio_device *device, struct err **err)
{
	struct virtio_balloon *b = (struct virtio_balloon *)device;
	int queue = b->queues[BALLOON_STATS];

	if (!virtio_device_running(device) || device->queues[BALLOON_INFLATE].paused)
		return err_set(err, ERR_STATE, 0, "the guest has no balloon driver running");
	if (queue < 0)
		return err_set(err, ERR_STATE, 0,
			       b->options & VIRTIO_BALLOON_STATS
				   ? "the guest's balloon driver sends no statistics"
				   : "the guest's balloon was made without statistics");
	/* Without the buffer the question has been asked before, and the answer is on its way. */
	if (!b->stats.held)
		return 0;
	b->stats.held = false;
	virtqueue_push_head(&device->queues[queue], b->stats.head, 0);
	virtio_device_used(device, (unsigned)queue);
	return 0;
}
