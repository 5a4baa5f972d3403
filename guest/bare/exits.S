/* SPDX-License-Identifier: Apache-2.0 */
/* Makes N exits to user space and powers off: N comes from exits=N on the command line, else it is
 * 1000. Each is a write to a port that nothing answers, so two runs with different N differ by what
 * an exit costs. */
#include "bare.inc"

#define POST 0x80

	.text
start:
	read_option "exits=", 1000

/* Nothing but the exits in the loop. */
	movw $POST, %dx
	jecxz 2f
1:	outb %al, %dx
	decl %ecx
	jnz 1b
2:	power_off
