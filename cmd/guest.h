/* SPDX-License-Identifier: Apache-2.0 */
/* Asking running guests, and ending them. */
#ifndef LODGE_CMD_GUEST_H
#define LODGE_CMD_GUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command;
struct err;

/* How long a VM process may take to answer, ms. It does nothing slow, so a longer silence means
 * that it's stopped or stuck. */
enum { GUEST_ANSWER_MS = 5000 };

/* Sends a verb without arguments and gives the result; ret_reply may be NULL. */
int guest_call(const char *name, const char *verb, json_t **ret_reply, struct err **err);

/* Does this guest send statistics? balloon is of its reply to "show". */
bool guest_sends_stats(const json_t *balloon);
/* Puts the guest's newest statistics into show, the reply to the verb show, if it has a driver that
 * sends them and sends them soon; else the last ones stay, with their age. */
void guest_renew_stats(const char *name, json_t *show);

/* The guests that a verb is for: its operands, or with all set every guest that runs. */
struct guest_names {
	char **names;
	size_t n;
	bool listed; /* the names are from rundir_list() */
};
int guest_names_get(struct guest_names *names, bool all, int argc, char **argv, struct err **err);
void guest_names_clear(struct guest_names *names);

/* Does one thing to each guest: reports what fails, goes on, and returns the first failure's exit
 * status, or 0. Of listed guests, those whose state doesn't allow it are passed over. */
int guest_each(const struct guest_names *names, int (*fn)(const char *name, struct err **err));

/* The whole run of a verb that takes NAME... or --all and does one thing to each. */
int guest_verb_main(const struct command *command, int argc, char **argv,
		    int (*fn)(const char *name, struct err **err));

/* A descriptor that hangs up (POLLHUP) when the guest's VM process is gone. */
int guest_watch(const char *name, int *ret_fd, struct err **err);
/* Waits up to timeout_ms (-1: any time) for that; true if it's gone. */
bool guest_gone(int watch_fd, int timeout_ms);

/* Presses the power button. A paused guest, which couldn't obey, is let run first, and one that's
 * still starting is waited for, up to deadline_ms on clock_monotonic_ms()'s clock. */
int guest_press_power(const char *name, int64_t deadline_ms, struct err **err);
/* Ends the guest by force and waits until it's gone. A VM process that doesn't answer is killed. */
int guest_force(const char *name, int watch_fd, struct err **err);

#endif
