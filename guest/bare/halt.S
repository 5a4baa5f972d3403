/* SPDX-License-Identifier: Apache-2.0 */
/* Stops with interrupts off: nothing wakes it. */
#include "bare.inc"

	.text
start:
	cli
1:	hlt
	jmp 1b
