/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine as KVM sees it: see vm.h. The vCPUs' threads are in vcpu.c. */
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vm/guest_memory.h"
#include "vm/internal.h"
#include "vm/irq.h"
#include "vm/kvm_probe.h"

/* Intel needs three pages for real mode's task state and one for an identity map, anywhere below
 * 4 GiB where there is no RAM; KVM ignores them on AMD. */
#define TSS_GPA	     UINT64_C(0xfffbd000)
#define IDENTITY_GPA UINT64_C(0xfffbc000)

/* A page that is RAM in every guest, for code that is there only before the guest starts. */
enum { PROOF_GPA = 0x1000, PROOF_LEN = 0x1000 };

/* Intel SDM volume 1, 8.1.5 and 10.2.3: the values after reset. */
enum { FPU_CONTROL_INITIAL = 0x37f, SSE_CONTROL_INITIAL = 0x1f80 };

static const struct {
	int cap;
	const char *name;
} needed_caps[] = {
	{ KVM_CAP_IRQCHIP, "in-kernel interrupt chips" },
	{ KVM_CAP_USER_MEMORY, "memory slots" },
	{ KVM_CAP_READONLY_MEM, "read-only memory slots" },
	{ KVM_CAP_IRQFD, "irqfd" },
	{ KVM_CAP_IRQ_ROUTING, "interrupt routing" },
	{ KVM_CAP_IOEVENTFD, "ioeventfd" },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, "ioeventfd of any length" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	{ KVM_CAP_EXT_CPUID, "CPUID" },
};

int vm_open_kvm(int *ret_kvm_fd, struct err **err)
{
	_cleanup_close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return err_set(
		    err, ERR_NO_KVM, errno,
		    "/dev/kvm: no rights to use it (become a member of the group kvm, or "
		    "run as root)");
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NO_KVM, 0,
			       "/dev/kvm is missing: load kvm_intel or kvm_amd, or enable "
			       "virtualization in the firmware (lodge doctor says more)");
	if (fd < 0)
		return err_set(err, ERR_NO_KVM, errno, "/dev/kvm");

	int version = ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return err_set(err, ERR_NO_KVM, 0, "/dev/kvm: API version %d, lodge needs %d",
			       version, KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed_caps); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed_caps[i].cap) <= 0)
			return err_set(
			    err, ERR_NO_KVM, 0,
			    "/dev/kvm: this kernel's KVM lacks %s (a newer kernel has it)",
			    needed_caps[i].name);
	}
	*ret_kvm_fd = take_fd(fd);
	return 0;
}

static int vm_create_chips(struct vm *vm, struct err **err)
{
	uint64_t identity = IDENTITY_GPA;

	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_GPA) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM: place its own pages");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM: create the interrupt chips");
	return irqs_new(vm->fd, &vm->irqs, err);
}

static int vm_add_ram(struct vm *vm, const struct guest_memory *memory, struct err **err)
{
	for (size_t i = 0; i < memory->n_regions; i++) {
		const struct guest_memory_region *r = &memory->regions[i];
		unsigned slot;

		if (vm_slot_set(vm, r->gpa, r->hva, r->len, false, &slot, err) < 0)
			return err_wrap(err, "guest RAM");
	}
	return 0;
}

/* A KVM that opens may still be unable to run guest code (kvm_probe.h). */
static int vm_prove(const struct vm *vm, const struct guest_memory *memory, struct err **err)
{
	const struct vcpu *vcpu = &vm->vcpus[0];
	struct kvm_fpu fpu = { .fcw = FPU_CONTROL_INITIAL, .mxcsr = SSE_CONTROL_INITIAL };
	void *page = guest_memory_range(memory, PROOF_GPA, PROOF_LEN);

	if (!page)
		return err_set(err, ERR_USAGE, 0,
			       "memory: a guest needs at least a few pages (--memory)");
	if (kvm_prove_vcpu(vcpu->fd, vcpu->run, page, PROOF_GPA, err) < 0)
		return -1;
	if (ioctl(vcpu->fd, KVM_SET_FPU, &fpu) < 0)
		return err_set(err, ERR_FAILED, errno, "KVM: set the vCPU's floating point state");
	return 0;
}

