/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `lodge top`, which are also those of lodge-top. */
#ifndef LODGE_CMD_TOP_OPTIONS_H
#define LODGE_CMD_TOP_OPTIONS_H

#include <stdbool.h>

#include "cmd/command.h"
#include "cmd/top_data.h"

/* What `lodge top` runs for the full screen: a program of its own, so that the library that it
 * needs isn't in every VM process. */
#define TOP_PROGRAM "lodge-top"

struct top_options {
	bool once;
	bool json;
	enum top_key sort;
	bool reverse;
	unsigned interval_ms; /* 0: not given */
};

extern const struct command_option top_option_table[];

/* 0, or -1 with the status to leave with: help was printed, or what is wrong. */
int top_options_read(const struct command *command, int argc, char **argv,
		     struct top_options *ret_options, int *ret_status);

#endif
