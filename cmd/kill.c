/* SPDX-License-Identifier: Apache-2.0 */
/* lodge kill: ends guests by force. */
#include "base/cleanup.h"
#include "cmd/command.h"
#include "cmd/guest.h"

static int kill_one(const char *name, struct err **err)
{
	_cleanup_close_ int watch_fd = -1;

	if (guest_watch(name, &watch_fd, err) < 0)
		return -1;
	return guest_force(name, watch_fd, err);
}

static int run_kill(int argc, char **argv)
{
	return guest_verb_main(&cmd_kill, argc, argv, kill_one);
}

static const struct command_option options[] = {
	{ "all", 'a', NULL, "every guest" },
	{ 0 },
};

const struct command cmd_kill = {
	.name = "kill",
	.operands = "NAME...|--all",
	.summary = "Ends guests by force, at once",
	.details =
	    "The guest's kernel isn't asked: it's like pulling the plug. lodge stop is kinder.\n",
	.options = options,
	.run = run_kill,
};
