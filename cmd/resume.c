/* SPDX-License-Identifier: Apache-2.0 */
/* lodge resume: lets paused guests go on. */
#include <stddef.h>

#include "cmd/command.h"
#include "cmd/guest.h"

static int resume_one(const char *name, struct err **err)
{
	return guest_call(name, "resume", NULL, err);
}

static int run_resume(int argc, char **argv)
{
	return guest_verb_main(&cmd_resume, argc, argv, resume_one);
}

static const struct command_option options[] = {
	{ "all", 'a', NULL, "every guest" },
	{ 0 },
};

const struct command cmd_resume = {
	.name = "resume",
	.operands = "NAME...|--all",
	.summary = "Lets paused guests go on",
	.options = options,
	.run = run_resume,
};
