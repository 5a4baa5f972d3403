/* SPDX-License-Identifier: Apache-2.0 */
/* Durations for people. */
#ifndef LODGE_CMD_UPTIME_H
#define LODGE_CMD_UPTIME_H

#include <stdint.h>

enum { UPTIME_TEXT_MAX = 32 };

/* "4.2s", "3m07s", "5h02m", "12d04h"; returns buf. */
char *uptime_format(uint64_t milliseconds, char buf[UPTIME_TEXT_MAX]);

#endif
