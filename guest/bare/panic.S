/* SPDX-License-Identifier: Apache-2.0 */
/* Reports a panic on the panic device, and stops as a panicked kernel does. */
#include "bare.inc"

	.text
start:
	out8 PVPANIC, PANICKED
1:	cli
	hlt
	jmp 1b
