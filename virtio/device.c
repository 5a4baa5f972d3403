/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device, apart from how the guest reaches it: see device.h. */
#include "virtio/device.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "base/log.h"

/* What lodge's queues and transport can do, whatever the device. */
#define COMMON_FEATURES                                                     \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC | \
	 1ull << VIRTIO_RING_F_EVENT_IDX)

void virtio_device_init(struct virtio_device *dev, const struct virtio_device_class *class)
{
	dev->class = class;
	dev->features = class->features;
	dev->n_queues = class->n_queues;
	dev->config_len = class->config_len;
	for (unsigned i = 0; i < class->n_queues; i++)
		virtqueue_init(&dev->queues[i], class->queue_size);
}

void virtio_device_free(struct virtio_device *dev)
{
	if (dev)
		dev->class->free(dev);
}

uint64_t virtio_device_features(const struct virtio_device *dev)
{
	return dev->features | COMMON_FEATURES;
}

bool virtio_device_running(const struct virtio_device *dev)
{
	return (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(dev->status & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED));
}

void virtio_device_used(struct virtio_device *dev, unsigned queue)
{
	if (virtqueue_should_notify(&dev->queues[queue]))
		dev->transport->queue_interrupt(dev->transport_opaque, queue);
}

void virtio_device_set_config(struct virtio_device *dev, unsigned offset, const void *data,
			      unsigned len)
{
	if (memcmp(dev->config + offset, data, len) == 0)
		return;
	memcpy(dev->config + offset, data, len);
	if (!dev->transport)
		return;
	dev->transport->config_update(dev->transport_opaque, offset, len);
	if (virtio_device_running(dev))
		dev->transport->config_interrupt(dev->transport_opaque);
}

void virtio_device_break(struct virtio_device *dev, const char *why)
{
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_limited("virtio-%s: the guest's driver broke the device: %s", dev->class->name, why);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	for (unsigned i = 0; i < dev->n_queues; i++)
		dev->queues[i].started = false;
	dev->transport->status_update(dev->transport_opaque);
	/* §2.1.2: a driver that isn't ready yet isn't interrupted. */
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		dev->transport->config_interrupt(dev->transport_opaque);
}

void virtio_device_kick(struct virtio_device *dev, unsigned queue)
{
	dev->transport->kick(dev->transport_opaque, queue);
}
