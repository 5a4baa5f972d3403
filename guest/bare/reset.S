/* SPDX-License-Identifier: Apache-2.0 */
/* Resets the machine. */
#include "bare.inc"

	.text
start:
	out8 RESET, RESET_NOW
1:	cli
	hlt
	jmp 1b
