/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where `lodge top` has its figures from: asks all guests at once, and the host's kernel.
 *
 * It works in rounds. A round sends the verb "show" to every guest and ends when all have answered
 * or the time for it is over, whichever comes first, so one that is stuck takes nothing from the
 * others. Each guest is asked over a connection that stays open: a guest that hasn't answered yet
 * isn't asked again, however many rounds pass, and its answer is taken whenever it comes.
 *
 * A guest whose balloon driver tells statistics is asked for new ones (the verb "stats") in each
 * round over a second connection, since it answers in its own time. Nothing waits for them: the
 * next round's "show" has what came.
 */
#ifndef LODGE_CMD_TOP_ASK_H
#define LODGE_CMD_TOP_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "cmd/top_data.h"

struct err;
struct loop;
struct top_ask;

struct top_ask_options {
	int root_fd;	/* stands for "/" (host/file.h); the caller's */
	int answer_ms;	/* how long a round may last */
	bool keep_show; /* for top_ask_show() */
	/* A round has ended. Called from the loop. */
	void (*done)(void *opaque);
	void *opaque;
};

/* loop outlives it. */
int top_ask_new(struct loop *loop, const struct top_ask_options *options, struct top_ask **ret_ask,
		struct err **err);
/* NULL is fine. */
void top_ask_free(struct top_ask *ask);

/* Begins a round; does nothing if one is under way. Fails only if the guests can't be listed. */
int top_ask_start(struct top_ask *ask, struct err **err);

/* As of the last round that ended; valid until the next one ends. Rates are there from a guest's
 * second round on. */
const struct top_snapshot *top_ask_snapshot(const struct top_ask *ask);

/* What `lodge show --json` says of guest i of the snapshot, or NULL if it didn't answer. Only
 * within done(). */
const json_t *top_ask_show(const struct top_ask *ask, size_t i);

#endif
