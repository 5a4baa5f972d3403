/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console: see console.h. */
#include "virtio/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "dev/console.h"
#include "virtio/device.h"

/* §5.3.2. */
enum { QUEUE_RX, QUEUE_TX, N_QUEUES };

enum {
	/* Linux fills the receive queue with a page for each descriptor, so a large one would cost
	 * a guest memory that nobody types. */
	QUEUE_SIZE = 16,
	/* What one turn of the event loop does at most. */
	TURN_CHAINS = 64,
	TURN_BYTES = 256 * 1024,
	/* Of one buffer chain, at most this much is printed: more than anybody's terminal takes,
	 * and more than the console keeps. */
	CHAIN_BYTES = 1024 * 1024,
	/* One for the configuration and one for both queues: nobody prints or types so fast that it
	 * matters, and a third would cost every boot 11 exits. */
	N_VECTORS = 2,
	PCI_CLASS_COMMUNICATION_OTHER = 0x078000,
};

struct virtio_console {
	struct virtio_device dev;
	struct console *console;
	bool attached;
	struct virtq_chain chain; /* the one in hand: too large for a stack frame */
};

static struct virtio_console *console_of(struct virtio_device *dev)
{
	return (struct virtio_console *)dev;
}

/* §5.3.4: the terminal's size is in the first two fields. Both change in one store. */
static void show_size(struct virtio_console *vc, uint16_t columns, uint16_t rows)
{
	const uint16_t size[2] = { columns, rows };

	_Static_assert(offsetof(struct virtio_console_config, cols) == 0 &&
			   offsetof(struct virtio_console_config, rows) == 2,
		       "the layout of virtio 1.2, 5.3.4");
	virtio_device_set_config(&vc->dev, 0, size, sizeof(size));
}

/*
 * From the guest.
 */

static uint64_t print_chain(struct virtio_console *vc)
{
	uint64_t left = CHAIN_BYTES;

	for (unsigned i = 0; i < vc->chain.n_readable && left > 0; i++) {
		const struct iovec *iov = &virtq_chain_readable(&vc->chain)[i];
		size_t len = iov->iov_len < left ? iov->iov_len : left;

		console_write(vc->console, iov->iov_base, len);
		left -= len;
	}
	return CHAIN_BYTES - left;
}

static void transmit(struct virtio_console *vc)
{
	struct virtqueue *vq = &vc->dev.queues[QUEUE_TX];
	uint64_t printed = 0;
	unsigned n = 0;
	int found = 0;

	do {
		virtqueue_disable_notify(vq);
		while (n < TURN_CHAINS && printed < TURN_BYTES &&
		       (found = virtqueue_pop(vq, &vc->chain)) > 0) {
			printed += print_chain(vc);
			n++;
			/* At once: Linux spins until it has the buffer back. */
			virtqueue_push(vq, &vc->chain, 0);
		}
		if (found < 0) {
			virtio_device_break(&vc->dev, "bad descriptors in the transmit queue");
			return;
		}
		if (n >= TURN_CHAINS || printed >= TURN_BYTES) {
			virtio_device_kick(&vc->dev, QUEUE_TX);
			break;
		}
	} while (virtqueue_enable_notify(vq));
	if (n > 0)
		virtio_device_used(&vc->dev, QUEUE_TX);
}

/*
 * To the guest.
 */

static size_t fill_chain(const struct virtq_chain *chain, const uint8_t *data, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->n_writable && done < len; i++) {
		const struct iovec *iov = &virtq_chain_writable(chain)[i];
		size_t n = iov->iov_len < len - done ? iov->iov_len : len - done;

		memcpy(iov->iov_base, data + done, n);
		done += n;
	}
	return done;
}

/* The next buffer to receive into. A queue that is empty asks for a kick, unless buffers came at
 * that very moment. */
static bool next_buffer(struct virtio_console *vc)
{
	struct virtqueue *vq = &vc->dev.queues[QUEUE_RX];
	int found;

	virtqueue_disable_notify(vq);
	do
		found = virtqueue_pop(vq, &vc->chain);
	while (found == 0 && virtqueue_enable_notify(vq));
	/* §5.3.6.1: a receive buffer is there to be written to. */
	if (found < 0 || (found > 0 && vc->chain.n_writable == 0)) {
		virtio_device_break(&vc->dev, "bad descriptors in the receive queue");
		return false;
	}
	return found > 0;
}

static size_t input(void *opaque, const uint8_t *data, size_t len)
{
	struct virtio_console *vc = opaque;
	size_t done = 0;

	if (!virtio_device_running(&vc->dev))
		return 0;
	while (done < len && next_buffer(vc)) {
		size_t n = fill_chain(&vc->chain, data + done, len - done);

		virtqueue_push(&vc->dev.queues[QUEUE_RX], &vc->chain, (uint32_t)n);
		done += n;
	}
	if (done > 0 && virtio_device_running(&vc->dev))
		virtio_device_used(&vc->dev, QUEUE_RX);
	return done;
}

static void resize(void *opaque, uint16_t columns, uint16_t rows)
{
	show_size(opaque, columns, rows);
}

/*
 * The class.
 */

static void console_activate(struct virtio_device *dev)
{
	struct virtio_console *vc = console_of(dev);
	const struct console_input in = { .input = input, .resize = resize, .opaque = vc };
	uint16_t columns, rows;

	console_get_size(vc->console, &columns, &rows);
	show_size(vc, columns, rows);
	vc->attached = true;
	console_attach(vc->console, CONSOLE_VIRTIO, &in);
}

static void console_reset(struct virtio_device *dev)
{
	struct virtio_console *vc = console_of(dev);

	if (vc->attached)
		console_detach(vc->console, CONSOLE_VIRTIO);
	vc->attached = false;
}

static void console_notify(struct virtio_device *dev, unsigned queue)
{
	struct virtio_console *vc = console_of(dev);

	if (queue == QUEUE_TX)
		transmit(vc);
	else
		console_input_ready(vc->console);
}

/* §5.3.4: a character may be written to emerg_wr at any time, before the driver is there too. */
static void console_config_write(struct virtio_device *dev, unsigned offset, const uint8_t *data,
				 unsigned len)
{
	(void)len;
	if (offset == offsetof(struct virtio_console_config, emerg_wr))
		console_write(console_of(dev)->console, data, 1);
}

static void console_dev_free(struct virtio_device *dev)
{
	console_reset(dev);
	free(console_of(dev));
}

static const struct virtio_device_class console_class = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.pci_class = PCI_CLASS_COMMUNICATION_OTHER,
	.n_queues = N_QUEUES,
	.queue_size = QUEUE_SIZE,
	.n_vectors = N_VECTORS,
	.config_len = sizeof(struct virtio_console_config),
	.features = 1ull << VIRTIO_CONSOLE_F_SIZE | 1ull << VIRTIO_CONSOLE_F_EMERG_WRITE,
	.activate = console_activate,
	.reset = console_reset,
	.queue_notify = console_notify,
	.config_write = console_config_write,
	.free = console_dev_free,
};

int virtio_console_new(struct console *console, struct virtio_device **ret_device, struct err **err)
{
	struct virtio_console *vc = calloc(1, sizeof(*vc));
	uint16_t columns, rows;

	if (!vc)
		return err_set(err, ERR_NO_SPACE, errno, "virtio-console");
	vc->console = console;
	virtio_device_init(&vc->dev, &console_class);
	console_get_size(console, &columns, &rows);
	show_size(vc, columns, rows);
	*ret_device = &vc->dev;
	return 0;
}
