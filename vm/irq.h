/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts into a guest: I/O APIC pins and message-signalled interrupts.
 *
 * Each line is an eventfd that KVM listens to (irqfd), so that raising an interrupt is one write
 * and other parts of the kernel (vhost) can raise it too. A line's route (which pin, or which MSI
 * message) is handed to KVM when the line is first used after a change: lines that never fire cost
 * no system call, and changing many at once costs one.
 * Source: KVM API, KVM_IRQFD, KVM_SET_GSI_ROUTING.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_VM_IRQ_H
#define LODGE_VM_IRQ_H

#include <stdint.h>

struct err;
struct irqs;
struct irq_line;

/* The interrupts of a VM whose in-kernel irqchip exists. vm_fd stays the caller's. */
int irqs_new(int vm_fd, struct irqs **ret_irqs, struct err **err);
/* All lines must have been freed. */
void irqs_free(struct irqs *irqs);

/* An edge-triggered pin of the I/O APIC (0 to 23). */
int irq_line_new_pin(struct irqs *irqs, unsigned pin, struct irq_line **ret_line, struct err **err);
/* A message-signalled interrupt without a message yet: raising it does nothing. */
int irq_line_new_msi(struct irqs *irqs, struct irq_line **ret_line, struct err **err);
void irq_line_free(struct irq_line *line);

/* The message that the line sends from now on. Source: PCI 3.0, 6.8.2 (MSI-X table entry). */
void irq_line_set_msi(struct irq_line *line, uint64_t address, uint32_t data);

/* Raises the interrupt. Failures of the kernel are logged: there is nobody to return them to. */
void irq_line_raise(struct irq_line *line);

#endif
