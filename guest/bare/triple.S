/* SPDX-License-Identifier: Apache-2.0 */
/* Triple fault: an exception with no IDT to find its handler in. */
#include "bare.inc"

	.text
start:
	lidt empty
	ud2

empty:	.word 0
	.long 0
