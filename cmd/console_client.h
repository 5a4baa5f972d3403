/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's console on standard input and output, for `lodge run` and `lodge console`.
 *
 * If standard input is a terminal, it's made raw, its size is passed on, and the escape key
 * (escape.h) speaks to lodge. If not, bytes go as they are, and its end doesn't end the guest.
 *
 * Signals (INT, TERM, HUP, QUIT): a guest that was started here (child is set) has its power button
 * pressed, is ended by force after CONSOLE_FORCE_MS, and at once by a second signal. Otherwise they
 * only end the console. Output that can't be written any more counts as such a signal.
 */
#ifndef LODGE_CMD_CONSOLE_CLIENT_H
#define LODGE_CMD_CONSOLE_CLIENT_H

#include <sys/types.h>

struct err;

enum { CONSOLE_FORCE_MS = 10000 };

struct console_client {
	const char *name;
	int escape_key; /* a byte, or ESCAPE_OFF */
	pid_t child;	/* the VM process, if it is this process's child; else 0 */
};

/* Takes the signals over: from now on they wait for console_client_run(). To be called before the
 * guest is started, so that a signal in between isn't lost. */
void console_client_take_signals(void);

/* Until the guest ends, or the user leaves it, or a signal comes. *ret_status is the exit status
 * for this process: the guest's own if it's our child and has ended, else 0. ERR_* if the console
 * can't be had or its output not be written. */
int console_client_run(const struct console_client *client, int *ret_status, struct err **err);

#endif
