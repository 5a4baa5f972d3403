/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the vendor of PCI device 00:01.0 from ECAM, prints it as "bare: mmio 1af4", powers off. */
#include "bare.inc"

	.text
start:
	stack
	movl $text, %esi
	call print
	movzwl ECAM + (1 << 15), %ebx
	movl $4, %ecx
	call print_hex
	power_off

	define_print
	define_print_hex

text:	.asciz "bare: mmio "
