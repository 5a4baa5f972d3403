/* SPDX-License-Identifier: Apache-2.0 */
/* virtio over PCI: see pci_transport.h. */
#include "virtio/pci_transport.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "pci/function.h"
#include "pci/msix.h"
#include "virtio/pci_internal.h"
#include "vm/doorbell.h"
#include "vm/window.h"

/* §4.1.2: the vendor whose number virtio devices have, and their numbers. */
enum {
	VIRTIO_VENDOR = 0x1af4,
	VIRTIO_DEVICE_BASE = 0x1040,
	VIRTIO_SUBSYSTEM = 0x40, /* 0x40 or higher: not a transitional device */
	VIRTIO_REVISION = 1,
	NOTIFY_MULTIPLIER = 4, /* bytes of the notification page a queue */
	THE_BAR = 0,
};

/* §4.1.4.5. */
enum { ISR_QUEUE = 1, ISR_CONFIG = VIRTIO_PCI_ISR_CONFIG };

/*
 * What the device asks for.
 */

static void transport_kick(void *opaque, unsigned queue)
{
	struct virtio_pci *t = opaque;
	const uint64_t one = 1;

	/* Only a counter that is full fails, and then the event is there already. */
	if (write(t->queues[queue].event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_limited("virtio-%s: kick: %s", t->dev->class->name, strerror(errno));
}

static void transport_queue_interrupt(void *opaque, unsigned queue)
{
	struct virtio_pci *t = opaque;

	if (!msix_enabled(t->msix))
		t->isr |= ISR_QUEUE;
	else
		msix_raise(t->msix, t->queues[queue].vector);
}

static void transport_config_interrupt(void *opaque)
{
	struct virtio_pci *t = opaque;

	/* §4.1.4.5.1: set however the driver is told. */
	t->isr |= ISR_CONFIG;
	msix_raise(t->msix, t->config_vector);
}

static void transport_status_update(void *opaque)
{
	virtio_pci_show_status(opaque);
}

/* The guest may be reading right now, without an exit. A generation before and one after make it
 * all but sure that it sees a mixture as one (§2.5.1); and the interrupt that follows makes it read
 * again. */
static void transport_config_update(void *opaque, unsigned offset, unsigned len)
{
	struct virtio_pci *t = opaque;
	struct virtio_pci_common_cfg *common = virtio_pci_common(t);

	__atomic_fetch_add(&common->config_generation, 1, __ATOMIC_SEQ_CST);
	memcpy(t->image + BAR_DEVICE + offset, t->dev->config + offset, len);
	__atomic_fetch_add(&common->config_generation, 1, __ATOMIC_SEQ_CST);
}

static const struct virtio_transport_ops transport_ops = {
	.queue_interrupt = transport_queue_interrupt,
	.config_interrupt = transport_config_interrupt,
	.status_update = transport_status_update,
	.config_update = transport_config_update,
	.kick = transport_kick,
};

/*
 * Kicks.
 */

static void on_kick(void *opaque, uint32_t events)
{
	struct virtio_pci_queue *queue = opaque;
	struct virtio_device *dev = queue->transport->dev;
	uint64_t count;

	(void)events;
	/* A kick that came before a reset may still be there: it finds nothing to do. */
	if (read(queue->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_limited("virtio-%s: kick: %s", dev->class->name, strerror(errno));
	if (virtio_device_running(dev))
		dev->class->queue_notify(dev, queue->index);
}

static uint64_t doorbell_gpa(const struct virtio_pci *t, unsigned queue)
{
	return t->gpa + BAR_NOTIFY + (uint64_t)queue * NOTIFY_MULTIPLIER;
}

static void remove_doorbells(struct virtio_pci *t)
{
	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		struct virtio_pci_queue *queue = &t->queues[i];

		if (queue->has_doorbell)
			vm_doorbell_remove(t->host.vm, doorbell_gpa(t, i), queue->event_fd);
		queue->has_doorbell = false;
	}
}

/* Doorbells are there while the BAR is and the device runs. Where one can't be had, the write comes
 * out as an exit and bar_write() does the same. */
static void add_doorbells(struct virtio_pci *t)
{
	if (!t->mapped || !virtio_device_running(t->dev))
		return;
	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		struct virtio_pci_queue *queue = &t->queues[i];
		_cleanup_err_ struct err *err = NULL;

		if (!t->dev->queues[i].state.enabled || queue->has_doorbell)
			continue;
		if (vm_doorbell_add(t->host.vm, doorbell_gpa(t, i), queue->event_fd, &err) < 0)
			log_limited("virtio-%s: no doorbell: %s", t->dev->class->name,
				    err_message(err));
		else
			queue->has_doorbell = true;
	}
}

/*
 * Reset and start.
 */

void virtio_pci_reset(struct virtio_pci *t)
{
	struct virtio_device *dev = t->dev;

	remove_doorbells(t);
	dev->status = 0;
	dev->driver_features = 0;
	for (unsigned i = 0; i < dev->n_queues; i++) {
		virtqueue_reset(&dev->queues[i]);
		t->queues[i].vector = VIRTIO_MSI_NO_VECTOR;
	}
	t->config_vector = VIRTIO_MSI_NO_VECTOR;
	t->isr = 0;
	dev->class->reset(dev);
	virtio_pci_common_init(t);
}

void virtio_pci_start(struct virtio_pci *t)
{
	struct virtio_device *dev = t->dev;

	for (unsigned i = 0; i < dev->n_queues; i++) {
		struct virtqueue *vq = &dev->queues[i];

		if (!vq->state.enabled)
			continue;
		if (virtqueue_start(vq, t->host.memory, dev->driver_features) < 0) {
			virtio_device_break(dev, "a queue's addresses are wrong");
			return;
		}
	}
	add_doorbells(t);
	dev->class->activate(dev);
}

/* §4.1.3: the device reaches memory only while it may be a bus master. */
static void update_bus_master(struct virtio_pci *t)
{
	bool paused = !pci_function_bus_master(t->function);

	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		struct virtqueue *vq = &t->dev->queues[i];

		if (vq->paused == paused)
			continue;
		vq->paused = paused;
		if (!paused && virtio_device_running(t->dev))
			transport_kick(t, i);
	}
}

/*
 * The BAR.
 */

static void transport_bar_read(void *opaque, unsigned bar, uint64_t offset, uint8_t *data,
			       unsigned len)
{
	struct virtio_pci *t = opaque;

	(void)bar;
	memset(data, 0, len);
	if (offset + len <= BAR_IMAGE_LEN) {
		memcpy(data, t->image + offset, len);
	} else if (offset == BAR_ISR) {
		/* §4.1.4.5: reading clears it. */
		data[0] = t->isr;
		t->isr = 0;
	}
}

static void notify_write(struct virtio_pci *t, uint64_t offset)
{
	uint64_t queue = offset / NOTIFY_MULTIPLIER;

	if (offset % NOTIFY_MULTIPLIER == 0 && queue < t->dev->n_queues &&
	    virtio_device_running(t->dev))
		transport_kick(t, (unsigned)queue);
}

static void transport_bar_write(void *opaque, unsigned bar, uint64_t offset, const uint8_t *data,
				unsigned len)
{
	struct virtio_pci *t = opaque;
	struct virtio_device *dev = t->dev;

	(void)bar;
	if (offset < BAR_DEVICE) {
		virtio_pci_common_write(t, offset, data, len);
	} else if (offset < BAR_MSIX) {
		offset -= BAR_DEVICE;
		if (dev->class->config_write && offset + len <= dev->config_len)
			dev->class->config_write(dev, (unsigned)offset, data, len);
	} else if (offset < BAR_ISR) {
		msix_write(t->msix, offset - BAR_MSIX, data, len);
	} else if (offset >= BAR_NOTIFY) {
		notify_write(t, offset - BAR_NOTIFY);
	}
}

static void transport_bar_mapped(void *opaque, unsigned bar, uint64_t gpa)
{
	struct virtio_pci *t = opaque;
	_cleanup_err_ struct err *err = NULL;

	(void)bar;
	t->mapped = true;
	t->gpa = gpa;
	/* Without it, reads come out as exits and are answered from the same memory. */
	if (vm_window_new(t->host.vm, gpa, t->image, BAR_IMAGE_LEN, &t->window, &err) < 0)
		log_limited("virtio-%s: no window: %s", t->dev->class->name, err_message(err));
	add_doorbells(t);
}

static void transport_bar_unmapped(void *opaque, unsigned bar, uint64_t gpa)
{
	struct virtio_pci *t = opaque;

	(void)bar;
	(void)gpa;
	remove_doorbells(t);
	vm_window_free(take_ptr(t->window));
	t->mapped = false;
}

/*
 * Configuration space: the capabilities, of which one is a second way to the BAR (§4.1.4.9).
 */

/* Where VIRTIO_PCI_CAP_PCI_CFG points, and whether that is somewhere. */
static bool cfg_target(struct virtio_pci *t, uint32_t *ret_offset, uint32_t *ret_len)
{
	struct virtio_pci_cap cap;

	memcpy(&cap, pci_function_config(t->function) + t->cfg_capability, sizeof(cap));
	if (cap.bar != THE_BAR || (cap.length != 1 && cap.length != 2 && cap.length != 4) ||
	    cap.offset % cap.length != 0 || cap.offset > BAR_LEN - cap.length)
		return false;
	*ret_offset = cap.offset;
	*ret_len = cap.length;
	return true;
}

static unsigned cfg_data(const struct virtio_pci *t)
{
	return t->cfg_capability + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
}

static bool touches_cfg_data(const struct virtio_pci *t, unsigned offset, unsigned len)
{
	return offset < cfg_data(t) + 4 && cfg_data(t) < offset + len;
}

static void transport_config_read(void *opaque, unsigned offset, unsigned len)
{
	struct virtio_pci *t = opaque;
	uint32_t target, target_len;

	if (touches_cfg_data(t, offset, len) && cfg_target(t, &target, &target_len))
		transport_bar_read(t, THE_BAR, target,
				   pci_function_config(t->function) + cfg_data(t), target_len);
}

static void transport_config_written(void *opaque, unsigned offset, unsigned len)
{
	struct virtio_pci *t = opaque;
	uint32_t target, target_len;
	bool armed = cfg_target(t, &target, &target_len);

	/* Reading the data register reads the BAR, so while it points somewhere, reads have to come
	 * out as exits. Drivers that map the BAR never point it. */
	pci_function_trap_reads(t->function, armed);
	if (armed && touches_cfg_data(t, offset, len))
		transport_bar_write(t, THE_BAR, target,
				    pci_function_config(t->function) + cfg_data(t), target_len);
	msix_config_written(t->msix);
	update_bus_master(t);
}

static const struct pci_function_ops function_ops = {
	.bar_read = transport_bar_read,
	.bar_write = transport_bar_write,
	.bar_mapped = transport_bar_mapped,
	.bar_unmapped = transport_bar_unmapped,
	.config_read = transport_config_read,
	.config_written = transport_config_written,
};

/* Adds one of the capabilities of §4.1.4, len bytes long. */
static int add_capability(struct virtio_pci *t, uint8_t type, uint32_t offset, uint32_t length,
			  uint8_t len, struct err **err)
{
	/* The longest, with a further dword: the notification's multiplier or the data register. */
	struct virtio_pci_notify_cap cap = {
		.cap = { .cap_len = len,
			 .cfg_type = type,
			 .bar = THE_BAR,
			 .offset = offset,
			 .length = length },
		.notify_off_multiplier = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? NOTIFY_MULTIPLIER : 0,
	};

	return pci_function_add_capability(t->function, PCI_CAP_ID_VNDR, &cap, len, err);
}

static int add_capabilities(struct virtio_pci *t, struct err **err)
{
	const struct virtio_device *dev = t->dev;
	const uint8_t plain = sizeof(struct virtio_pci_cap);
	int cfg;

	if (add_capability(t, VIRTIO_PCI_CAP_COMMON_CFG, BAR_COMMON, COMMON_CFG_LEN, plain, err) <
		0 ||
	    add_capability(t, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_NOTIFY,
			   NOTIFY_MULTIPLIER * dev->n_queues, sizeof(struct virtio_pci_notify_cap),
			   err) < 0 ||
	    add_capability(t, VIRTIO_PCI_CAP_ISR_CFG, BAR_ISR, 1, plain, err) < 0)
		return -1;
	/* §4.1.4.6.1: only devices that have a configuration have this one. */
	if (dev->config_len != 0 && add_capability(t, VIRTIO_PCI_CAP_DEVICE_CFG, BAR_DEVICE,
						   dev->config_len, plain, err) < 0)
		return -1;
	cfg = add_capability(t, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, sizeof(struct virtio_pci_cfg_cap),
			     err);
	if (cfg < 0)
		return -1;
	t->cfg_capability = (unsigned)cfg;
	pci_function_allow_write(t->function, t->cfg_capability + VIRTIO_PCI_CAP_BAR, 0xff, 1);
	pci_function_allow_write(t->function, t->cfg_capability + VIRTIO_PCI_CAP_OFFSET, ~0u, 4);
	pci_function_allow_write(t->function, t->cfg_capability + VIRTIO_PCI_CAP_LENGTH, ~0u, 4);
	pci_function_allow_write(t->function, cfg_data(t), ~0u, 4);
	return 0;
}

/*
 * Making and freeing.
 */

static int make_function(struct virtio_pci *t, unsigned slot, struct err **err)
{
	const struct virtio_device_class *class = t->dev->class;
	const struct pci_function_class pci = {
		.vendor = VIRTIO_VENDOR,
		.device = VIRTIO_DEVICE_BASE + class->id,
		.subsystem_vendor = VIRTIO_VENDOR,
		.subsystem = VIRTIO_SUBSYSTEM + class->id,
		.class_code = class->pci_class,
		.revision = VIRTIO_REVISION,
	};

	if (pci_function_new(t->host.bus, slot, &pci, &function_ops, t, &t->function, err) < 0 ||
	    pci_function_add_bar(t->function, THE_BAR, BAR_LEN, err) < 0 ||
	    add_capabilities(t, err) < 0)
		return -1;
	return msix_new(t->host.irqs, t->function, THE_BAR, BAR_MSIX, t->image + BAR_MSIX,
			class->n_vectors, &t->msix, err);
}

static int make_queue(struct virtio_pci *t, unsigned index, struct err **err)
{
	struct virtio_pci_queue *queue = &t->queues[index];

	*queue = (struct virtio_pci_queue){ .transport = t,
					    .index = index,
					    .vector = VIRTIO_MSI_NO_VECTOR,
					    .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (queue->event_fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "eventfd");
	return loop_add(t->host.loop, queue->event_fd, EPOLLIN, on_kick, queue, &queue->source,
			err);
}

static void free_parts(struct virtio_pci *t)
{
	pci_function_free(t->function); /* unmaps the BAR, which takes the doorbells away */
	msix_free(t->msix);
	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		loop_remove(t->queues[i].source);
		if (t->queues[i].event_fd >= 0)
			close(t->queues[i].event_fd);
	}
	if (t->image)
		munmap(t->image, BAR_IMAGE_LEN);
	free(t);
}

int virtio_pci_new(const struct virtio_pci_host *host, struct virtio_device *dev, unsigned slot,
		   struct virtio_pci **ret_transport, struct err **err)
{
	struct virtio_pci *t = calloc(1, sizeof(*t));
	void *image;

	if (!t)
		return err_set(err, ERR_NO_SPACE, errno, "virtio-%s", dev->class->name);
	t->host = *host;
	t->dev = dev;
	t->config_vector = VIRTIO_MSI_NO_VECTOR;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		t->queues[i].event_fd = -1;
	image = mmap(NULL, BAR_IMAGE_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (image == MAP_FAILED) {
		err_set(err, err_code_from_errno(errno), errno, "registers");
		goto fail;
	}
	t->image = image;
	for (unsigned i = 0; i < dev->n_queues; i++) {
		dev->queues[i].paused = true; /* until the driver makes it a bus master */
		if (make_queue(t, i, err) < 0)
			goto fail;
	}
	if (make_function(t, slot, err) < 0)
		goto fail;
	memcpy(t->image + BAR_DEVICE, dev->config, dev->config_len);
	virtio_pci_common_init(t);
	dev->transport = &transport_ops;
	dev->transport_opaque = t;
	*ret_transport = t;
	return 0;
fail:
	err_wrap(err, "virtio-%s", dev->class->name);
	free_parts(t);
	return -1;
}

void virtio_pci_free(struct virtio_pci *transport)
{
	struct virtio_device *dev;

	if (!transport)
		return;
	dev = transport->dev;
	dev->transport = NULL; /* its reset is the last: nobody is told anything any more */
	virtio_pci_reset(transport);
	free_parts(transport);
	virtio_device_free(dev);
}
