/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X: a function's table of message-signalled interrupts.
 *
 * One 4 KiB page holds the table (16 bytes an entry: address low and high, data, control) and, at
 * MSIX_PBA_OFFSET, the array of pending bits. It's a memory image that the guest reads without
 * exits; its writes come here. An interrupt that is raised while its vector or the whole function
 * is masked sets a pending bit, and is sent when the mask goes.
 * Source: PCI Local Bus 3.0, 6.8.2 and 6.8.3.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_PCI_MSIX_H
#define LODGE_PCI_MSIX_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct irqs;
struct msix;
struct pci_function;

enum { MSIX_VECTORS_MAX = 64, MSIX_PAGE_LEN = 4096, MSIX_PBA_OFFSET = 2048 };

/* n_vectors is 1 to MSIX_VECTORS_MAX. page is MSIX_PAGE_LEN zeroed bytes at page_offset of the
 * function's BAR; it and irqs stay the caller's and outlive this. Adds the capability to the
 * function. */
int msix_new(struct irqs *irqs, struct pci_function *function, unsigned bar, uint32_t page_offset,
	     uint8_t *page, unsigned n_vectors, struct msix **ret_msix, struct err **err);
void msix_free(struct msix *msix);

/* A guest's write to the page. Aligned writes of 4 and 8 bytes to the table count; all else is
 * dropped, as 6.8.2 allows. */
void msix_write(struct msix *msix, uint64_t offset, const uint8_t *data, unsigned len);
/* The function's configuration space was written: looks at the capability's control word again. */
void msix_config_written(struct msix *msix);

/* Sends the vector's interrupt, or remembers it. A vector out of range, and a function whose MSI-X
 * is off, send nothing. */
void msix_raise(struct msix *msix, unsigned vector);
bool msix_enabled(const struct msix *msix);

#endif
