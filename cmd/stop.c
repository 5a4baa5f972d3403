/* SPDX-License-Identifier: Apache-2.0 */
/* lodge stop: the power button, and force if the guest doesn't obey. */
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/options.h"
#include "cmd/report.h"

enum { TIMEOUT_S = 30, TIMEOUT_MAX_S = 1000000 };

/* One guest that is being stopped. */
struct target {
	int watch_fd; /* -1: it isn't there, or this went wrong before */
};

/* Presses every button first, so that the guests shut down side by side. */
static int press_all(const struct guest_names *names, struct target *targets, int64_t deadline)
{
	int status = 0;

	for (size_t i = 0; i < names->n; i++) {
		struct err *err = NULL;

		targets[i].watch_fd = -1;
		if (guest_watch(names->names[i], &targets[i].watch_fd, &err) < 0) {
			int failure = report_err(&err);

			status = status ? status : failure;
			continue;
		}
		/* If the button doesn't work, force will. */
		if (guest_press_power(names->names[i], deadline, &err) < 0 &&
		    !guest_gone(targets[i].watch_fd, 0))
			report_line("%s", err_message(err));
		err_free(err);
	}
	return status;
}

static int await_all(const struct guest_names *names, struct target *targets, int64_t deadline)
{
	int status = 0;

	for (size_t i = 0; i < names->n; i++) {
		_cleanup_close_ int watch_fd = take_fd(targets[i].watch_fd);
		int64_t left = deadline - clock_monotonic_ms();
		struct err *err = NULL;

		if (watch_fd < 0 || guest_gone(watch_fd, left > 0 ? (int)left : 0))
			continue;
		report_line("guest %s didn't power off in time: ending it by force",
			    names->names[i]);
		if (guest_force(names->names[i], watch_fd, &err) < 0) {
			int failure = report_err(&err);

			status = status ? status : failure;
		}
	}
	return status;
}

static int stop_all(const struct guest_names *names, unsigned timeout_s)
{
	_cleanup_free_ struct target *targets = calloc(names->n + 1, sizeof(*targets));
	struct err *err = NULL;

	if (!targets) {
		err_set(&err, ERR_NO_SPACE, 0, "out of memory");
		return report_err(&err);
	}

	int64_t deadline = clock_monotonic_ms() + (int64_t)timeout_s * 1000;
	int pressed = press_all(names, targets, deadline);
	int awaited = await_all(names, targets, deadline);

	return pressed ? pressed : awaited;
}

static int run_stop(int argc, char **argv)
{
	struct guest_names names;
	struct err *err = NULL;
	unsigned timeout_s = TIMEOUT_S;
	bool all = false;
	const char *value;
	int status;
	int c;

	while ((c = options_next(&cmd_stop, argc, argv, &value, &status)) >= 0) {
		if (c == 'a')
			all = true;
		else if (options_number("timeout", value, TIMEOUT_MAX_S, &timeout_s, &err) < 0)
			return report_err(&err);
	}
	if (c == OPTIONS_EXIT || options_operands(&cmd_stop, argc, all ? 0 : 1, all ? 0 : SIZE_MAX,
						  "the name of a guest, or --all", &status) < 0)
		return status;
	if (guest_names_get(&names, all, argc, argv, &err) < 0)
		return report_err(&err);
	status = stop_all(&names, timeout_s);
	guest_names_clear(&names);
	return status;
}

static const struct command_option options[] = {
	{ "timeout", 't', "SECONDS", "how long the guest may take before force (30)" },
	{ "all", 'a', NULL, "every guest" },
	{ 0 },
};

const struct command cmd_stop = {
	.name = "stop",
	.operands = "[--timeout SECONDS] NAME...|--all",
	.summary = "Presses the power button, and after a timeout ends the guest by force",
	.details =
	    "Returns once the guests are gone. A guest that had to be forced is no failure.\n",
	.options = options,
	.run = run_stop,
};
