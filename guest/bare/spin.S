/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps its vCPU busy without an exit. */
#include "bare.h"

	.text
start:
1:	jmp 1b
