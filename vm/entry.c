/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers that a kernel is entered with.
 *
 * PVH: 32-bit protected mode with paging off, flat segments, EBX = hvm_start_info, interrupts off.
 * Source: Xen's docs/misc/pvh.pandoc, "x86/HVM direct boot ABI".
 *
 * 64-bit: long mode with an identity map of at least what the kernel and its data lie in, flat
 * segments with the selectors 0x10 and 0x18, RSI = boot_params, interrupts off.
 * Source: Linux, Documentation/arch/x86/boot.rst, "64-bit Boot Protocol".
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "vm/internal.h"

#define CR0_PE	 UINT64_C(0x00000001)
#define CR0_MP	 UINT64_C(0x00000002)
#define CR0_ET	 UINT64_C(0x00000010)
#define CR0_NE	 UINT64_C(0x00000020)
#define CR0_WP	 UINT64_C(0x00010000)
#define CR0_AM	 UINT64_C(0x00040000)
#define CR0_PG	 UINT64_C(0x80000000)
#define CR4_PAE	 UINT64_C(0x20)
#define EFER_LME UINT64_C(0x100)
#define EFER_LMA UINT64_C(0x400)
#define RFLAGS_1 UINT64_C(0x2) /* the bit that is always set */

enum { BOOT_CS = 0x10, BOOT_DS = 0x18, BOOT_TR = 0x20 };

/* Segment types: Intel SDM volume 3, 3.4.5.1 and 3.5. */
enum { SEG_DATA_RW = 0x3, SEG_CODE_RX = 0xb, SEG_TSS_BUSY = 0xb };

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool long_mode)
{
	return (struct kvm_segment){
		.base = 0,
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !long_mode,
		.l = long_mode,
	};
}

static void set_segments(struct kvm_sregs *sregs, bool long_mode)
{
	struct kvm_segment data = flat_segment(BOOT_DS, SEG_DATA_RW, false);

	sregs->cs = flat_segment(BOOT_CS, SEG_CODE_RX, long_mode);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.limit = 0x67, .selector = BOOT_TR, .type = SEG_TSS_BUSY, .present = 1
	};
	memset(&sregs->gdt, 0, sizeof(sregs->gdt));
	memset(&sregs->idt, 0, sizeof(sregs->idt));
}

int vcpu_set_entry(struct vcpu *vcpu, const struct vm_entry *entry, struct err **err)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = entry->rip, .rflags = RFLAGS_1 };
	bool long_mode = entry->mode == VM_ENTRY_LINUX64;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return err_set(err, ERR_FAILED, errno, "KVM: read the vCPU's registers");
	set_segments(&sregs, long_mode);
	if (long_mode) {
		sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
		sregs.cr3 = entry->page_tables;
		sregs.gdt.base = entry->gdt;
		sregs.gdt.limit = entry->gdt_limit;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
		regs.rsi = entry->argument;
	} else {
		sregs.cr0 = CR0_PE | CR0_ET;
		sregs.cr4 = 0;
		sregs.efer = 0;
		regs.rbx = entry->argument;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return err_set(err, ERR_FAILED, errno, "KVM: set the vCPU's registers");
	return 0;
}
