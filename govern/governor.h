/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The governor's loop: a turn (turn.h) after the other, by time and when somebody waits for memory
 * or swap comes or goes.
 *
 * It keeps nothing that it couldn't read again: it may be killed at any moment and started anew.
 */
#ifndef LODGE_GOVERN_GOVERNOR_H
#define LODGE_GOVERN_GOVERNOR_H

#include <stdbool.h>

struct err;

struct governor_options {
	bool once;	      /* one turn, told on standard output */
	bool dry_run;	      /* nothing is written */
	unsigned interval_s;  /* from turn to turn while there is nothing to do, s */
	unsigned tax_percent; /* of idle memory (share.h) */
};

/* Runs until SIGTERM or SIGINT, or for one turn. Blocks these signals.
 *
 * While guests wait for memory, or something is being done about it, a turn comes every second.
 *
 * Errors: ERR_EXISTS if another lodged runs, ERR_DENIED without the right to change KSM's settings
 * or a control group, ERR_FAILED if the host has neither KSM nor promises, and for one turn what
 * went wrong in it. In the loop that is logged, and tried again. */
int governor_run(int root_fd, const struct governor_options *options, struct err **err);

#endif
