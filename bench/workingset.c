/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what processes touch of their memory, period by period, as host/damon.h estimates it.
 *
 *   workingset PERIOD_MS SAMPLES SECONDS PID:ADDRESS+BYTES[,ADDRESS+BYTES]...
 *
 * A line a second, for so many seconds: a JSON list of bytes, null where it isn't known yet. Ends
 * early with a message if DAMON does. bench/damon and tests/system/test_working_set.py read it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/damon.h"
#include "host/fields.h"

enum { GUESTS_MAX = 256, RANGES_MAX = 4 };

static _Noreturn void fail(const char *why, int status)
{
	fprintf(stderr, "workingset: %s\n", why);
	exit(status);
}

/* PID:ADDRESS+BYTES,... */
static void parse(char *text, struct host_damon_target *target, struct host_range *ranges)
{
	char *p;

	target->pid = (pid_t)strtol(text, &p, 10);
	target->ram = ranges;
	do {
		struct host_range *range = &ranges[target->n_ram++];

		if ((*p != ':' && *p != ',') || target->n_ram > RANGES_MAX)
			fail(text, ERR_USAGE);
		range->start = strtoull(p + 1, &p, 10);
		if (*p != '+')
			fail(text, ERR_USAGE);
		range->len = strtoull(p + 1, &p, 10);
	} while (*p);
}

static void print(const uint64_t *active, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "[", stdout);
		if (active[i] == HOST_UNKNOWN)
			fputs("null", stdout);
		else
			printf("%" PRIu64, active[i]);
	}
	puts("]");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct host_damon_target targets[GUESTS_MAX];
	static struct host_range ranges[GUESTS_MAX][RANGES_MAX];
	static uint64_t active[GUESTS_MAX];
	struct host_damon *damon = NULL;
	struct err *err = NULL;
	int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int n = argc - 4;

	if (n < 1 || n > GUESTS_MAX)
		fail("PERIOD_MS SAMPLES SECONDS PID:ADDRESS+BYTES[,ADDRESS+BYTES]...", ERR_USAGE);

	const struct host_damon_sampling sampling = {
		.period_ms = (unsigned)strtoul(argv[1], NULL, 10),
		.samples = (unsigned)strtoul(argv[2], NULL, 10),
	};

	for (int i = 0; i < n; i++)
		parse(argv[4 + i], &targets[i], ranges[i]);
	if (host_damon_check(root_fd, &err) < 0 ||
	    host_damon_start(root_fd, targets, (size_t)n, &sampling, &damon, &err) < 0)
		fail(err_message(err), err_code(err));
	for (long left = strtol(argv[3], NULL, 10); left > 0 && !err; left--) {
		static const struct timespec second = { .tv_sec = 1 };

		if (host_damon_read(damon, active, &err) == 0)
			print(active, (size_t)n);
		nanosleep(&second, NULL);
	}
	host_damon_stop(damon);
	if (err)
		fail(err_message(err), err_code(err));
	return 0;
}
