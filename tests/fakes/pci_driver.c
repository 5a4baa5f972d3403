/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's view of PCI and of virtio over PCI: see pci_driver.h. */
#include "tests/fakes/pci_driver.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "tests/fakes/fakes.h"

void test_machine_init(struct test_machine *m)
{
	fakes_reset();
	*m = (struct test_machine){ .bus = NULL };
	driver_ram_init(&m->ram);
	if (loop_new(&m->loop, NULL) < 0 || pci_bus_new(fake_vm(), &m->mmio, &m->bus, NULL) < 0)
		abort();
}

void test_machine_clear(struct test_machine *m)
{
	pci_bus_free(m->bus);
	loop_free(m->loop);
	driver_ram_free(&m->ram);
}

void test_machine_renew(struct test_machine *m)
{
	if (!m->bus) {
		test_machine_init(m);
		return;
	}
	/* The bus and its window stay. */
	if (fakes_live() != 1 || m->mmio.n_ranges != 1)
		abort();
	fakes.n_lines = 0;
	fakes.fail_windows = fakes.fail_doorbells = fakes.fail_lines = false;
	fakes.output_len = 0;
	fakes.columns = fakes.rows = 0;
	memset(m->ram.bytes, 0, DRIVER_RAM_LEN);
}

struct virtio_pci_host test_machine_host(struct test_machine *m)
{
	return (struct virtio_pci_host){
		.vm = fake_vm(),
		.memory = &m->ram.memory,
		.bus = m->bus,
		.irqs = fake_irqs(),
		.loop = m->loop,
	};
}

uint32_t guest_read(struct test_machine *m, uint64_t gpa, unsigned len)
{
	uint32_t value = 0;

	if (fake_window_read(gpa, &value, len))
		return value;
	m->read_exits++;
	bus_read(&m->mmio, gpa, (uint8_t *)&value, len);
	return value;
}

void guest_write(struct test_machine *m, uint64_t gpa, uint32_t value, unsigned len)
{
	if (fake_doorbell_ring(gpa))
		return;
	m->write_exits++;
	bus_write(&m->mmio, gpa, (const uint8_t *)&value, len);
}

uint32_t config_read(struct test_machine *m, unsigned slot, unsigned offset, unsigned len)
{
	return guest_read(m, PCI_ECAM_BASE + (uint64_t)slot * PCI_ECAM_SLOT_LEN + offset, len);
}

void config_write(struct test_machine *m, unsigned slot, unsigned offset, uint32_t value,
		  unsigned len)
{
	guest_write(m, PCI_ECAM_BASE + (uint64_t)slot * PCI_ECAM_SLOT_LEN + offset, value, len);
}

unsigned config_find_capability(struct test_machine *m, unsigned slot, uint8_t id, unsigned n)
{
	unsigned offset = config_read(m, slot, PCI_CAPABILITY_LIST, 1);

	for (unsigned hops = 0; offset != 0 && hops < 48; hops++) {
		if (config_read(m, slot, offset, 1) == id && n-- == 0)
			return offset;
		offset = config_read(m, slot, offset + PCI_CAP_LIST_NEXT, 1);
	}
	return 0;
}

