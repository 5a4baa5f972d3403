/* SPDX-License-Identifier: Apache-2.0 */
/* Resets the machine. */
#include "bare.h"

	.text
start:
	out8 RESET, RESET_NOW
1:	cli
	hlt
	jmp 1b
