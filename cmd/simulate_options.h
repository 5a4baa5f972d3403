/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `lodge simulate`, which are also those of lodge-simulate. */
#ifndef LODGE_CMD_SIMULATE_OPTIONS_H
#define LODGE_CMD_SIMULATE_OPTIONS_H

#include <stdbool.h>

#include "cmd/command.h"

#define SIMULATE_PROGRAM "lodge-simulate"

struct simulate_options {
	bool json;
	bool mom; /* the policy to compare with, instead of lodge's */
	unsigned tax_percent;
	const char *plot;     /* where to, or NULL; a part of argv */
	const char *scenario; /* a part of argv */
};

extern const struct command_option simulate_option_table[];

/* 0, or -1 with the status to leave with: help was printed, or what is wrong. */
int simulate_options_read(const struct command *command, int argc, char **argv,
			  struct simulate_options *ret_options, int *ret_status);

#endif
