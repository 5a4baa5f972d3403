/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X: see msix.h. */
#include "pci/msix.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "pci/function.h"
#include "vm/irq.h"

struct msix {
	struct pci_function *function;
	unsigned capability; /* offset in configuration space */
	uint8_t *page;
	unsigned n_vectors;
	bool enabled;
	bool function_masked;
	struct irq_line *lines[MSIX_VECTORS_MAX];
};

_Static_assert(MSIX_VECTORS_MAX *PCI_MSIX_ENTRY_SIZE <= MSIX_PBA_OFFSET,
	       "the table ends before the pending bits begin");
_Static_assert(MSIX_VECTORS_MAX <= 64, "the pending bits are one quadword");

static uint32_t entry_get(const struct msix *msix, unsigned vector, unsigned field)
{
	uint32_t value;

	memcpy(&value, msix->page + vector * PCI_MSIX_ENTRY_SIZE + field, sizeof(value));
	return value;
}

static void entry_put(struct msix *msix, unsigned vector, unsigned field, uint32_t value)
{
	memcpy(msix->page + vector * PCI_MSIX_ENTRY_SIZE + field, &value, sizeof(value));
}

static uint64_t pending_get(const struct msix *msix)
{
	uint64_t pending;

	memcpy(&pending, msix->page + MSIX_PBA_OFFSET, sizeof(pending));
	return pending;
}

static void pending_put(struct msix *msix, uint64_t pending)
{
	memcpy(msix->page + MSIX_PBA_OFFSET, &pending, sizeof(pending));
}

static bool vector_masked(const struct msix *msix, unsigned vector)
{
	return msix->function_masked ||
	       (entry_get(msix, vector, PCI_MSIX_ENTRY_VECTOR_CTRL) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Sends what became pending while the vector was masked. */
static void vector_deliver(struct msix *msix, unsigned vector)
{
	uint64_t pending = pending_get(msix);

	if (!(pending & (1ull << vector)) || !msix->enabled || vector_masked(msix, vector))
		return;
	pending_put(msix, pending & ~(1ull << vector));
	irq_line_raise(msix->lines[vector]);
}

static void entry_write(struct msix *msix, uint64_t offset, uint32_t value)
{
	unsigned vector = (unsigned)(offset / PCI_MSIX_ENTRY_SIZE);
	unsigned field = offset % PCI_MSIX_ENTRY_SIZE;

	if (vector >= msix->n_vectors)
		return;
	if (field == PCI_MSIX_ENTRY_VECTOR_CTRL)
		value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	else if (field == PCI_MSIX_ENTRY_LOWER_ADDR)
		value &= ~3u; /* 6.8.2.6: a message is an aligned dword */
	if (entry_get(msix, vector, field) == value)
		return;
	entry_put(msix, vector, field, value);
	if (field == PCI_MSIX_ENTRY_VECTOR_CTRL)
		vector_deliver(msix, vector);
	else
		irq_line_set_msi(msix->lines[vector],
				 (uint64_t)entry_get(msix, vector, PCI_MSIX_ENTRY_UPPER_ADDR)
					 << 32 |
				     entry_get(msix, vector, PCI_MSIX_ENTRY_LOWER_ADDR),
				 entry_get(msix, vector, PCI_MSIX_ENTRY_DATA));
}

void msix_write(struct msix *msix, uint64_t offset, const uint8_t *data, unsigned len)
{
	if ((len != 4 && len != 8) || offset % len != 0 ||
	    offset + len > (uint64_t)msix->n_vectors * PCI_MSIX_ENTRY_SIZE)
		return;
	for (unsigned i = 0; i < len; i += 4) {
		uint32_t value;

		memcpy(&value, data + i, sizeof(value));
		entry_write(msix, offset + i, value);
	}
}

void msix_config_written(struct msix *msix)
{
	const uint8_t *config = pci_function_config(msix->function);
	uint16_t control;

	memcpy(&control, config + msix->capability + PCI_MSIX_FLAGS, sizeof(control));
	msix->enabled = control & PCI_MSIX_FLAGS_ENABLE;
	msix->function_masked = control & PCI_MSIX_FLAGS_MASKALL;
	if (!msix->enabled)
		pending_put(msix, 0);
	else if (pending_get(msix))
		for (unsigned i = 0; i < msix->n_vectors; i++)
			vector_deliver(msix, i);
}

void msix_raise(struct msix *msix, unsigned vector)
{
	if (vector >= msix->n_vectors || !msix->enabled)
		return;
	if (vector_masked(msix, vector))
		pending_put(msix, pending_get(msix) | 1ull << vector);
	else
		irq_line_raise(msix->lines[vector]);
}

bool msix_enabled(const struct msix *msix)
{
	return msix->enabled;
}

static int add_capability(struct msix *msix, unsigned bar, uint32_t page_offset, struct err **err)
{
	struct {
		uint8_t id, next;
		uint16_t control;
		uint32_t table;
		uint32_t pba;
	} body = {
		.control = (uint16_t)(msix->n_vectors - 1),
		.table = page_offset | bar,
		.pba = (page_offset + MSIX_PBA_OFFSET) | bar,
	};
	int offset = pci_function_add_capability(msix->function, PCI_CAP_ID_MSIX, &body,
						 sizeof(body), err);

	_Static_assert(sizeof(body) == PCI_CAP_MSIX_SIZEOF, "the capability of PCI 3.0, 6.8.2");
	if (offset < 0)
		return -1;
	msix->capability = (unsigned)offset;
	pci_function_allow_write(msix->function, msix->capability + PCI_MSIX_FLAGS,
				 PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	return 0;
}

int msix_new(struct irqs *irqs, struct pci_function *function, unsigned bar, uint32_t page_offset,
	     uint8_t *page, unsigned n_vectors, struct msix **ret_msix, struct err **err)
{
	struct msix *msix;

	if (n_vectors < 1 || n_vectors > MSIX_VECTORS_MAX)
		return err_set(err, ERR_FAILED, 0, "MSI-X: %u vectors", n_vectors);
	msix = calloc(1, sizeof(*msix));
	if (!msix)
		return err_set(err, ERR_NO_SPACE, errno, "MSI-X");
	*msix = (struct msix){ .function = function, .page = page, .n_vectors = n_vectors };
	for (unsigned i = 0; i < n_vectors; i++) {
		if (irq_line_new_msi(irqs, &msix->lines[i], err) < 0)
			goto fail;
		/* 6.8.2.9: masked until the driver says otherwise. */
		entry_put(msix, i, PCI_MSIX_ENTRY_VECTOR_CTRL, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	}
	if (add_capability(msix, bar, page_offset, err) < 0)
		goto fail;
	*ret_msix = msix;
	return 0;
fail:
	msix_free(msix);
	return err_wrap(err, "MSI-X");
}

void msix_free(struct msix *msix)
{
	if (!msix)
		return;
	for (unsigned i = 0; i < msix->n_vectors; i++)
		if (msix->lines[i])
			irq_line_free(msix->lines[i]);
	free(msix);
}
