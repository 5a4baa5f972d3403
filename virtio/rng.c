/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng: see rng.h. */
#include "virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "virtio/device.h"

enum {
	QUEUE = 0,
	N_QUEUES = 1,
	QUEUE_SIZE = 8,
	N_VECTORS = 2,
	/* What one turn of the event loop gives at most. A request may get less than it asked for
	 * (§5.4.6.1). */
	TURN_CHAINS = 64,
	TURN_BYTES = 64 * 1024,
	PCI_CLASS_UNASSIGNED = 0xff0000,
};

struct virtio_rng {
	struct virtio_device dev;
	struct virtq_chain chain;
};

/* Fills up to max bytes of a chain; returns how many, 0 if the host has none to give. */
static uint32_t fill_chain(const struct virtq_chain *chain, size_t max)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->n_writable && done < max; i++) {
		const struct iovec *iov = &virtq_chain_writable(chain)[i];
		size_t len = iov->iov_len < max - done ? iov->iov_len : max - done;
		ssize_t n = getrandom(iov->iov_base, len, GRND_NONBLOCK);

		/* Less than asked for comes of a signal; it's enough for the guest. */
		if (n > 0)
			done += (size_t)n;
		if (n < 0 || (size_t)n < len)
			break;
	}
	return (uint32_t)done;
}

static void rng_notify(struct virtio_device *dev, unsigned queue)
{
	struct virtio_rng *rng = (struct virtio_rng *)dev;
	struct virtqueue *vq = &dev->queues[queue];
	size_t given = 0;
	unsigned n = 0;
	int found = 0;

	do {
		virtqueue_disable_notify(vq);
		while (n < TURN_CHAINS && given < TURN_BYTES &&
		       (found = virtqueue_pop(vq, &rng->chain)) > 0) {
			uint32_t bytes;

			/* §5.4.6.1: the queue's buffers are there to be written to. */
			if (rng->chain.n_writable == 0 || rng->chain.n_readable != 0) {
				found = -1;
				break;
			}
			bytes = fill_chain(&rng->chain, TURN_BYTES - given);
			given += bytes;
			n++;
			virtqueue_push(vq, &rng->chain, bytes);
		}
		if (found < 0) {
			virtio_device_break(dev, "bad descriptors");
			return;
		}
		if (n >= TURN_CHAINS || given >= TURN_BYTES) {
			virtio_device_kick(dev, QUEUE);
			break;
		}
	} while (virtqueue_enable_notify(vq));
	if (n > 0)
		virtio_device_used(dev, QUEUE);
}

static void rng_activate(struct virtio_device *dev)
{
	(void)dev;
}

static void rng_reset(struct virtio_device *dev)
{
	(void)dev;
}

static void rng_free(struct virtio_device *dev)
{
	free(dev);
}

static const struct virtio_device_class rng_class = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.pci_class = PCI_CLASS_UNASSIGNED,
	.n_queues = N_QUEUES,
	.queue_size = QUEUE_SIZE,
	.n_vectors = N_VECTORS,
	.activate = rng_activate,
	.reset = rng_reset,
	.queue_notify = rng_notify,
	.free = rng_free,
};

int virtio_rng_new(struct virtio_device **ret_device, struct err **err)
{
	struct virtio_rng *rng = calloc(1, sizeof(*rng));

	if (!rng)
		return err_set(err, ERR_NO_SPACE, errno, "virtio-rng");
	virtio_device_init(&rng->dev, &rng_class);
	*ret_device = &rng->dev;
	return 0;
}
