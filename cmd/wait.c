/* SPDX-License-Identifier: Apache-2.0 */
/* lodge wait: until a guest ends. */
#include <getopt.h>

#include "api/client.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/options.h"
#include "cmd/report.h"

static int wait_for(const char *name, int *ret_status, struct err **err)
{
	_cleanup_close_ int watch_fd = -1;
	_cleanup_err_ struct err *why = NULL;
	json_t *reply;
	const char *reason = "";
	int status;

	/* Tells a guest that was never there from one whose VM process dies without an answer. */
	if (guest_watch(name, &watch_fd, err) < 0)
		return -1;
	if (client_call(name, json_pack("{s:s}", "verb", "wait"), -1, &reply, &why) < 0)
		return err_set(err, ERR_KILLED, 0, "guest %s ended without saying how (%s)", name,
			       err_message(why));
	if (json_unpack(reply, "{s:i, s?s}", "exit_status", &status, "reason", &reason) < 0)
		status = ERR_FAILED;
	if (status == ERR_FAILED)
		report_line("guest %s failed: %s", name, reason);
	json_decref(reply);
	guest_gone(watch_fd, GUEST_ANSWER_MS);
	*ret_status = status;
	return 0;
}

static int run_wait(int argc, char **argv)
{
	struct err *err = NULL;
	const char *value;
	int status;

	if (options_next(&cmd_wait, argc, argv, &value, &status) == OPTIONS_EXIT ||
	    options_operands(&cmd_wait, argc, 1, 1, "the name of one guest", &status) < 0)
		return status;
	if (wait_for(argv[optind], &status, &err) < 0)
		return report_err(&err);
	return status;
}

const struct command cmd_wait = {
	.name = "wait",
	.operands = "NAME",
	.summary = "Waits until a guest ends",
	.details =
	    "The exit status is the guest's: 0 stopped, 6 panicked, 7 ended by force, 1 failed.\n",
	.run = run_wait,
};
