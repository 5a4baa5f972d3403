/* SPDX-License-Identifier: Apache-2.0 */
/* The command lodge: finds the verb and hands over to it. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/report.h"

/* If one of the standard descriptors is closed, the next file to be opened would get its number,
 * and messages would go into it. Holds the place with one that can't be read or written, so that
 * using it is the error that it is. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		while (fcntl(fd, F_GETFD) < 0)
			if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
				return;
}

/* "lodge --help" and the like mean the verbs that say the same. */
static const char *verb_of(const char *word)
{
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return "help";
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return "version";
	return word;
}

int main(int argc, char **argv)
{
	hold_standard_descriptors();
	/* Writing to a pipe that nobody reads is an error like another. */
	signal(SIGPIPE, SIG_IGN);

	if (argc < 2)
		return report_usage(NULL, "say what to do, such as: lodge run --kernel FILE");
	if (argv[1][0] == '-' && verb_of(argv[1]) == argv[1])
		return report_usage(NULL, "no option %s before a verb", argv[1]);

	const struct command *command = command_find(verb_of(argv[1]));

	if (!command)
		return command_unknown(argv[1]);
	return command->run(argc - 1, argv + 1);
}
