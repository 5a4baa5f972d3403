/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a verb, read by its table: see options.h. */
#include "cmd/options.h"

#include <getopt.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "cmd/command.h"
#include "cmd/report.h"
#include "cmd/suggest.h"

enum {
	OPTIONS_MAX = 24, /* of one verb */
	NO_LETTER = 256,  /* added to the index of an option that has no letter */
	HELP_COLUMN = 28, /* where the text of an option starts */
};

static size_t count_options(const struct command *command)
{
	size_t n = 0;

	if (command->options)
		while (command->options[n].name)
			n++;
	return n;
}

static int option_value(const struct command *command, size_t i)
{
	return command->options[i].letter ? command->options[i].letter : NO_LETTER + (int)i;
}

const char *options_name(const struct command *command, int option)
{
	if (option == 'h')
		return "help";
	for (size_t i = 0; i < count_options(command); i++)
		if (option_value(command, i) == option)
			return command->options[i].name;
	return NULL;
}

/* The two forms of the table that getopt_long(3) wants. */
static void make_getopt_tables(const struct command *command, struct option *longs, char *letters)
{
	size_t n = count_options(command);

	*letters++ = ':'; /* tells a missing value from an unknown option */
	*letters++ = 'h';
	for (size_t i = 0; i < n; i++) {
		const struct command_option *o = &command->options[i];

		longs[i] = (struct option){
			.name = o->name,
			.has_arg = o->argument ? required_argument : no_argument,
			.val = option_value(command, i),
		};
		if (o->letter)
			*letters++ = o->letter;
		if (o->letter && o->argument)
			*letters++ = ':';
	}
	longs[n] = (struct option){ .name = "help", .val = 'h' };
	longs[n + 1] = (struct option){ 0 };
	*letters = '\0';
}

static int unknown_long(const struct command *command, const char *word)
{
	char name[SUGGEST_WORD_MAX];
	const char *best = NULL;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	suggest_offer(name, "help", &best);
	for (size_t i = 0; i < count_options(command); i++)
		suggest_offer(name, command->options[i].name, &best);
	if (best)
		return report_usage(command, "no option --%s (did you mean --%s?)", name, best);
	return report_usage(command, "no option --%s", name);
}

static int wrong_option(const struct command *command, char **argv, int problem)
{
	if (problem == ':')
		return report_usage(command, "--%s needs a value", options_name(command, optopt));
	if (optopt == 0)
		return unknown_long(command, argv[optind - 1]);
	if (options_name(command, optopt))
		return report_usage(command, "--%s takes no value", options_name(command, optopt));
	return report_usage(command, "no option -%c", optopt);
}

int options_next(const struct command *command, int argc, char **argv, const char **ret_value,
		 int *ret_status)
{
	struct option longs[OPTIONS_MAX + 2];
	char letters[2 * OPTIONS_MAX + 3];

	make_getopt_tables(command, longs, letters);
	opterr = 0;

	int c = getopt_long(argc, argv, letters, longs, NULL);

	if (c == -1)
		return OPTIONS_END;
	if (c == 'h') {
		options_print_help(command, stdout);
		*ret_status = report_flush(0);
		return OPTIONS_EXIT;
	}
	if (c == '?' || c == ':') {
		*ret_status = wrong_option(command, argv, c);
		return OPTIONS_EXIT;
	}
	*ret_value = optarg;
	return c;
}

int options_only_json(const struct command *command, int argc, char **argv, bool *json,
		      int *ret_status)
{
	const char *value;
	int c;

	while ((c = options_next(command, argc, argv, &value, ret_status)) >= 0)
		*json = true;
	return c;
}

static void print_option(const struct command_option *o, FILE *out)
{
	int column = o->letter ? fprintf(out, "  -%c, ", o->letter) : fprintf(out, "      ");

	column += fprintf(out, "--%s%s%s", o->name, o->argument ? " " : "",
			  o->argument ? o->argument : "");

	if (column >= HELP_COLUMN) {
		fputc('\n', out);
		column = 0;
	}
	fprintf(out, "%*s%s\n", HELP_COLUMN - column, "", o->help);
}

void options_print_help(const struct command *command, FILE *out)
{
	static const struct command_option help = { "help", 'h', NULL, "show this help" };

	fprintf(out, "Usage: lodge %s%s%s\n\n%s.\n", command->name, *command->operands ? " " : "",
		command->operands, command->summary);
	if (command->details)
		fprintf(out, "\n%s", command->details);
	fputs("\nOptions:\n", out);
	for (size_t i = 0; i < count_options(command); i++)
		print_option(&command->options[i], out);
	print_option(&help, out);
	fprintf(out, "\nMore: man lodge-%s\n", command->name);
}

int options_operands(const struct command *command, int argc, size_t min, size_t max,
		     const char *what, int *ret_status)
{
	size_t n = (size_t)(argc - optind);

	if (n >= min && n <= max)
		return 0;
	if (n < min)
		*ret_status = report_usage(command, "%s needs %s", command->name, what);
	else if (what)
		*ret_status = report_usage(command, "%s takes only %s", command->name, what);
	else
		*ret_status = report_usage(command, "%s takes no operands", command->name);
	return -1;
}

int options_number(const char *name, const char *text, unsigned max, unsigned *ret_number,
		   struct err **err)
{
	uint64_t value = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits])
		return err_set(err, ERR_USAGE, 0, "--%s: \"%s\" is not a whole number", name, text);
	for (const char *p = text; *p && value <= max; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	if (value > max)
		return err_set(err, ERR_USAGE, 0, "--%s: %s is more than %u", name, text, max);
	*ret_number = (unsigned)value;
	return 0;
}
