/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU: its thread, and what comes out of the guest.
 *
 * The thread's life: parked until vm_run(); then in and out of the guest, handling each exit with
 * the device lock held; parked again when vm->running is cleared (vcpu_kick() makes it look); ended
 * by vm->ending. A kick can't be lost: kvm_run's immediate_exit makes a KVM_RUN that hasn't begun
 * yet return at once, and a signal ends one that has.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vm/internal.h"

#define KICK_SIGNAL SIGUSR1

/* Guest code needs no host stack, and exit handlers don't recurse: the default of 8 MiB would only
 * be address space, but a guard page nearer by finds mistakes sooner. */
enum { VCPU_STACK = 256 << 10 };

#define MSR_IA32_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STR UINT64_C(1)
#define MSR_MTRR_DEF_TYPE    0x2ff
#define MTRR_ENABLED_WB	     UINT64_C(0x806)

static void on_kick(int sig)
{
	(void)sig; /* only there to make KVM_RUN return */
}

static int install_kick_signal(struct err **err)
{
	struct sigaction action = { .sa_handler = on_kick };

	if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
		return err_set(err, ERR_FAILED, errno, "signal handler");
	return 0;
}

/* What firmware would have set before it started a kernel: string instructions at full speed
 * (Intel; Linux looks for it), and all memory write-back. A KVM that doesn't know one of them
 * leaves the guest's kernel to its own defaults, so the result doesn't matter. */
static void vcpu_set_msrs(const struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[2];
	} msrs = {
		.head.nmsrs = 2,
		.entries = { { .index = MSR_IA32_MISC_ENABLE, .data = MISC_ENABLE_FAST_STR },
			     { .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WB } },
	};

	ioctl(vcpu->fd, KVM_SET_MSRS, &msrs);
}

int vcpu_init(struct vcpu *vcpu, struct vm *vm, unsigned id, int kvm_fd, struct err **err)
{
	int size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (size < 0 || vcpu->fd < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM: create a vCPU");

	void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);

	if (run == MAP_FAILED)
		return err_set(err, ERR_NO_KVM, errno, "KVM: map a vCPU");
	vcpu->run = run;
	vcpu->run_size = (size_t)size;
	vcpu_set_msrs(vcpu);
	return 0;
}

void vcpu_close(struct vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
}

void vcpu_kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELAXED);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/* Waits, with the lock held, until guest code may run. False: the thread is to end. */
static bool vcpu_may_run(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	if (vm->ending)
		return false;
	if (vm->running && !vcpu->held)
		return true;

	vcpu->parked = true;
	vm->n_parked++;
	pthread_cond_signal(&vm->has_parked);
	while ((!vm->running || vcpu->held) && !vm->ending)
		pthread_cond_wait(&vm->may_run, vm->host.lock);
	vm->n_parked--;
	vcpu->parked = false;
	vcpu->run->immediate_exit = 0;
	return !vm->ending;
}

static void vcpu_report(struct vcpu *vcpu, enum vm_exit_event event, const char *reason)
{
	vcpu->held = true;
	vcpu->vm->host.event(vcpu->vm->host.opaque, event, reason);
}

static void vcpu_report_broken(struct vcpu *vcpu, const char *what, uint64_t detail)
{
	char reason[128];
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	snprintf(reason, sizeof(reason), "vCPU %u: %s (0x%" PRIx64 ") at rip 0x%llx", vcpu->id,
		 what, detail, (unsigned long long)regs.rip);
	vcpu_report(vcpu, VM_EXIT_BROKEN, reason);
}

static void vcpu_handle_pio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	vcpu->exits.pio++;
	/* String instructions come as one exit with several accesses. */
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(vcpu->vm->host.pio, run->io.port, data, run->io.size);
		else
			bus_read(vcpu->vm->host.pio, run->io.port, data, run->io.size);
	}
}

static void vcpu_handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vcpu->exits.mmio++;
	if (run->mmio.is_write)
		bus_write(vcpu->vm->host.mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(vcpu->vm->host.mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

static void vcpu_handle_other(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	vcpu->exits.other++;
	switch (run->exit_reason) {
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:
		vcpu_report(vcpu, VM_EXIT_RESET, "triple fault");
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		vcpu_report(vcpu, VM_EXIT_RESET, "KVM asks for a reset");
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vcpu_report_broken(vcpu, "the processor refuses to enter the guest",
				   run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		vcpu_report_broken(vcpu, "KVM can't emulate an instruction",
				   run->internal.suberror);
		break;
	default:
		vcpu_report_broken(vcpu, "unknown exit", run->exit_reason);
		break;
	}
}

static void vcpu_handle_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu_handle_pio(vcpu);
		break;
	case KVM_EXIT_MMIO:
		vcpu_handle_mmio(vcpu);
		break;
	default:
		vcpu_handle_other(vcpu);
		break;
	}
}

static void *vcpu_main(void *arg)
{
	struct vcpu *vcpu = arg;
	pthread_mutex_t *lock = vcpu->vm->host.lock;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	prctl(PR_SET_NAME, name);

	pthread_mutex_lock(lock);
	while (vcpu_may_run(vcpu)) {
		pthread_mutex_unlock(lock);
		int r = ioctl(vcpu->fd, KVM_RUN, 0);
		int run_errno = errno;

		pthread_mutex_lock(lock);
		if (r == 0)
			vcpu_handle_exit(vcpu);
		else if (run_errno != EINTR && run_errno != EAGAIN)
			vcpu_report_broken(vcpu, strerror(run_errno), (uint64_t)run_errno);
	}
	pthread_mutex_unlock(lock);
	return NULL;
}

int vcpu_start(struct vcpu *vcpu, struct err **err)
{
	pthread_attr_t attr;
	sigset_t all_but_kick;
	sigset_t before;

	if (install_kick_signal(err) < 0)
		return -1;
	/* The process's signals are for its event loop's thread. */
	sigfillset(&all_but_kick);
	sigdelset(&all_but_kick, KICK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all_but_kick, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK);

	int e = pthread_create(&vcpu->thread, &attr, vcpu_main, vcpu);

	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e)
		return err_set(err, ERR_FAILED, e, "thread");
	vcpu->started = true;
	return 0;
}