int vm_new(int kvm_fd, unsigned n_vcpus, const struct guest_memory *memory,
	   const struct vm_host *host, struct vm **ret_vm, struct err **err)
{
	if (n_vcpus == 0 || n_vcpus > VM_VCPUS_MAX)
		return err_set(err, ERR_USAGE, 0, "%u vCPUs: a guest has 1 to %d", n_vcpus,
			       VM_VCPUS_MAX);

	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return err_set(err, ERR_NO_SPACE, errno, "VM");
	vm->host = *host;
	pthread_cond_init(&vm->may_run, NULL);
	pthread_cond_init(&vm->has_parked, NULL);
	vm->fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0) {
		err_set(err, ERR_NO_KVM, errno, "KVM: create a VM");
		goto fail;
	}
	if (vm_create_chips(vm, err) < 0 || vm_add_ram(vm, memory, err) < 0)
		goto fail;
	for (unsigned i = 0; i < n_vcpus; i++) {
		vm->n_vcpus = i + 1;
		if (vcpu_init(&vm->vcpus[i], vm, i, kvm_fd, err) < 0 ||
		    vcpu_set_cpuid(&vm->vcpus[i], kvm_fd, n_vcpus, err) < 0) {
			err_wrap(err, "vCPU %u", i);
			goto fail;
		}
	}
	if (vm_prove(vm, memory, err) < 0)
		goto fail;
	*ret_vm = vm;
	return 0;

fail:
	vm_free(vm);
	return -1;
}

static void vm_end_threads(struct vm *vm)
{
	vm->ending = true;
	pthread_cond_broadcast(&vm->may_run);
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].started)
			vcpu_kick(&vm->vcpus[i]);
	}
	/* They need the lock to get to their end. */
	pthread_mutex_unlock(vm->host.lock);
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].started)
			pthread_join(vm->vcpus[i].thread, NULL);
	}
	pthread_mutex_lock(vm->host.lock);
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	vm_end_threads(vm);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vcpu_close(&vm->vcpus[i]);
	irqs_free(vm->irqs);
	if (vm->fd >= 0)
		close(vm->fd);
	pthread_cond_destroy(&vm->may_run);
	pthread_cond_destroy(&vm->has_parked);
	free(vm);
}

struct irqs *vm_irqs(struct vm *vm)
{
	return vm->irqs;
}

int vm_set_entry(struct vm *vm, const struct vm_entry *entry, struct err **err)
{
	return vcpu_set_entry(&vm->vcpus[0], entry, err);
}

int vm_run(struct vm *vm, struct err **err)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (!vcpu->started) {
			if (vcpu_start(vcpu, err) < 0)
				return err_wrap(err, "vCPU %u", i);
			continue;
		}
		vcpu->held = false;
		/* Tells a guest with a KVM clock that it was stopped, so that its watchdogs don't
		 * take the pause for a lock-up. Fails where the guest has no such clock. */
		ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
	}
	vm->running = true;
	pthread_cond_broadcast(&vm->may_run);
	return 0;
}

void vm_pause_soon(struct vm *vm)
{
	vm->running = false;
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].started && !vm->vcpus[i].parked)
			vcpu_kick(&vm->vcpus[i]);
	}
}

void vm_pause(struct vm *vm)
{
	unsigned n_started = 0;

	vm_pause_soon(vm);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		n_started += vm->vcpus[i].started;
	while (vm->n_parked < n_started)
		pthread_cond_wait(&vm->has_parked, vm->host.lock);
}

struct vm_exits vm_count_exits(const struct vm *vm)
{
	struct vm_exits sum = { 0 };

	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		sum.pio += vm->vcpus[i].exits.pio;
		sum.mmio += vm->vcpus[i].exits.mmio;
		sum.other += vm->vcpus[i].exits.other;
	}
	return sum;
}
