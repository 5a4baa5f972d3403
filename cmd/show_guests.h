/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a verb that says something of each of its guests: [--json] NAME...|--all. */
#ifndef LODGE_CMD_SHOW_GUESTS_H
#define LODGE_CMD_SHOW_GUESTS_H

#include <jansson.h>
#include <stddef.h>

#include "cmd/command.h"
#include "cmd/memory_view.h"

struct err;

struct showing {
	struct memory_host host;
	void *opaque; /* the verb's own */
	json_t *list; /* of objects, for JSON; else NULL */
	size_t n;     /* guests shown so far */
};

/* Shows one guest: adds an object to the list if there is one, else prints it, after a blank line
 * if it isn't the first. Counts it. */
typedef int (*show_guest_fn)(const char *name, struct showing *showing, struct err **err);

/* --json and --all */
extern const struct command_option show_guests_options[];

/* Returns the exit status: 0, or the first failure's. Each failure is reported; guests that went
 * away meanwhile, or are just starting, are none if they weren't named. */
int show_guests_main(const struct command *command, int argc, char **argv, show_guest_fn fn,
		     void *opaque);

#endif
