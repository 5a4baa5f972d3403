/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verb of the command is: its text and its function.
 *
 * The help is made from this table alone. The man page (man/lodge-VERB.1.scd) and the completions
 * (completion/) say the same at more length; tests/docs checks that none of them lacks an option.
 */
#ifndef LODGE_CMD_COMMAND_H
#define LODGE_CMD_COMMAND_H

struct command_option {
	const char *name;     /* without the dashes; NULL ends a table */
	char letter;	      /* short form, or 0 */
	const char *argument; /* what the help calls its value, or NULL if it takes none */
	const char *help;     /* one line, not capitalised, without a full stop */
};

struct command {
	const char *name;
	const char *operands; /* what follows "lodge VERB" in the usage line */
	const char *summary;  /* one line for `lodge help` */
	const char *details;  /* further paragraphs for `lodge VERB --help`, or NULL */
	const struct command_option *options;
	/* argv[0] is the verb. Returns the exit status of the process (docs/exit-status.md). */
	int (*run)(int argc, char **argv);
};

/* All verbs, in the order of `lodge help`; ends with NULL. */
extern const struct command *const commands[];

/* NULL if there is no such verb. */
const struct command *command_find(const char *name);
/* Says that word is no verb, with the one that may have been meant; returns the exit status. */
int command_unknown(const char *word);

extern const struct command cmd_run, cmd_ps, cmd_top, cmd_show, cmd_explain, cmd_set, cmd_balloon,
    cmd_console, cmd_stop, cmd_kill, cmd_pause, cmd_resume, cmd_wait, cmd_host, cmd_simulate,
    cmd_doctor, cmd_help, cmd_version;

#endif
