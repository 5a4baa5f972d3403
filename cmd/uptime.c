/* SPDX-License-Identifier: Apache-2.0 */
/* Durations for people: see uptime.h. */
#include "cmd/uptime.h"

#include <inttypes.h>
#include <stdio.h>

char *uptime_format(uint64_t milliseconds, char buf[UPTIME_TEXT_MAX])
{
	uint64_t s = milliseconds / 1000;

	if (s < 60)
		snprintf(buf, UPTIME_TEXT_MAX, "%" PRIu64 ".%" PRIu64 "s", s,
			 milliseconds % 1000 / 100);
	else if (s < 3600)
		snprintf(buf, UPTIME_TEXT_MAX, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, UPTIME_TEXT_MAX, "%" PRIu64 "h%02" PRIu64 "m", s / 3600,
			 s % 3600 / 60);
	else
		snprintf(buf, UPTIME_TEXT_MAX, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
			 s % 86400 / 3600);
	return buf;
}
