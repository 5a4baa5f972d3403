/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts into a guest: see irq.h. */
#include "vm/irq.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

/* KVM calls every interrupt source a GSI. The first are the I/O APIC's pins, and message-signalled
 * interrupts are numbered from there on. */
enum { IOAPIC_PINS = 24, MSI_LINES_MAX = 128, GSI_MAX = IOAPIC_PINS + MSI_LINES_MAX };

struct irq_line {
	struct irqs *irqs;
	unsigned gsi;
	int event_fd;
	bool attached; /* KVM listens to event_fd */
	bool has_message;
	uint64_t msi_address;
	uint32_t msi_data;
};

struct irqs {
	int vm_fd;
	bool routes_changed; /* KVM doesn't know the latest messages yet */
	struct irq_line *msi[MSI_LINES_MAX];
};

int irqs_new(int vm_fd, struct irqs **ret_irqs, struct err **err)
{
	struct irqs *irqs = calloc(1, sizeof(*irqs));

	if (!irqs)
		return err_set(err, ERR_NO_SPACE, errno, "interrupts");
	irqs->vm_fd = vm_fd;
	*ret_irqs = irqs;
	return 0;
}

void irqs_free(struct irqs *irqs)
{
	free(irqs);
}

static int irq_line_new(struct irqs *irqs, unsigned gsi, struct irq_line **ret_line,
			struct err **err)
{
	struct irq_line *line = calloc(1, sizeof(*line));

	if (!line)
		return err_set(err, ERR_NO_SPACE, errno, "interrupt line");
	line->irqs = irqs;
	line->gsi = gsi;
	line->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (line->event_fd < 0) {
		free(line);
		return err_set(err, ERR_FAILED, errno, "interrupt line");
	}
	*ret_line = line;
	return 0;
}

int irq_line_new_pin(struct irqs *irqs, unsigned pin, struct irq_line **ret_line, struct err **err)
{
	if (pin >= IOAPIC_PINS)
		return err_set(err, ERR_FAILED, 0, "the I/O APIC has no pin %u", pin);
	return irq_line_new(irqs, pin, ret_line, err);
}

int irq_line_new_msi(struct irqs *irqs, struct irq_line **ret_line, struct err **err)
{
	for (unsigned i = 0; i < MSI_LINES_MAX; i++) {
		if (!irqs->msi[i]) {
			if (irq_line_new(irqs, IOAPIC_PINS + i, &irqs->msi[i], err) < 0)
				return -1;
			*ret_line = irqs->msi[i];
			return 0;
		}
	}
	return err_set(err, ERR_FAILED, 0, "more than %d interrupt messages", MSI_LINES_MAX);
}

void irq_line_free(struct irq_line *line)
{
	if (!line)
		return;
	if (line->gsi >= IOAPIC_PINS)
		line->irqs->msi[line->gsi - IOAPIC_PINS] = NULL;
	if (line->attached) {
		struct kvm_irqfd irqfd = { .fd = (uint32_t)line->event_fd,
					   .gsi = line->gsi,
					   .flags = KVM_IRQFD_FLAG_DEASSIGN };

		ioctl(line->irqs->vm_fd, KVM_IRQFD, &irqfd);
	}
	close(line->event_fd);
	free(line);
}

void irq_line_set_msi(struct irq_line *line, uint64_t address, uint32_t data)
{
	if (line->has_message && line->msi_address == address && line->msi_data == data)
		return;
	line->has_message = true;
	line->msi_address = address;
	line->msi_data = data;
	line->irqs->routes_changed = true;
}

/* KVM takes the routes of all interrupts at once. */
static int irqs_commit(struct irqs *irqs)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[GSI_MAX];
	} table;
	struct kvm_irq_routing_entry *e = table.entries;

	memset(&table, 0, sizeof(table));
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++, e++) {
		e->gsi = pin;
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e->u.irqchip.pin = pin;
	}
	for (unsigned i = 0; i < MSI_LINES_MAX; i++) {
		const struct irq_line *line = irqs->msi[i];

		if (!line || !line->has_message)
			continue;
		e->gsi = line->gsi;
		e->type = KVM_IRQ_ROUTING_MSI;
		e->u.msi.address_lo = (uint32_t)line->msi_address;
		e->u.msi.address_hi = (uint32_t)(line->msi_address >> 32);
		e->u.msi.data = line->msi_data;
		e++;
	}
	table.head.nr = (uint32_t)(e - table.entries);
	if (ioctl(irqs->vm_fd, KVM_SET_GSI_ROUTING, &table) < 0)
		return -1;
	irqs->routes_changed = false;
	return 0;
}

static int irq_line_attach(struct irq_line *line)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)line->event_fd, .gsi = line->gsi };

	if (ioctl(line->irqs->vm_fd, KVM_IRQFD, &irqfd) < 0)
		return -1;
	line->attached = true;
	return 0;
}

void irq_line_raise(struct irq_line *line)
{
	if (line->gsi >= IOAPIC_PINS && !line->has_message)
		return;
	if ((line->irqs->routes_changed && irqs_commit(line->irqs) < 0) ||
	    (!line->attached && irq_line_attach(line) < 0)) {
		log_limited("interrupt %u: KVM refuses its route: %s", line->gsi, strerror(errno));
		return;
	}

	uint64_t one = 1;

	if (write(line->event_fd, &one, sizeof(one)) < 0)
		log_limited("interrupt %u: %s", line->gsi, strerror(errno));
}
