/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables of a guest: see acpi.h. Offsets are those of the specification's tables. */
#include "boot/acpi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "boot/layout.h"
#include "boot/le.h"

/* iasl writes this file from dsdt.asl; it leaves out the storage class. */
/* clang-format off */
static const
#include "boot/dsdt.hex"
    /* clang-format on */

    enum { HEADER_LEN = 36,
	   RSDP_LEN = 36,
	   XSDT_ENTRIES = 3,
	   XSDT_LEN = HEADER_LEN + XSDT_ENTRIES * 8,
	   FADT_LEN = 276, /* revision 6 */
	   MADT_LEN = HEADER_LEN + 8,
	   MADT_CPU_LEN = 8,
	   MADT_IOAPIC_LEN = 12,
	   MCFG_LEN = HEADER_LEN + 8 + 16,
	   TABLE_ALIGN = 16,

	   FADT_WBINVD = 1 << 0,
	   FADT_PROC_C1 = 1 << 2,
	   FADT_PWR_BUTTON = 1 << 4, /* not fixed hardware, but a device */
	   FADT_SLP_BUTTON = 1 << 5, /* likewise (there is none) */
	   FADT_RESET_REG_SUP = 1 << 10,
	   FADT_HW_REDUCED = 1 << 20,

	   /* IAPC_BOOT_ARCH. Clear: LEGACY_DEVICES, 8042, MSI Not Supported, CMOS RTC Not Present.
	    */
	   BOOT_NO_VGA = 1 << 2,
	   BOOT_NO_ASPM = 1 << 4,
    };

/* Where the tables are, from the start of the blob. */
struct plan {
	uint64_t gpa;
	size_t xsdt, fadt, dsdt, madt, mcfg, end;
	unsigned cpus;
};

uint8_t acpi_checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return (uint8_t)(0x100 - sum);
}

static size_t madt_len(unsigned cpus)
{
	return MADT_LEN + (size_t)cpus * MADT_CPU_LEN + MADT_IOAPIC_LEN;
}

static size_t after(size_t at, size_t len)
{
	return (at + len + TABLE_ALIGN - 1) & ~(size_t)(TABLE_ALIGN - 1);
}

static struct plan make_plan(unsigned cpus, uint64_t gpa)
{
	struct plan p = { .gpa = gpa, .cpus = cpus };

	p.xsdt = after(0, RSDP_LEN);
	p.fadt = after(p.xsdt, XSDT_LEN);
	p.dsdt = after(p.fadt, FADT_LEN);
	p.madt = after(p.dsdt, sizeof(dsdt_aml_code));
	p.mcfg = after(p.madt, madt_len(cpus));
	p.end = after(p.mcfg, MCFG_LEN);
	return p;
}

/* Table 5.29: the header that all tables but the RSDP start with; the checksum comes last. */
static void put_header(uint8_t *t, const char *signature, uint8_t revision, size_t len)
{
	memcpy(t, signature, 4);
	le32_put(t + 4, (uint32_t)len);
	t[8] = revision;
	memcpy(t + 10, "LODGE ", 6);
	memcpy(t + 16, "LODGE VM", 8);
	le32_put(t + 24, 1);
	memcpy(t + 28, "LDGE", 4);
	le32_put(t + 32, 1);
}

static void finish(uint8_t *t)
{
	t[9] = 0;
	t[9] = acpi_checksum(t, le32_get(t + 4));
}

/* Table 5.27 */
static void put_rsdp(uint8_t *t, const struct plan *p)
{
	memcpy(t, "RSD PTR ", 8);
	memcpy(t + 9, "LODGE ", 6);
	t[15] = 2;
	le32_put(t + 20, RSDP_LEN);
	le64_put(t + 24, p->gpa + p->xsdt);
	t[8] = acpi_checksum(t, 20);
	t[32] = acpi_checksum(t, RSDP_LEN);
}

static void put_xsdt(uint8_t *t, const struct plan *p)
{
	put_header(t, "XSDT", 1, XSDT_LEN);
	le64_put(t + HEADER_LEN, p->gpa + p->fadt);
	le64_put(t + HEADER_LEN + 8, p->gpa + p->madt);
	le64_put(t + HEADER_LEN + 16, p->gpa + p->mcfg);
	finish(t);
}

