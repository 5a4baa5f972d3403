/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells: guest writes that KVM turns into an eventfd's signal without an exit to user space.
 * Source: KVM API, KVM_IOEVENTFD.
 */
#ifndef LODGE_VM_DOORBELL_H
#define LODGE_VM_DOORBELL_H

#include <stdint.h>

struct err;
struct vm;

/* A write of any value and 1 to 8 bytes at gpa signals event_fd, which stays the caller's. */
int vm_doorbell_add(struct vm *vm, uint64_t gpa, int event_fd, struct err **err);
void vm_doorbell_remove(struct vm *vm, uint64_t gpa, int event_fd);

#endif
