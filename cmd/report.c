/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb tells its user: see report.h. */
#include "cmd/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cmd/command.h"

/* A message is one line: whatever a file name or a guest put into it. */
static void print_line(const char *message, const char *end)
{
	fputs("lodge: ", stderr);
	for (const char *p = message; *p; p++)
		fputc((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p, stderr);
	fputs(end, stderr);
}

int report_err(struct err **err)
{
	int status = err_code(*err);

	print_line(err_message(*err), "\n");
	err_free(*err);
	*err = NULL;
	return status;
}

void report_line(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	int n = vasprintf(&text, fmt, args);
	va_end(args);
	print_line(n < 0 ? "out of memory" : text, "\n");
	if (n >= 0)
		free(text);
}

int report_usage(const struct command *command, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	int n = vasprintf(&text, fmt, args);
	va_end(args);
	print_line(n < 0 ? "out of memory" : text, "");
	if (n >= 0)
		free(text);
	if (command)
		fprintf(stderr, "; see lodge %s --help\n", command->name);
	else
		fputs("; see lodge help\n", stderr);
	return ERR_USAGE;
}

int report_flush(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;

	struct err *err = NULL;

	err_set(&err, err_code_from_errno(errno), errno, "standard output");
	return report_err(&err);
}

void report_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

void report_text(const char *text)
{
	for (const char *p = text; *p; p++)
		putchar((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p);
}
