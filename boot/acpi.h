/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables of a guest: hardware-reduced, so without the PC's power management block, its
 * timer and its interrupt.
 *
 *   RSDP -> XSDT -> FADT -> DSDT   the machine: how to sleep and reset; its devices (dsdt.asl)
 *                -> MADT           the processors and the I/O APIC
 *                -> MCFG           where PCI configuration space is
 *
 * Source: ACPI 6.3, chapter 5.2; PCI Firmware Specification 3.2, 4.1.2.
 */
#ifndef LODGE_BOOT_ACPI_H
#define LODGE_BOOT_ACPI_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* What the tables and dsdt.asl tell the guest; the devices are to be there. */
enum {
	ACPI_SLEEP_CONTROL_PORT = 0x600, /* 1 byte, ACPI 4.8.3.7 */
	ACPI_SLEEP_STATUS_PORT = 0x601,
	ACPI_RESET_PORT = 0x602, /* 1 byte */
	ACPI_RESET_VALUE = 1,
	ACPI_CPUS_MAX = 255,
};

/* Makes all tables in one piece, to be put at gpa (16-byte aligned, below 4 GiB), where the RSDP
 * then is. The vCPUs' APIC ids are 0 to cpus - 1. *ret_tables is the caller's to free. */
int acpi_build(unsigned cpus, uint64_t gpa, uint8_t **ret_tables, size_t *ret_len,
	       struct err **err);

/* The byte that makes the sum of the len bytes at data 0, if it's added to them. */
uint8_t acpi_checksum(const void *data, size_t len);

#endif
