/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does /dev/kvm really run guests?
 *
 * On some machines (a virtual machine without nested virtualization whose kernel has KVM all the
 * same) the node opens and a VM can be made, but guest code only ever runs in the kernel's
 * instruction emulator, which knows a few hundred instructions and is thousands of times too slow.
 * So the probe runs a guest of a few instructions, one of which that emulator doesn't have.
 */
#ifndef LODGE_VM_KVM_PROBE_H
#define LODGE_VM_KVM_PROBE_H

#include <stdint.h>

struct err;
struct kvm_run;

enum { KVM_PROBE_TIMEOUT_MS = 2000 };

/* 0 if a guest ran, else ERR_NO_KVM with the reason and what to do. Takes milliseconds, and at most
 * KVM_PROBE_TIMEOUT_MS; uses SIGALRM meanwhile, and puts its handler back. Not for a process that
 * has other threads. */
int kvm_probe(struct err **err);

/* The same on a vCPU that has its CPUID and hasn't run yet, which costs one exit: no guest is
 * started on a KVM that can't run it. The code is put at hva, which the guest sees at gpa, and
 * cleared again. Leaves the vCPU's registers for the caller to set. */
int kvm_prove_vcpu(int vcpu_fd, struct kvm_run *run, void *hva, uint64_t gpa, struct err **err);

#endif
