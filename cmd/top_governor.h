/* SPDX-License-Identifier: Apache-2.0 */
/* What the governor says, as `lodge top` shows it: the host's state, and its last decisions. */
#ifndef LODGE_CMD_TOP_GOVERNOR_H
#define LODGE_CMD_TOP_GOVERNOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "govern/record.h"

struct top_governor {
	uint64_t now_ms; /* CLOCK_BOOTTIME */
	bool runs;
	bool known; /* it has written something down that is understood; then there is all below */
	bool damaged; /* that isn't understood */
	uint64_t time_ms;
	enum policy_state state;
	uint64_t margin;
	uint64_t wanted;
	struct govern_decision decisions[GOVERN_DECISIONS_MAX]; /* oldest first */
	size_t n_decisions;

	struct stat read; /* the file that this is from, so that it's read once */
};

/* Looks again; all zeros at first. */
void top_governor_look(struct top_governor *governor);

/* How many decisions there are to show: none of a governor that doesn't run. */
size_t top_governor_decisions(const struct top_governor *governor);

/* A new object. */
json_t *top_governor_to_json(const struct top_governor *governor);

/* A new object for one decision, as of now_ms. */
json_t *top_decision_to_json(const struct govern_decision *decision, uint64_t now_ms);

#endif
