/* SPDX-License-Identifier: Apache-2.0 */
/* Makes N exits to user space and powers off: N comes from exits=N on the command line, else it is
 * 1000. Each is a write to a port that nothing answers, so two runs with different N differ by what
 * an exit costs. */
#include "bare.inc"

#define POST 0x80

	.text
start:
	movl START_INFO_CMDLINE(%ebx), %esi
	movl $1000, %ecx
	testl %esi, %esi
	jz write

/* Finds "exits=" at the start of a word. */
word:
	movl $name, %edi
	movl %esi, %ebp
1:	movb (%edi), %al
	testb %al, %al
	jz number
	cmpb (%ebp), %al
	jne skip
	incl %edi
	incl %ebp
	jmp 1b
skip:
	lodsb
	testb %al, %al
	jz write
	cmpb $' ', %al
	jne skip
	jmp word

number:
	xorl %ecx, %ecx
2:	movzbl (%ebp), %eax
	subl $'0', %eax
	cmpl $9, %eax
	ja write
	imull $10, %ecx, %ecx
	addl %eax, %ecx
	incl %ebp
	jmp 2b

/* Nothing but the exits in the loop. */
write:
	movw $POST, %dx
	jecxz 4f
3:	outb %al, %dx
	decl %ecx
	jnz 3b
4:	power_off

name:	.asciz "exits="
