/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a process: see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;

void log_to(int fd)
{
	log_fd = fd;
}

void log_line(const char *fmt, ...)
{
	char line[1024];
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);

	int used = (int)strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);

	used += snprintf(line + used, sizeof(line) - (size_t)used, ".%03ldZ ",
			 now.tv_nsec / 1000000);

	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, args);
	va_end(args);

	size_t len = (size_t)used + (n > 0 ? (size_t)n : 0);

	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	line[len++] = '\n';
	/* There is nobody to tell if the log can't be written. */
	ssize_t ignored __attribute__((unused)) = write(log_fd, line, len);
}
