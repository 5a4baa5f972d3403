/* SPDX-License-Identifier: Apache-2.0 */
/* Does /dev/kvm really run guests? See kvm_probe.h. */
#include "vm/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"

/* The guest: one page of 32-bit code in flat protected mode (which is how a PVH kernel starts)
 * that multiplies FACTOR_A by FACTOR_B with SSE2 and writes the product to a port. */
#define FACTOR_A   0x12345u
#define FACTOR_B   0x6789u
#define PROBE_PORT 0x10
#define GUEST_PAGE 0x1000u
#define PAGE_SIZE  4096u
/* Where KVM on Intel CPUs without "unrestricted guest" keeps four pages of its own. */
#define IDENTITY_GPA 0xFFFBC000ull
#define TSS_GPA	     0xFFFBD000ull

#define CR0_PE	       0x1u
#define CR0_NE	       0x20u
#define CR4_OSFXSR     0x200u
#define CR4_OSXMMEXCPT 0x400u

#define IMM32(v) (uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((v) >> 24)

static const uint8_t guest_code[] = {
	0xb8, IMM32(FACTOR_A), /* mov     eax, FACTOR_A */
	0xb9, IMM32(FACTOR_B), /* mov     ecx, FACTOR_B */
	0x66, 0x0f,
	0x6e, 0xc0, /* movd    xmm0, eax */
	0x66, 0x0f,
	0x6e, 0xc9, /* movd    xmm1, ecx */
	0x66, 0x0f,
	0xf4, 0xc1, /* pmuludq xmm0, xmm1   (not in KVM's emulator) */
	0x66, 0x0f,
	0x7e, 0xc0,	  /* movd    eax, xmm0 */
	0xe7, PROBE_PORT, /* out     PROBE_PORT, eax */
	0xf4,		  /* hlt */
};

struct probe {
	int kvm_fd;
	int vm_fd;
	int vcpu_fd;
	void *page;
	struct kvm_run *run;
	size_t run_size;
};

static volatile sig_atomic_t probe_expired;

static void on_alarm(int signum)
{
	(void)signum;
	probe_expired = 1;
}

static int probe_open(struct probe *p, struct err **err)
{
	p->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (p->kvm_fd >= 0)
		return 0;
	if (errno == EACCES || errno == EPERM)
		return err_set(err, ERR_NO_KVM, 0,
			       "no right to use /dev/kvm: put this user into its group "
			       "(usermod -aG kvm USER) and log in again");
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return err_set(err, ERR_NO_KVM, 0,
			       "/dev/kvm is missing: turn virtualization on in the firmware, then "
			       "modprobe kvm_intel or kvm_amd");
	return err_set(err, ERR_NO_KVM, errno, "open /dev/kvm");
}

static int probe_make_vm(struct probe *p, struct err **err)
{
	int version = ioctl(p->kvm_fd, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return err_set(err, ERR_NO_KVM, 0, "/dev/kvm doesn't speak KVM's stable interface");

	do {
		p->vm_fd = ioctl(p->kvm_fd, KVM_CREATE_VM, 0);
	} while (p->vm_fd < 0 && errno == EINTR && !probe_expired);
	if (p->vm_fd < 0)
		return err_set(err, ERR_NO_KVM, errno,
			       "/dev/kvm can't make a virtual machine (is another hypervisor using "
			       "the processor?)");

	/* Only Intel's KVM needs these; elsewhere they do nothing. */
	uint64_t identity_gpa = IDENTITY_GPA;

	ioctl(p->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_gpa);
	ioctl(p->vm_fd, KVM_SET_TSS_ADDR, TSS_GPA);

	p->page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->page == MAP_FAILED)
		return err_set(err, ERR_NO_KVM, errno, "map a page for the probe");
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = GUEST_PAGE,
		.memory_size = PAGE_SIZE,
		.userspace_addr = (uintptr_t)p->page,
	};

	if (ioctl(p->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM can't map guest memory");
	return 0;
}

/* Flat 32-bit protected mode without paging, SSE on. */
static int set_registers(int vcpu_fd, uint64_t gpa, struct err **err)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM can't read a vCPU's registers");

	struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 0x10,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};

	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cs = data;
	sregs.cs.selector = 0x08;
	sregs.cs.type = 11;
	sregs.cr0 |= CR0_PE | CR0_NE;
	sregs.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;

	struct kvm_regs regs = { .rip = gpa, .rflags = 2 };

	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM can't set a vCPU's registers");
	return 0;
}

