/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine as KVM sees it: memory slots, the in-kernel interrupt chips, vCPUs, and the
 * exits that come out to user space.
 *
 * Threads and the device lock
 * ---------------------------
 * A VM has one lock, the device lock. Each vCPU has a thread that runs guest code without the lock
 * and takes it for as long as it handles an exit. Everything else that touches devices (the event
 * loop's callbacks) holds it too, so device code never runs twice at a time. All functions here
 * are called with the lock held, unless they say otherwise.
 *
 * A guest that resets gets a new struct vm: KVM has no call that puts a whole machine back into
 * the state it starts in, and a new one is in that state by construction.
 *
 * Source: KVM API (Documentation/virt/kvm/api.rst).
 */
#ifndef LODGE_VM_VM_H
#define LODGE_VM_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm/bus.h"

struct err;
struct guest_memory;
struct irqs;
struct vm;

/* Where the first vCPU starts, in which of the two modes that kernels are entered in. */
enum vm_entry_mode {
	VM_ENTRY_PVH,	  /* 32-bit protected mode, paging off, RBX = argument (PVH boot ABI) */
	VM_ENTRY_LINUX64, /* long mode, RSI = argument (Linux x86 boot protocol, 64-bit) */
};

struct vm_entry {
	enum vm_entry_mode mode;
	uint64_t rip;	   /* guest-physical, as are all addresses here */
	uint64_t argument; /* of start_info or boot_params */
	/* Only VM_ENTRY_LINUX64: the top page table, which maps the first 4 GiB to themselves, and
	 * a descriptor table with flat segments at BOOT_CS and BOOT_DS (vm/entry.c). */
	uint64_t page_tables;
	uint64_t gdt;
	uint16_t gdt_limit;
};

/* What a vCPU's exit can mean beyond a device access. */
enum vm_exit_event {
	VM_EXIT_RESET,	/* triple fault, or KVM asks for a reset */
	VM_EXIT_BROKEN, /* KVM can't go on: reason says why */
};

struct vm_host {
	pthread_mutex_t *lock; /* the device lock */
	struct bus *pio;
	struct bus *mmio;
	/* A vCPU can't go on by itself. Called with the lock held, by the vCPU's thread, which then
	 * waits until vm_run() or vm_free(). reason is only valid during the call. */
	void (*event)(void *opaque, enum vm_exit_event event, const char *reason);
	void *opaque;
};

/* Opens /dev/kvm and checks its version and that it has what lodge needs. ERR_NO_KVM says what is
 * wrong and what to do. Needs no lock. */
int vm_open_kvm(int *ret_kvm_fd, struct err **err);

/* A VM with n_vcpus vCPUs (1 to 8) that don't run yet. kvm_fd, host's members and memory stay the
 * caller's and outlive it. */
int vm_new(int kvm_fd, unsigned n_vcpus, const struct guest_memory *memory,
	   const struct vm_host *host, struct vm **ret_vm, struct err **err);
/* Ends the vCPU threads and the VM. Gives the lock away while it waits for them. NULL is fine. */
void vm_free(struct vm *vm);

struct irqs *vm_irqs(struct vm *vm);

/* Puts the first vCPU at the kernel's entry; the others wait for its start-up IPI. Before the first
 * vm_run(). */
int vm_set_entry(struct vm *vm, const struct vm_entry *entry, struct err **err);

/* Lets the vCPUs run guest code. The first call starts their threads. */
int vm_run(struct vm *vm, struct err **err);
/* Stops guest code: returns once no vCPU runs any. Gives the lock away while it waits. */
void vm_pause(struct vm *vm);
/* The same without waiting, for a vCPU's own thread: no vCPU enters the guest again. */
void vm_pause_soon(struct vm *vm);

/* Exits to user space so far, by kind, over all vCPUs. */
struct vm_exits {
	uint64_t pio;
	uint64_t mmio;
	uint64_t other;
};
struct vm_exits vm_count_exits(const struct vm *vm);

#endif
