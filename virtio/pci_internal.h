/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of virtio over PCI share: the transport as a PCI function (pci_transport.c) and
 * its common configuration registers (pci_common.c).
 */
#ifndef LODGE_VIRTIO_PCI_INTERNAL_H
#define LODGE_VIRTIO_PCI_INTERNAL_H

#include <linux/virtio_pci.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/device.h"
#include "virtio/pci_transport.h"

struct loop_source;
struct msix;
struct pci_function;
struct vm_window;

/* The BAR, a page for each purpose (pci_transport.h). */
enum {
	BAR_COMMON = 0x0000,
	BAR_DEVICE = 0x0800,
	BAR_MSIX = 0x1000,
	BAR_ISR = 0x2000,
	BAR_NOTIFY = 0x3000,
	BAR_LEN = 0x4000,
	/* The part that is memory: common and device configuration, and MSI-X. */
	BAR_IMAGE_LEN = BAR_ISR,
};

/* virtio 1.2 adds two fields of 16 bits to the structure that older headers have; they belong to
 * features that lodge doesn't offer and read as 0. */
enum { COMMON_CFG_LEN = VIRTIO_PCI_COMMON_Q_RESET + 2 };

struct virtio_pci_queue {
	struct virtio_pci *transport;
	unsigned index;
	uint16_t vector; /* MSI-X, or VIRTIO_MSI_NO_VECTOR */
	int event_fd;	 /* signalled when the driver has kicked the queue */
	struct loop_source *source;
	bool has_doorbell;
};

struct virtio_pci {
	struct virtio_pci_host host;
	struct virtio_device *dev;
	struct pci_function *function;
	struct msix *msix;
	uint8_t *image; /* BAR_IMAGE_LEN bytes, written by lodge alone */
	struct vm_window *window;
	unsigned cfg_capability; /* offset of VIRTIO_PCI_CAP_PCI_CFG */
	uint64_t gpa;		 /* of the BAR, while mapped */
	bool mapped;
	uint8_t isr;
	uint16_t config_vector;
	struct virtio_pci_queue queues[VIRTIO_QUEUES_MAX];
};

static inline struct virtio_pci_common_cfg *virtio_pci_common(struct virtio_pci *t)
{
	return (void *)(t->image + BAR_COMMON);
}

/* Sets the registers to what they are after a reset. */
void virtio_pci_common_init(struct virtio_pci *t);
/* A guest's write at an offset in the common configuration. */
void virtio_pci_common_write(struct virtio_pci *t, uint64_t offset, const uint8_t *data,
			     unsigned len);
/* Shows the device's status in the registers. */
void virtio_pci_show_status(struct virtio_pci *t);

/* The driver wrote 0 to the status, or the device goes. */
void virtio_pci_reset(struct virtio_pci *t);
/* The driver set DRIVER_OK. */
void virtio_pci_start(struct virtio_pci *t);

#endif
