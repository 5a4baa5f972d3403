/* SPDX-License-Identifier: Apache-2.0 */
/* Takes an interrupt that its own local APIC sends, says so and powers off.
 * Source: Intel SDM volume 3, 11.4 (local APIC), 7.11 (IDT). */
#include "bare.inc"

#define LAPIC	     0xfee00000
#define EOI	     0x0b0
#define SPURIOUS     0x0f0
#define ICR	     0x300
#define APIC_ENABLED 0x100
#define TO_SELF	     0x40000 /* destination shorthand: self, fixed, edge */
#define VECTOR	     0x40
#define CODE	     0x08
#define DATA	     0x10

	.text
start:
	stack
	lgdt gdt_pointer
	ljmp $CODE, $1f
1:	movw $DATA, %ax
	movw %ax, %ss
	movw %ax, %ds
	movw %ax, %es

	/* One gate: an interrupt gate to `handler`. */
	movl $handler, %eax
	movw %ax, idt + VECTOR * 8
	movw $CODE, idt + VECTOR * 8 + 2
	movw $0x8e00, idt + VECTOR * 8 + 4
	shrl $16, %eax
	movw %ax, idt + VECTOR * 8 + 6
	lidt idt_pointer

	movl $(APIC_ENABLED | 0xff), LAPIC + SPURIOUS
	movl $(TO_SELF | VECTOR), LAPIC + ICR
	/* Interrupts are off until hlt has begun, so that this one can't come before it. */
	sti
	hlt

	movl $missed, %esi
	cmpb $1, taken
	jne 2f
	movl $got, %esi
2:	call print
	power_off

handler:
	incb taken
	movl $0, LAPIC + EOI
	iret

	define_print

got:	.asciz "bare: irq taken\n"
missed:	.asciz "bare: irq missed\n"

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff /* CODE: flat, 32-bit */
	.quad 0x00cf93000000ffff /* DATA */
gdt_pointer:
	.word 3 * 8 - 1
	.long gdt
idt_pointer:
	.word (VECTOR + 1) * 8 - 1
	.long idt

	.bss
	.balign 8
idt:	.skip (VECTOR + 1) * 8
taken:	.skip 1
