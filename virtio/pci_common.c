/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common configuration of virtio over PCI. Source: virtio 1.2, §4.1.4.3; the status bits §2.1
 * and §3.1.
 *
 * The registers are memory (the image) that the guest reads by itself, so each write brings up to
 * date whatever it changes elsewhere: selecting a queue shows that queue's registers, and so on.
 * Only lodge writes to the image, so what's read back from it can be relied on.
 */
#include <linux/virtio_config.h>

#include <string.h>

#include "virtio/pci_internal.h"

_Static_assert((int)COMMON_CFG_LEN <= (int)BAR_DEVICE,
	       "the common configuration ends before the device's");

/* The status bits that a driver sets. */
enum {
	STATUS_DRIVERS = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK |
			 VIRTIO_CONFIG_S_FAILED,
};

/* The selected queue, or NULL. */
static struct virtqueue *selected(struct virtio_pci *t)
{
	uint16_t index = virtio_pci_common(t)->queue_select;

	return index < t->dev->n_queues ? &t->dev->queues[index] : NULL;
}

static void show_queue(struct virtio_pci *t)
{
	struct virtio_pci_common_cfg *common = virtio_pci_common(t);
	const struct virtqueue *vq = selected(t);
	const struct virtqueue_state none = { .size = 0 };
	const struct virtqueue_state *s = vq ? &vq->state : &none;

	/* A size of 0 says that there is no such queue. */
	common->queue_size = s->size;
	common->queue_msix_vector = vq ? t->queues[common->queue_select].vector
				       : VIRTIO_MSI_NO_VECTOR;
	common->queue_enable = s->enabled;
	common->queue_notify_off = vq ? common->queue_select : 0;
	common->queue_desc_lo = (uint32_t)s->desc;
	common->queue_desc_hi = (uint32_t)(s->desc >> 32);
	common->queue_avail_lo = (uint32_t)s->avail;
	common->queue_avail_hi = (uint32_t)(s->avail >> 32);
	common->queue_used_lo = (uint32_t)s->used;
	common->queue_used_hi = (uint32_t)(s->used >> 32);
}

void virtio_pci_show_status(struct virtio_pci *t)
{
	virtio_pci_common(t)->device_status = t->dev->status;
}

void virtio_pci_common_init(struct virtio_pci *t)
{
	struct virtio_pci_common_cfg *common = virtio_pci_common(t);

	common->device_feature_select = 0;
	common->device_feature = (uint32_t)virtio_device_features(t->dev);
	common->guest_feature_select = 0;
	common->guest_feature = 0;
	common->msix_config = VIRTIO_MSI_NO_VECTOR;
	common->num_queues = t->dev->n_queues;
	common->queue_select = 0;
	show_queue(t);
	virtio_pci_show_status(t);
}

/*
 * Features.
 */

/* Words 0 and 1 of the 64 feature bits; there are no others. */
static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void device_feature_select_write(struct virtio_pci *t, uint32_t value)
{
	virtio_pci_common(t)->device_feature_select = value;
	virtio_pci_common(t)->device_feature = feature_word(virtio_device_features(t->dev), value);
}

static void driver_feature_select_write(struct virtio_pci *t, uint32_t value)
{
	virtio_pci_common(t)->guest_feature_select = value;
	virtio_pci_common(t)->guest_feature = feature_word(t->dev->driver_features, value);
}

