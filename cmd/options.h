/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a verb, read by its table (command.h).
 *
 * "--name=value" and "--name value", "-n value" and "-nvalue" are the same; "--" ends the options;
 * options and operands may be mixed. Every verb has --help.
 */
#ifndef LODGE_CMD_OPTIONS_H
#define LODGE_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct command;
struct err;

/* What options_next() gives when it gives no option. */
enum {
	OPTIONS_END = -1,  /* operands are argv + optind, up to argc */
	OPTIONS_EXIT = -2, /* help was printed, or an error: leave with *ret_status */
};

/* The letter of the next option, or for one without a letter its index in the table + 256.
 * *ret_value is its value, a part of argv. */
int options_next(const struct command *command, int argc, char **argv, const char **ret_value,
		 int *ret_status);

/* The long name of the option that options_next() gave. */
const char *options_name(const struct command *command, int option);

/* Reads all options of a verb that has none but --help and, if json isn't NULL, --json. Returns
 * OPTIONS_END or OPTIONS_EXIT. */
int options_only_json(const struct command *command, int argc, char **argv, bool *json,
		      int *ret_status);

/* The help of one verb, made from its table. */
void options_print_help(const struct command *command, FILE *out);

/* Checks how many operands there are; what says which they are, or is NULL if there
 * are none. 0, or -1 with *ret_status
 * after having said what is wrong. max SIZE_MAX: any number. */
int options_operands(const struct command *command, int argc, size_t min, size_t max,
		     const char *what, int *ret_status);

/* The value of option --name as a whole number up to max; ERR_USAGE otherwise. */
int options_number(const char *name, const char *text, unsigned max, unsigned *ret_number,
		   struct err **err);

#endif
