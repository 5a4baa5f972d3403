/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bare-metal guests share: the PVH entry, and ways to say something and to end.
 *
 * Entered at `start` in 32-bit protected mode with flat segments, paging and interrupts off, and
 * %ebx = hvm_start_info. Source: Xen's docs/misc/pvh.pandoc; machine model: docs/architecture.md.
 */
#define COM1		0x3f8
#define PVPANIC		0x505
#define SLEEP_CONTROL	0x600
#define RESET		0x602
#define ECAM		0xe0000000

#define PANICKED	0x01
#define SLEEP_S5	0x34 /* SLP_TYPx 5, SLP_EN */
#define RESET_NOW	0x01

#define START_INFO_CMDLINE 24 /* offset of cmdline_paddr */

/* XEN_ELFNOTE_PHYS32_ENTRY: where to enter. */
	.pushsection .note.pvh, "a", @note
	.balign 4
	.long 4		/* of "Xen" */
	.long 4		/* of the address */
	.long 18
	.asciz "Xen"
	.long start
	.popsection

	.code32
	.global start

/* One byte to a port. */
.macro out8 port, value
	movw $\port, %dx
	movb $\value, %al
	outb %al, %dx
.endm

/* Powers off, and waits should that take a while. Used where control must not fall through. */
.macro power_off
	out8 SLEEP_CONTROL, SLEEP_S5
1:	cli
	hlt
	jmp 1b
.endm

/* The string at %esi to the serial port. Changes %eax, %edx, %esi. */
.macro define_print
print:
	movw $COM1, %dx
1:	lodsb
	testb %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	ret
.endm

/* The low %ecx digits of %ebx in hexadecimal and a newline to the serial port. Changes %eax, %ebx,
 * %ecx, %edx. */
.macro define_print_hex
print_hex:
	pushl %ecx
	negl %ecx
	leal 32(,%ecx,4), %ecx
	shll %cl, %ebx
	popl %ecx
	movw $COM1, %dx
1:	roll $4, %ebx
	movb %bl, %al
	andb $15, %al
	addb $'0', %al
	cmpb $'9', %al
	jbe 2f
	addb $('a' - '0' - 10), %al
2:	outb %al, %dx
	decl %ecx
	jnz 1b
	movb $'\n', %al
	outb %al, %dx
	ret
.endm

/* Room for a stack, given a value by `stack`. */
.macro stack
	movl $stack_top, %esp
	.pushsection .bss
	.balign 16
	.skip 1024
stack_top:
	.popsection
.endm
