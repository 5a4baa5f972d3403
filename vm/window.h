/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows: pages of host memory that the guest reads at device addresses without an exit.
 *
 * Register pages whose reads have no side effects (PCI configuration space, most of a virtio
 * transport) are kept as memory and mapped read-only into the guest. Reads cost the guest a load;
 * writes still come out as MMIO exits, and the device then updates the page.
 * Source: KVM API, KVM_SET_USER_MEMORY_REGION with KVM_MEM_READONLY.
 */
#ifndef LODGE_VM_WINDOW_H
#define LODGE_VM_WINDOW_H

#include <stdint.h>

struct err;
struct vm;
struct vm_window;

/* Shows [hva, hva + len) at gpa; all three are page-aligned. The memory stays the caller's and
 * outlives the window. A window isn't RAM: devices can't reach it through guest_memory. */
int vm_window_new(struct vm *vm, uint64_t gpa, void *hva, uint64_t len,
		  struct vm_window **ret_window, struct err **err);
/* The guest's reads come out as MMIO exits again. NULL is fine. */
void vm_window_free(struct vm_window *window);

#endif
