/* SPDX-License-Identifier: Apache-2.0 */
/* lodge pause: makes guests stand still. */
#include <stddef.h>

#include "cmd/command.h"
#include "cmd/guest.h"

static int pause_one(const char *name, struct err **err)
{
	return guest_call(name, "pause", NULL, err);
}

static int run_pause(int argc, char **argv)
{
	return guest_verb_main(&cmd_pause, argc, argv, pause_one);
}

static const struct command_option options[] = {
	{ "all", 'a', NULL, "every guest" },
	{ 0 },
};

const struct command cmd_pause = {
	.name = "pause",
	.operands = "NAME...|--all",
	.summary = "Makes guests stand still",
	.details = "A paused guest keeps its memory and uses no processor, until lodge resume.\n",
	.options = options,
	.run = run_pause,
};
