/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free page hinting (virtio 1.2, §5.5.6.5): the guest says which pages are free, for who copies its
 * memory and may leave them out.
 *
 * A session: the device shows a new command id in its configuration; the driver sends that id,
 * then buffers which are free pages (it holds them back from its own use), then the id
 * VIRTIO_BALLOON_CMD_ID_STOP. The device then shows VIRTIO_BALLOON_CMD_ID_DONE, and the driver
 * takes the pages back into use.
 *
 * The pages are only counted. They are the guest's all the time: it may take them back, what they
 * held included, before it has said so.
 */
#include "base/err.h"
#include "virtio/balloon_internal.h"

enum { FIRST_ID = VIRTIO_BALLOON_CMD_ID_DONE + 1 };

static void show_id(struct virtio_balloon *b, uint32_t id)
{
	virtio_device_set_config(&b->dev,
				 offsetof(struct virtio_balloon_config, free_page_hint_cmd_id), &id,
				 sizeof(id));
}

static void take_id(struct virtio_balloon *b, uint32_t id)
{
	if (b->hints.asked && id == balloon_config(b).free_page_hint_cmd_id) {
		b->hints.asked = false;
		b->hints.running = true;
		return;
	}
	/* Anything else belongs to a session that is over, or isn't one. */
	if (!b->hints.running || id != VIRTIO_BALLOON_CMD_ID_STOP)
		return;
	b->hints.running = false;
	show_id(b, VIRTIO_BALLOON_CMD_ID_DONE);
	balloon_changed(b);
}

/* How many pages there were in the chain. */
static uint64_t count_pages(struct virtio_balloon *b)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < b->chain.n_writable; i++) {
		uint64_t page, n;

		if (!balloon_buffer_pages(b, &virtq_chain_writable(&b->chain)[i], &page, &n))
			continue;
		sum += n;
		if (b->hints.running)
			page_bitmap_set(&b->hinted, page, n);
	}
	return sum;
}

/* An id, which is to be read; or pages, which are buffers to write. -1 if it's neither. */
static int take_chain(struct virtio_balloon *b, uint64_t *pages)
{
	uint32_t id;

	if (b->chain.n_readable == 0) {
		*pages += count_pages(b);
		return 0;
	}
	if (b->chain.n_writable != 0 || b->chain.readable_len != sizeof(id))
		return -1;
	balloon_copy_chain(&b->chain, &id, sizeof(id));
	take_id(b, id);
	return 0;
}

void balloon_take_hints(struct virtio_balloon *b, unsigned queue)
{
	struct virtqueue *vq = &b->dev.queues[queue];
	unsigned n = 0;
	uint64_t pages = 0;
	int found = 0;

	do {
		virtqueue_disable_notify(vq);
		while (n < BALLOON_TURN_CHAINS && pages < BALLOON_TURN_PAGES &&
		       (found = virtqueue_pop(vq, &b->chain)) > 0) {
			if (take_chain(b, &pages) < 0) {
				found = -1;
				break;
			}
			virtqueue_push(vq, &b->chain, 0);
			n++;
		}
		if (found < 0) {
			virtio_device_break(&b->dev, "bad descriptors in the hinting queue");
			return;
		}
	} while (found == 0 && virtqueue_enable_notify(vq));
	if (n > 0)
		virtio_device_used(&b->dev, queue);
	if (found > 0)
		virtio_device_kick(&b->dev, queue);
}

int virtio_balloon_ask_hints(struct virtio_device *device, struct err **err)
{
	struct virtio_balloon *b = (struct virtio_balloon *)device;

	if (!virtio_device_running(device))
		return err_set(err, ERR_STATE, 0, "the guest has no balloon driver running");
	if (b->queues[BALLOON_HINTS] < 0)
		return err_set(err, ERR_STATE, 0,
			       b->options & VIRTIO_BALLOON_HINTING
				   ? "the guest's balloon driver gives no hints"
				   : "the guest's balloon was made without hinting");
	if (b->hints.next_id < FIRST_ID)
		b->hints.next_id = FIRST_ID;
	page_bitmap_clear_all(&b->hinted);
	b->hints.running = false;
	b->hints.asked = true;
	show_id(b, b->hints.next_id++);
	return 0;
}