/* Table 5.1, Generic Address Structure: a port of one byte */
static void put_port(uint8_t *t, uint16_t port)
{
	t[0] = 1; /* system I/O */
	t[1] = 8; /* bits wide */
	t[2] = 0;
	t[3] = 1; /* byte access */
	le64_put(t + 4, port);
}

/* Table 5.33 */
static void put_fadt(uint8_t *t, const struct plan *p)
{
	put_header(t, "FACP", 6, FADT_LEN);
	le32_put(t + 40, (uint32_t)(p->gpa + p->dsdt)); /* DSDT, for old readers */
	le16_put(t + 95, 0xffff);			/* P_LVL2_LAT: no C2 (over 100) */
	le16_put(t + 97, 0xffff);			/* P_LVL3_LAT: no C3 (over 1000) */
	t[108] = 0x32;					/* CENTURY: the RTC's register */
	le16_put(t + 109, BOOT_NO_VGA | BOOT_NO_ASPM);
	le32_put(t + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
			      FADT_RESET_REG_SUP | FADT_HW_REDUCED);
	put_port(t + 116, ACPI_RESET_PORT);
	t[128] = ACPI_RESET_VALUE;
	le64_put(t + 140, p->gpa + p->dsdt); /* X_DSDT */
	put_port(t + 244, ACPI_SLEEP_CONTROL_PORT);
	put_port(t + 256, ACPI_SLEEP_STATUS_PORT);
	finish(t);
}

/* Tables 5.43, 5.46 and 5.47. PCAT_COMPAT is clear: there are no 8259s. */
static void put_madt(uint8_t *t, const struct plan *p)
{
	uint8_t *e = t + MADT_LEN;

	put_header(t, "APIC", 5, madt_len(p->cpus));
	le32_put(t + 36, LAYOUT_LAPIC);
	for (unsigned i = 0; i < p->cpus; i++, e += MADT_CPU_LEN) {
		e[0] = 0; /* processor local APIC */
		e[1] = MADT_CPU_LEN;
		e[2] = (uint8_t)i;  /* processor UID */
		e[3] = (uint8_t)i;  /* APIC id */
		le32_put(e + 4, 1); /* enabled */
	}
	e[0] = 1; /* I/O APIC */
	e[1] = MADT_IOAPIC_LEN;
	e[2] = 0; /* id */
	le32_put(e + 4, LAYOUT_IOAPIC);
	le32_put(e + 8, 0); /* GSI base */
	finish(t);
}

/* PCI Firmware Specification, table 4-2: one segment, bus 0 */
static void put_mcfg(uint8_t *t)
{
	put_header(t, "MCFG", 1, MCFG_LEN);
	le64_put(t + 44, LAYOUT_ECAM);
	le16_put(t + 52, 0);			  /* segment */
	t[54] = 0;				  /* first bus */
	t[55] = LAYOUT_ECAM_SIZE / (1 << 20) - 1; /* last bus */
	finish(t);
}

int acpi_build(unsigned cpus, uint64_t gpa, uint8_t **ret_tables, size_t *ret_len, struct err **err)
{
	if (cpus == 0 || cpus > ACPI_CPUS_MAX)
		return err_set(err, ERR_USAGE, 0, "ACPI: %u vCPUs: 1 to %d are possible", cpus,
			       ACPI_CPUS_MAX);
	if ((gpa & (TABLE_ALIGN - 1)) || gpa > UINT32_MAX - (1 << 20))
		return err_set(err, ERR_FAILED, 0, "ACPI: tables can't be at 0x%llx",
			       (unsigned long long)gpa);

	struct plan p = make_plan(cpus, gpa);
	uint8_t *blob = calloc(1, p.end);

	if (!blob)
		return err_set(err, ERR_NO_SPACE, errno, "ACPI tables");
	put_rsdp(blob, &p);
	put_xsdt(blob + p.xsdt, &p);
	put_fadt(blob + p.fadt, &p);
	memcpy(blob + p.dsdt, dsdt_aml_code, sizeof(dsdt_aml_code));
	put_madt(blob + p.madt, &p);
	put_mcfg(blob + p.mcfg);
	*ret_tables = blob;
	*ret_len = p.end;
	return 0;
}