/* Without CPUID bits KVM would keep CR4's SSE bits from being set. */
static int probe_set_cpuid(const struct probe *p, struct err **err)
{
	enum { ENTRIES = 256 };
	_cleanup_free_ struct kvm_cpuid2 *cpuid = calloc(
	    1, sizeof(*cpuid) + ENTRIES * sizeof(cpuid->entries[0]));

	if (!cpuid)
		return err_set(err, ERR_NO_KVM, ENOMEM, "probe KVM");
	cpuid->nent = ENTRIES;
	if (ioctl(p->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ||
	    ioctl(p->vcpu_fd, KVM_SET_CPUID2, cpuid) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM can't set a vCPU's features");
	return 0;
}

static int probe_make_vcpu(struct probe *p, struct err **err)
{
	p->vcpu_fd = ioctl(p->vm_fd, KVM_CREATE_VCPU, 0);
	if (p->vcpu_fd < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM can't make a vCPU");

	int size = ioctl(p->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(*p->run))
		return err_set(err, ERR_NO_KVM, 0, "KVM can't show a vCPU's state");

	p->run_size = (size_t)size;
	p->run = mmap(NULL, p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu_fd, 0);
	if (p->run == MAP_FAILED)
		return err_set(err, ERR_NO_KVM, errno, "KVM can't show a vCPU's state");
	return probe_set_cpuid(p, err);
}

static bool product_arrived(const struct kvm_run *run)
{
	uint32_t value;

	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT ||
	    run->io.port != PROBE_PORT || run->io.size != sizeof(value))
		return false;
	memcpy(&value, (const uint8_t *)run + run->io.data_offset, sizeof(value));
	return value == (uint32_t)(FACTOR_A * FACTOR_B);
}

int kvm_prove_vcpu(int vcpu_fd, struct kvm_run *run, void *hva, uint64_t gpa, struct err **err)
{
	memcpy(hva, guest_code, sizeof(guest_code));
	if (set_registers(vcpu_fd, gpa, err) < 0)
		return -1;
	while (!probe_expired) {
		if (ioctl(vcpu_fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return err_set(err, ERR_NO_KVM, errno, "KVM can't run a vCPU");
		}
		memset(hva, 0, sizeof(guest_code));
		if (product_arrived(run))
			return 0;
		return err_set(err, ERR_NO_KVM, 0,
			       "/dev/kvm opens but can't run guest code (only its instruction "
			       "emulator works, exit reason %u): this machine has no usable "
			       "virtualization; if it is a virtual machine, turn on nested "
			       "virtualization outside",
			       run->exit_reason);
	}
	return err_set(err, ERR_NO_KVM, 0,
		       "/dev/kvm opens, but a guest of ten instructions didn't end "
		       "within %d s",
		       KVM_PROBE_TIMEOUT_MS / 1000);
}

static void probe_close(struct probe *p)
{
	if (p->run != MAP_FAILED)
		munmap(p->run, p->run_size);
	cleanup_close(&p->vcpu_fd);
	cleanup_close(&p->vm_fd);
	cleanup_close(&p->kvm_fd);
	if (p->page != MAP_FAILED)
		munmap(p->page, PAGE_SIZE);
}

int kvm_probe(struct err **err)
{
	struct probe p = {
		.kvm_fd = -1, .vm_fd = -1, .vcpu_fd = -1, .page = MAP_FAILED, .run = MAP_FAILED
	};
	struct sigaction action = { .sa_handler = on_alarm };
	struct sigaction old_action;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	/* It goes on ticking, so that a tick between the test of the flag and KVM_RUN isn't the
	 * last one. */
	struct itimerspec when = {
		.it_value.tv_sec = KVM_PROBE_TIMEOUT_MS / 1000,
		.it_interval.tv_nsec = 10 * 1000 * 1000,
	};
	timer_t timer;

	probe_expired = 0;
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		return err_set(err, ERR_NO_KVM, errno, "probe KVM: timer");
	sigaction(SIGALRM, &action, &old_action);
	timer_settime(timer, 0, &when, NULL);

	int r = probe_open(&p, err);

	if (r == 0)
		r = probe_make_vm(&p, err);
	if (r == 0)
		r = probe_make_vcpu(&p, err);
	if (r == 0)
		r = kvm_prove_vcpu(p.vcpu_fd, p.run, p.page, GUEST_PAGE, err);
	probe_close(&p);

	timer_delete(timer);
	sigaction(SIGALRM, &old_action, NULL);
	return r;
}
