/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb tells its user: errors, usage, and output that really got out. */
#ifndef LODGE_CMD_REPORT_H
#define LODGE_CMD_REPORT_H

#include <jansson.h>
#include <stdbool.h>

struct command;
struct err;

/* Prints "lodge: MESSAGE" on stderr, frees *err, and returns the exit status that goes with it. */
int report_err(struct err **err);

/* Prints "lodge: …" on stderr. */
void report_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints "lodge: …; see lodge VERB --help" (or "lodge help" if command is NULL) on stderr and
 * returns the exit status of wrong usage. */
int report_usage(const struct command *command, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Flushes stdout. Returns status if all that was printed got out, else says why not and returns the
 * status for that. */
int report_flush(int status);

/* Prints a JSON value, indented, and a newline on stdout; the value stays the caller's. */
void report_json(const json_t *json);

/* Prints text with every control character as '?': what is shown comes from files or guests. */
void report_text(const char *text);

#endif
