/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a line to the serial port and powers off. */
#include "bare.inc"

	.text
start:
	stack
	movl $text, %esi
	call print
	power_off

	define_print

text:	.asciz "bare: pio\n"
