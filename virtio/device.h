/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device, apart from how the guest reaches it.
 *
 * A kind of device is a const class table; an instance embeds `struct virtio_device` as its first
 * member. The transport (virtio/pci_transport.h) owns the conversation with the driver: features,
 * status, queue addresses. It calls the class's operations; the device calls the functions below.
 * Source: virtio 1.2, §2 and §3.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_VIRTIO_DEVICE_H
#define LODGE_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/queue.h"

struct err;
struct virtio_device;

enum { VIRTIO_QUEUES_MAX = 5, VIRTIO_CONFIG_LEN_MAX = 64 };

struct virtio_device_class {
	const char *name;
	uint16_t id;	     /* §5 */
	uint32_t pci_class;  /* 24 bits */
	uint16_t n_queues;   /* at most VIRTIO_QUEUES_MAX */
	uint16_t queue_size; /* descriptors a queue at most */
	/* MSI-X vectors: 1 for the configuration and 1 for each queue, or fewer, which the queues
	 * then share; at least 2. Each costs a guest a dozen exits to set up. */
	uint16_t n_vectors;
	uint16_t config_len; /* bytes of device configuration, at most VIRTIO_CONFIG_LEN_MAX */
	/* What the device can offer beside what every queue offers (virtio_device_features()). */
	uint64_t features;

	/* The driver is ready (DRIVER_OK): the queues have started. */
	void (*activate)(struct virtio_device *dev);
	/* The driver reset the device, or the device is about to be freed (then without a
	 * transport); also called when it was never activated. The queues have stopped. */
	void (*reset)(struct virtio_device *dev);
	/* The driver may have put chains into a queue. Does a bounded amount of work; if some is
	 * left, it calls virtio_device_kick(). Only called while the device runs. */
	void (*queue_notify)(struct virtio_device *dev, unsigned queue);
	/* The driver wrote to the device's configuration, in any state; offset + len is within
	 * the instance's config_len. NULL: writes are dropped. */
	void (*config_write)(struct virtio_device *dev, unsigned offset, const uint8_t *data,
			     unsigned len);
	/* Frees the instance. */
	void (*free)(struct virtio_device *dev);
};

/* What a device needs of its transport. */
struct virtio_transport_ops {
	void (*queue_interrupt)(void *transport, unsigned queue);
	/* The configuration changed, or the status did by the device's own doing. */
	void (*config_interrupt)(void *transport);
	/* dev->status changed by the device's own doing. */
	void (*status_update)(void *transport);
	/* [offset, offset + len) of dev->config changed. */
	void (*config_update)(void *transport, unsigned offset, unsigned len);
	/* queue_notify is to be called for the queue, from the event loop. */
	void (*kick)(void *transport, unsigned queue);
};

struct virtio_device {
	const struct virtio_device_class *class;
	const struct virtio_transport_ops *transport; /* NULL until there is one */
	void *transport_opaque;

	/* What this instance offers. virtio_device_init() sets all that the class can do; a
	 * constructor may leave something out. */
	uint64_t features;
	uint16_t n_queues;
	uint16_t config_len;

	/* What a saved state would hold. */
	uint64_t driver_features; /* as written by the driver; negotiated once FEATURES_OK is set */
	uint8_t status;		  /* VIRTIO_CONFIG_S_* (§2.1) */
	uint8_t config[VIRTIO_CONFIG_LEN_MAX]; /* as the driver reads it */
	struct virtqueue queues[VIRTIO_QUEUES_MAX];
};

/* For a device's constructor: everything but the class's own members. */
void virtio_device_init(struct virtio_device *dev, const struct virtio_device_class *class);
/* Frees an instance that no transport took. NULL is fine. */
void virtio_device_free(struct virtio_device *dev);

/* All features on offer: the instance's, and those of queues and transport. */
uint64_t virtio_device_features(const struct virtio_device *dev);
/* DRIVER_OK is set, and neither DEVICE_NEEDS_RESET nor FAILED is. */
bool virtio_device_running(const struct virtio_device *dev);

/* Interrupts the driver if it wants to know of what was pushed to the queue. */
void virtio_device_used(struct virtio_device *dev, unsigned queue);
/* Changes the configuration that the driver reads, and tells it if the device runs. */
void virtio_device_set_config(struct virtio_device *dev, unsigned offset, const void *data,
			      unsigned len);
/* The driver broke a rule: the device stops, sets DEVICE_NEEDS_RESET (§2.1.2) and says so. */
void virtio_device_break(struct virtio_device *dev, const char *why);
/* Has queue_notify called for the queue after other events had their turn. */
void virtio_device_kick(struct virtio_device *dev, unsigned queue);

#endif
