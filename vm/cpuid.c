/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest's CPUID says: all that KVM offers on this host, with a topology of its own.
 *
 * The guest sees one package with a core for each vCPU and no hyper-threads, whatever the host
 * looks like. Sources: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E; Linux's
 * Documentation/virt/kvm/x86/cpuid.rst.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vm/internal.h"

enum { CPUID_ENTRIES_MAX = 128 };

struct cpuid_table {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
};

/* Leaf 1. */
#define EBX_APIC_ID_SHIFT 24
#define EBX_LOGICAL_SHIFT 16
#define ECX_TSC_DEADLINE  (UINT32_C(1) << 24)
#define ECX_HYPERVISOR	  (UINT32_C(1) << 31)
#define EDX_HTT		  (UINT32_C(1) << 28)
/* Leaf 0x80000001. */
#define ECX_CMP_LEGACY (UINT32_C(1) << 1)
/* Leaf 0xb. */
enum { LEVEL_SMT = 1, LEVEL_CORE = 2 };

/* How many low bits of an APIC id tell cores of one package apart. */
static unsigned core_bits(unsigned n_vcpus)
{
	unsigned bits = 0;

	while ((1U << bits) < n_vcpus)
		bits++;
	return bits;
}

static void cpuid_drop_leaf(struct cpuid_table *table, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->head.nent; i++) {
		if (table->entries[i].function != leaf)
			table->entries[kept++] = table->entries[i];
	}
	table->head.nent = kept;
}

static void cpuid_add(struct cpuid_table *table, const struct kvm_cpuid_entry2 *entry)
{
	if (table->head.nent < CPUID_ENTRIES_MAX)
		table->entries[table->head.nent++] = *entry;
}

/* Leaf 0xb: extended topology, a subleaf a level. */
static void cpuid_set_topology_leaf(struct cpuid_table *table, unsigned id, unsigned n_vcpus)
{
	cpuid_drop_leaf(table, 0xb);
	cpuid_drop_leaf(table, 0x1f);
	cpuid_add(table, &(struct kvm_cpuid_entry2){
			     .function = 0xb,
			     .index = 0,
			     .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			     .eax = 0,
			     .ebx = 1,
			     .ecx = LEVEL_SMT << 8,
			     .edx = id,
			 });
	cpuid_add(table, &(struct kvm_cpuid_entry2){
			     .function = 0xb,
			     .index = 1,
			     .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			     .eax = core_bits(n_vcpus),
			     .ebx = n_vcpus,
			     .ecx = LEVEL_CORE << 8 | 1,
			     .edx = id,
			 });
}

/* Caches: the first two levels belong to a core, the third to the package. */
static uint32_t cache_sharing(uint32_t eax, unsigned n_vcpus)
{
	unsigned level = (eax >> 5) & 7;
	uint32_t sharers = level >= 3 ? (1U << core_bits(n_vcpus)) - 1 : 0;

	return (eax & ~(UINT32_C(0xfff) << 14)) | sharers << 14;
}

static void cpuid_fit(struct kvm_cpuid_entry2 *e, unsigned id, unsigned n_vcpus, bool tsc_deadline)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffff) | id << EBX_APIC_ID_SHIFT | n_vcpus << EBX_LOGICAL_SHIFT;
		e->ecx |= ECX_HYPERVISOR;
		if (tsc_deadline)
			e->ecx |= ECX_TSC_DEADLINE;
		if (n_vcpus > 1)
			e->edx |= EDX_HTT;
		else
			e->edx &= ~EDX_HTT;
		break;
	case 4:
		if (e->eax & 0x1f)
			e->eax = (cache_sharing(e->eax, n_vcpus) & ~(UINT32_C(0x3f) << 26)) |
				 ((1U << core_bits(n_vcpus)) - 1) << 26;
		break;
	case 0x80000001:
		if (n_vcpus > 1)
			e->ecx |= ECX_CMP_LEGACY;
		else
			e->ecx &= ~ECX_CMP_LEGACY;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~UINT32_C(0xf0ff)) | core_bits(n_vcpus) << 12 | (n_vcpus - 1);
		break;
	case 0x8000001d:
		if (e->eax & 0x1f)
			e->eax = cache_sharing(e->eax, n_vcpus);
		break;
	case 0x8000001e:
		e->eax = id;
		e->ebx = id; /* core id; one thread a core */
		e->ecx = 0;  /* one node */
		break;
	default:
		break;
	}
}

int vcpu_set_cpuid(struct vcpu *vcpu, int kvm_fd, unsigned n_vcpus, struct err **err)
{
	struct cpuid_table table;
	bool tsc_deadline = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;

	memset(&table, 0, sizeof(table));
	table.head.nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &table) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM: ask what CPUID it offers");
	cpuid_set_topology_leaf(&table, vcpu->id, n_vcpus);
	for (uint32_t i = 0; i < table.head.nent; i++)
		cpuid_fit(&table.entries[i], vcpu->id, n_vcpus, tsc_deadline);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &table) < 0)
		return err_set(err, ERR_NO_KVM, errno, "KVM: set CPUID");
	return 0;
}
