/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are in a guest's physical address space when it starts.
 *
 * What lodge writes below 640 KiB is read by the kernel early and is ordinary RAM afterwards; the
 * ACPI tables are in memory that the map calls reserved and stay.
 */
#ifndef LODGE_BOOT_LAYOUT_H
#define LODGE_BOOT_LAYOUT_H

#include <stdint.h>

#define LAYOUT_GDT	    UINT64_C(0x6000)
#define LAYOUT_INFO	    UINT64_C(0x7000) /* boot_params, or hvm_start_info and what it points to */
#define LAYOUT_PAGE_TABLES  UINT64_C(0x9000) /* six pages */
#define LAYOUT_CMDLINE	    UINT64_C(0x20000)
#define LAYOUT_CMDLINE_MAX  UINT64_C(0x10000) /* bytes, with the NUL */
#define LAYOUT_LOW_END	    UINT64_C(0x9fc00) /* the end of conventional memory */
#define LAYOUT_ACPI	    UINT64_C(0xe0000)
#define LAYOUT_ACPI_MAX	    UINT64_C(0x10000)
#define LAYOUT_RESET_VECTOR UINT64_C(0xffff0)  /* where a PC starts in real mode: 16 bytes */
#define LAYOUT_HIGH	    UINT64_C(0x100000) /* 1 MiB: kernels and initrds are above */

#define LAYOUT_ECAM	 UINT64_C(0xe0000000)
#define LAYOUT_ECAM_SIZE UINT64_C(0x100000)
#define LAYOUT_IOAPIC	 0xfec00000u
#define LAYOUT_LAPIC	 0xfee00000u
#define LAYOUT_4G	 UINT64_C(0x100000000)

#endif
