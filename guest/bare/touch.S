/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a word to each page of N MiB of its RAM, another one in each page, says so on the serial
 * port and halts with interrupts off: a guest that takes N MiB of its host and nothing else. N comes
 * from touch=N on the command line, else it is 1. */
#include "bare.inc"

#define FIRST (2 << 20) /* above this program */
#define PAGE  4096

	.text
start:
	stack
	read_option "touch=", 1
	shll $8, %ecx		/* pages */
	movl $FIRST, %edi
	jecxz 2f
1:	movl %edi, (%edi)
	addl $PAGE, %edi
	decl %ecx
	jnz 1b
2:	movl $said, %esi
	call print
	cli
3:	hlt
	jmp 3b

	define_print

said:	.asciz "bare: touched\n"
