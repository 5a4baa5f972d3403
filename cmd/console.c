/* SPDX-License-Identifier: Apache-2.0 */
/* lodge console: a running guest's console. */
#include <getopt.h>

#include "base/err.h"
#include "cmd/command.h"
#include "cmd/console_client.h"
#include "cmd/escape.h"
#include "cmd/options.h"
#include "cmd/report.h"

static const struct command_option options[] = {
	{ "escape", 'e', "KEY", "the escape key: ^A to ^_, ^?, or none (^])" },
	{ 0 },
};

static int run_console(int argc, char **argv)
{
	struct console_client client = { .escape_key = ESCAPE_DEFAULT };
	struct err *err = NULL;
	const char *value;
	int status;
	int c;

	while ((c = options_next(&cmd_console, argc, argv, &value, &status)) >= 0)
		if (escape_parse(value, &client.escape_key, &err) < 0)
			return report_err(&err);
	if (c == OPTIONS_EXIT ||
	    options_operands(&cmd_console, argc, 1, 1, "the name of one guest", &status) < 0)
		return status;
	client.name = argv[optind];
	console_client_take_signals();
	if (console_client_run(&client, &status, &err) < 0)
		return report_err(&err);
	return status;
}

const struct command cmd_console = {
	.name = "console",
	.operands = "[--escape KEY] NAME",
	.summary = "Connects the terminal to a guest's console",
	.details = "Shows the last of what the guest wrote, then what it writes. The escape key "
		   "and then ?\nshows what the keys are; the escape key and then d leaves.\n",
	.options = options,
	.run = run_console,
};
