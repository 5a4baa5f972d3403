/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps its vCPU busy without an exit. */
#include "bare.inc"

	.text
start:
1:	jmp 1b
