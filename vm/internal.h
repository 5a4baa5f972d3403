/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of vm/ share among themselves and with nobody else. */
#ifndef LODGE_VM_INTERNAL_H
#define LODGE_VM_INTERNAL_H

#include <linux/kvm.h>
#include <stddef.h>

#include "vm/vm.h"

enum { VM_VCPUS_MAX = 8 };

struct vcpu {
	struct vm *vm;
	unsigned id; /* also its APIC id */
	int fd;
	struct kvm_run *run; /* shared with KVM, run_size bytes */
	size_t run_size;
	pthread_t thread;
	bool started; /* the thread exists */
	bool parked;  /* the thread waits for vm->may_run */
	bool held;    /* it reported an event, and waits for the next vm_run() */
	struct vm_exits exits;
};

struct vm {
	int fd;
	struct vm_host host;
	struct irqs *irqs;
	uint64_t slots_used; /* bitmap of KVM memory slots */

	struct vcpu vcpus[VM_VCPUS_MAX];
	unsigned n_vcpus;

	bool running;		   /* vCPUs may enter the guest */
	bool ending;		   /* threads are to end */
	pthread_cond_t may_run;	   /* running or ending changed */
	pthread_cond_t has_parked; /* a vCPU parked */
	unsigned n_parked;
};

/* vm/vcpu.c */
int vcpu_init(struct vcpu *vcpu, struct vm *vm, unsigned id, int kvm_fd, struct err **err);
void vcpu_close(struct vcpu *vcpu);
int vcpu_start(struct vcpu *vcpu, struct err **err);
/* Makes it leave the guest; it then looks at vm->running. */
void vcpu_kick(struct vcpu *vcpu);

/* vm/entry.c */
int vcpu_set_entry(struct vcpu *vcpu, const struct vm_entry *entry, struct err **err);

/* vm/cpuid.c */
int vcpu_set_cpuid(struct vcpu *vcpu, int kvm_fd, unsigned n_vcpus, struct err **err);

/* vm/slots.c */
int vm_slot_set(struct vm *vm, uint64_t gpa, void *hva, uint64_t len, bool read_only,
		unsigned *ret_slot, struct err **err);
void vm_slot_clear(struct vm *vm, unsigned slot);

#endif