static uint32_t bar_address(struct test_machine *m, unsigned slot, unsigned bar)
{
	return config_read(m, slot, PCI_BASE_ADDRESS_0 + 4 * bar, 4) &
	       (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
}

void virtio_driver_probe(struct virtio_driver *d, struct test_machine *m, unsigned slot)
{
	unsigned cap;

	*d = (struct virtio_driver){ .m = m, .slot = slot };
	for (unsigned n = 0; (cap = config_find_capability(m, slot, PCI_CAP_ID_VNDR, n)) != 0;
	     n++) {
		uint64_t gpa = bar_address(m, slot,
					   config_read(m, slot, cap + VIRTIO_PCI_CAP_BAR, 1)) +
			       config_read(m, slot, cap + VIRTIO_PCI_CAP_OFFSET, 4);

		switch (config_read(m, slot, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
		case VIRTIO_PCI_CAP_COMMON_CFG:
			d->common = gpa;
			break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			d->notify = gpa;
			d->notify_multiplier = config_read(m, slot,
							   cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
			break;
		case VIRTIO_PCI_CAP_ISR_CFG:
			d->isr = gpa;
			break;
		case VIRTIO_PCI_CAP_DEVICE_CFG:
			d->device = gpa;
			break;
		case VIRTIO_PCI_CAP_PCI_CFG:
			d->pci_cfg = cap;
			break;
		}
	}
	d->msix = config_find_capability(m, slot, PCI_CAP_ID_MSIX, 0);
	cap = config_read(m, slot, d->msix + PCI_MSIX_TABLE, 4);
	d->msix_table = bar_address(m, slot, cap & PCI_MSIX_TABLE_BIR) +
			(cap & PCI_MSIX_TABLE_OFFSET);
	config_write(m, slot, PCI_COMMAND,
		     config_read(m, slot, PCI_COMMAND, 2) | PCI_COMMAND_MEMORY, 2);
	config_write(m, slot, PCI_COMMAND,
		     config_read(m, slot, PCI_COMMAND, 2) | PCI_COMMAND_MASTER, 2);
}

uint64_t virtio_driver_offered(struct virtio_driver *d)
{
	uint64_t features;

	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	features = guest_read(d->m, d->common + VIRTIO_PCI_COMMON_DF, 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	return features | (uint64_t)guest_read(d->m, d->common + VIRTIO_PCI_COMMON_DF, 4) << 32;
}

uint8_t virtio_driver_status(struct virtio_driver *d)
{
	return (uint8_t)guest_read(d->m, d->common + VIRTIO_PCI_COMMON_STATUS, 1);
}

void virtio_driver_set_status(struct virtio_driver *d, uint8_t status)
{
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_STATUS, status, 1);
}

bool virtio_driver_negotiate(struct virtio_driver *d, uint64_t features)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

	virtio_driver_set_status(d, 0);
	virtio_driver_set_status(d, status);
	virtio_driver_set_status(d, status |= VIRTIO_CONFIG_S_DRIVER);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_GF, (uint32_t)features, 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32), 4);
	virtio_driver_set_status(d, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return virtio_driver_status(d) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void virtio_driver_use_msix(struct virtio_driver *d, unsigned n_queues)
{
	unsigned last = config_read(d->m, d->slot, d->msix + PCI_MSIX_FLAGS, 2) &
			PCI_MSIX_FLAGS_QSIZE;

	for (unsigned v = 0; v <= last; v++) {
		uint64_t entry = d->msix_table + (uint64_t)v * PCI_MSIX_ENTRY_SIZE;

		guest_write(d->m, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 0xfee00000, 4);
		guest_write(d->m, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 0, 4);
		guest_write(d->m, entry + PCI_MSIX_ENTRY_DATA, 0x40 + v, 4);
		guest_write(d->m, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0, 4);
	}
	config_write(d->m, d->slot, d->msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_MSIX, 0, 2);
	for (unsigned q = 0; q < n_queues; q++) {
		guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_MSIX, q < last ? q + 1 : last, 2);
	}
}

void virtio_driver_setup_queue(struct virtio_driver *d, unsigned q, uint16_t size)
{
	struct driver_queue *queue = &d->queues[q];

	driver_queue_init(queue, &d->m->ram, DRIVER_RAM_GPA + (uint64_t)q * 4096, size);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_DESCLO, (uint32_t)queue->desc, 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_DESCHI, (uint32_t)(queue->desc >> 32), 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_AVAILLO, (uint32_t)queue->avail, 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_AVAILHI, (uint32_t)(queue->avail >> 32),
		    4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_USEDLO, (uint32_t)queue->used, 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_USEDHI, (uint32_t)(queue->used >> 32), 4);
	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

bool virtio_driver_start(struct virtio_driver *d, uint64_t features, unsigned n_queues,
			 uint16_t size)
{
	if (!virtio_driver_negotiate(d, features))
		return false;
	virtio_driver_use_msix(d, n_queues);
	for (unsigned q = 0; q < n_queues; q++)
		virtio_driver_setup_queue(d, q, size);
	virtio_driver_set_status(d, virtio_driver_status(d) | VIRTIO_CONFIG_S_DRIVER_OK);
	return true;
}

void virtio_driver_kick(struct virtio_driver *d, unsigned q)
{
	uint32_t off;

	guest_write(d->m, d->common + VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	off = guest_read(d->m, d->common + VIRTIO_PCI_COMMON_Q_NOFF, 2);
	guest_write(d->m, d->notify + (uint64_t)off * d->notify_multiplier, q, 2);
}
