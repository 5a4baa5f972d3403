/* SPDX-License-Identifier: Apache-2.0 */
/* lodge help, lodge version. */
#include <getopt.h>
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/report.h"

static void print_verbs(void)
{
	fputs("Usage: lodge VERB [OPTION...] [NAME...]\n\n"
	      "Runs virtual machines, each as a process of this host.\n\nVerbs:\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++)
		printf("  %-10s%s\n", commands[i]->name, commands[i]->summary);
	fputs("\nEach verb has --help and a man page (man lodge-run). Start with: lodge doctor\n",
	      stdout);
}

static int print_verb(const char *name)
{
	const struct command *command = command_find(name);

	if (!command)
		return command_unknown(name);
	options_print_help(command, stdout);
	return 0;
}

static int run_help(int argc, char **argv)
{
	const char *value;
	int status;

	if (options_next(&cmd_help, argc, argv, &value, &status) == OPTIONS_EXIT ||
	    options_operands(&cmd_help, argc, 0, 1, "one verb", &status) < 0)
		return status;
	status = 0;
	if (optind == argc)
		print_verbs();
	else
		status = print_verb(argv[optind]);
	return report_flush(status);
}

const struct command cmd_help = {
	.name = "help",
	.operands = "[VERB]",
	.summary = "Shows the verbs, or the help of one",
	.run = run_help,
};

static int run_version(int argc, char **argv)
{
	const char *value;
	int status;

	if (options_next(&cmd_version, argc, argv, &value, &status) == OPTIONS_EXIT ||
	    options_operands(&cmd_version, argc, 0, 0, NULL, &status) < 0)
		return status;
	puts("lodge " LODGE_VERSION);
	return report_flush(0);
}

const struct command cmd_version = {
	.name = "version",
	.operands = "",
	.summary = "Shows the version",
	.run = run_version,
};
