/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio over PCI, the modern interface only. Source: virtio 1.2, §4.1.
 *
 * BAR 0 is 16 KiB, a page for each purpose:
 *   0x0000  common configuration (§4.1.4.3); the device's configuration at 0x800 (§4.1.4.6)
 *   0x1000  MSI-X table and pending bits
 *   0x2000  interrupt status (§4.1.4.5)
 *   0x3000  notification (§4.1.4.4): 4 bytes a queue
 * The first two are memory that the guest reads without exits, so that only writes come out. Writes
 * to the fourth become eventfd signals in the kernel and wake the event loop.
 *
 * Called with the device lock held; the event loop's callbacks take it.
 */
#ifndef LODGE_VIRTIO_PCI_TRANSPORT_H
#define LODGE_VIRTIO_PCI_TRANSPORT_H

struct err;
struct guest_memory;
struct irqs;
struct loop;
struct pci_bus;
struct virtio_device;
struct virtio_pci;
struct vm;

/* Where a device lives. All of it stays the caller's and outlives the device. */
struct virtio_pci_host {
	struct vm *vm;
	const struct guest_memory *memory;
	struct pci_bus *bus;
	struct irqs *irqs;
	struct loop *loop;
};

/* Puts dev behind a PCI function in a slot (1 to 31). Takes dev over if it succeeds; if it fails,
 * dev stays the caller's. host is copied. */
int virtio_pci_new(const struct virtio_pci_host *host, struct virtio_device *dev, unsigned slot,
		   struct virtio_pci **ret_transport, struct err **err);
/* Frees the function and the device. NULL is fine. */
void virtio_pci_free(struct virtio_pci *transport);

#endif