static void driver_feature_write(struct virtio_pci *t, uint32_t value)
{
	uint32_t select = virtio_pci_common(t)->guest_feature_select;
	unsigned shift = 32 * select;

	/* §3.1.1: the features are settled with FEATURES_OK. */
	if (select >= 2 || (t->dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	t->dev->driver_features &= ~(0xffffffffull << shift);
	t->dev->driver_features |= (uint64_t)value << shift;
	virtio_pci_common(t)->guest_feature = value;
}

static bool features_acceptable(const struct virtio_device *dev)
{
	return (dev->driver_features & ~virtio_device_features(dev)) == 0 &&
	       (dev->driver_features & (1ull << VIRTIO_F_VERSION_1));
}

/*
 * Status.
 */

static void status_write(struct virtio_pci *t, uint32_t value)
{
	struct virtio_device *dev = t->dev;
	uint8_t old = dev->status;
	uint8_t set = value & STATUS_DRIVERS & ~old;

	if (value == 0) {
		virtio_pci_reset(t);
		return;
	}
	/* Bits are only ever added (§2.1.1). A broken device has them all, and waits for its reset.
	 */
	if ((set & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    (!((old | set) & VIRTIO_CONFIG_S_DRIVER) || !features_acceptable(dev)))
		set &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	/* FEATURES_OK has to be there already: the driver reads it back before it goes on. */
	if (!(old & VIRTIO_CONFIG_S_FEATURES_OK) || ((old | set) & VIRTIO_CONFIG_S_FAILED))
		set &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	dev->status |= set;
	virtio_pci_show_status(t);

	if (set & VIRTIO_CONFIG_S_FAILED)
		for (unsigned i = 0; i < dev->n_queues; i++)
			dev->queues[i].started = false;
	if (set & VIRTIO_CONFIG_S_DRIVER_OK)
		virtio_pci_start(t);
}

/*
 * Interrupt vectors.
 */

/* §4.1.5.1.2.1: a vector that can't be had reads back as none. */
static uint16_t usable_vector(const struct virtio_pci *t, uint32_t value)
{
	return value < t->dev->class->n_vectors ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void config_vector_write(struct virtio_pci *t, uint32_t value)
{
	t->config_vector = usable_vector(t, value);
	virtio_pci_common(t)->msix_config = t->config_vector;
}

static void queue_vector_write(struct virtio_pci *t, uint32_t value)
{
	if (!selected(t))
		return;
	t->queues[virtio_pci_common(t)->queue_select].vector = usable_vector(t, value);
	show_queue(t);
}

/*
 * Queues.
 */

static void queue_select_write(struct virtio_pci *t, uint32_t value)
{
	virtio_pci_common(t)->queue_select = (uint16_t)value;
	show_queue(t);
}

/* The selected queue if its size and addresses may still change, or NULL. */
static struct virtqueue *configurable(struct virtio_pci *t)
{
	struct virtqueue *vq = selected(t);

	if (!vq || vq->state.enabled || (t->dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return NULL;
	return vq;
}

static void queue_size_write(struct virtio_pci *t, uint32_t value)
{
	struct virtqueue *vq = configurable(t);

	if (!vq || value == 0 || value > vq->max_size || (value & (value - 1)) != 0)
		return;
	vq->state.size = (uint16_t)value;
	show_queue(t);
}

static void queue_enable_write(struct virtio_pci *t, uint32_t value)
{
	struct virtqueue *vq = configurable(t);

	/* Writing 0 isn't allowed to the driver (§4.1.4.3.2). */
	if (!vq || value != 1 || !(t->dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	vq->state.enabled = true;
	show_queue(t);
}

static void address_set(struct virtio_pci *t, uint64_t *address, unsigned shift, uint32_t value)
{
	*address &= ~(0xffffffffull << shift);
	*address |= (uint64_t)value << shift;
	show_queue(t);
}

static void queue_address_write(struct virtio_pci *t, uint64_t offset, uint32_t value)
{
	struct virtqueue *vq = configurable(t);

	if (!vq)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		address_set(t, &vq->state.desc, 0, value);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		address_set(t, &vq->state.desc, 32, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		address_set(t, &vq->state.avail, 0, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		address_set(t, &vq->state.avail, 32, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		address_set(t, &vq->state.used, 0, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		address_set(t, &vq->state.used, 32, value);
		break;
	}
}

/* The registers that can be written, but for the queue's addresses. */
static const struct {
	uint8_t offset;
	uint8_t width;
	void (*write)(struct virtio_pci *t, uint32_t value);
} registers[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4, device_feature_select_write },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4, driver_feature_select_write },
	{ VIRTIO_PCI_COMMON_GF, 4, driver_feature_write },
	{ VIRTIO_PCI_COMMON_MSIX, 2, config_vector_write },
	{ VIRTIO_PCI_COMMON_STATUS, 1, status_write },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2, queue_select_write },
	{ VIRTIO_PCI_COMMON_Q_SIZE, 2, queue_size_write },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, queue_vector_write },
	{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, queue_enable_write },
};

static void register_write(struct virtio_pci *t, uint64_t offset, const uint8_t *data, unsigned len)
{
	uint32_t value = 0;

	if (len > sizeof(value))
		return;
	memcpy(&value, data, len);
	if (len == 4 && offset >= VIRTIO_PCI_COMMON_Q_DESCLO) {
		queue_address_write(t, offset, value);
		return;
	}
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		if (registers[i].offset == offset && registers[i].width == len) {
			registers[i].write(t, value);
			return;
		}
	}
}

/* §4.1.3.1: a driver uses accesses of a register's own width, and halves for those of 64 bits.
 * Whole ones are taken apart; anything else is dropped. */
void virtio_pci_common_write(struct virtio_pci *t, uint64_t offset, const uint8_t *data,
			     unsigned len)
{
	if (len != 8) {
		register_write(t, offset, data, len);
		return;
	}
	register_write(t, offset, data, 4);
	register_write(t, offset + 4, data + 4, 4);
}
