/* SPDX-License-Identifier: Apache-2.0 */
/* Stops with interrupts off: nothing wakes it. */
#include "bare.h"

	.text
start:
	cli
1:	hlt
	jmp 1b
