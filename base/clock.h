/* SPDX-License-Identifier: Apache-2.0 */
/* Milliseconds on two of the kernel's clocks (clock_gettime(2)). */
#ifndef LODGE_BASE_CLOCK_H
#define LODGE_BASE_CLOCK_H

#include <stdint.h>

/* For how long something took: CLOCK_MONOTONIC, which stands still while the host sleeps. */
int64_t clock_monotonic_ms(void);
/* For how old something is: CLOCK_BOOTTIME, which doesn't. */
uint64_t clock_boot_ms(void);

#endif
