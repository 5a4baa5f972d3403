/* SPDX-License-Identifier: Apache-2.0 */
/* The list of verbs. */
#include "cmd/command.h"

#include <stddef.h>
#include <string.h>

#include "cmd/report.h"
#include "cmd/suggest.h"

const struct command *const commands[] = {
	&cmd_run,      &cmd_ps,	    &cmd_top,  &cmd_show,    &cmd_explain, &cmd_set,  &cmd_balloon,
	&cmd_console,  &cmd_stop,   &cmd_kill, &cmd_pause,   &cmd_resume,  &cmd_wait, &cmd_host,
	&cmd_simulate, &cmd_doctor, &cmd_help, &cmd_version, NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int command_unknown(const char *word)
{
	const char *best = NULL;

	for (size_t i = 0; commands[i]; i++)
		suggest_offer(word, commands[i]->name, &best);
	if (best)
		return report_usage(NULL, "no verb \"%s\" (did you mean %s?)", word, best);
	return report_usage(NULL, "no verb \"%s\"", word);
}
