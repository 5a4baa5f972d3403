/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the governor found and decided, written down for those who ask: `lodge explain` and `lodge
 * top`. One file in the runtime directory, RUNTIME/.lodged.record.json, which is replaced whole
 * whenever something was decided. Nothing is ever decided by it.
 *
 * Sizes are bytes, times are CLOCK_BOOTTIME in ms; POLICY_UNKNOWN is null in the file.
 */
#ifndef LODGE_GOVERN_RECORD_H
#define LODGE_GOVERN_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "govern/policy.h"
#include "machine/config.h"

struct err;

#define GOVERN_RECORD_FILE ".lodged.record.json"

/* The newest decisions about all guests together that are kept, oldest first. */
enum { GOVERN_DECISIONS_MAX = 64, GOVERN_DECISION_TEXT_MAX = 256 };

/* Something that was done to a guest. */
struct govern_decision {
	uint64_t time_ms;
	char guest[VM_NAME_MAX + 1];
	enum policy_reason reason;
	uint64_t bytes;
	char whom[VM_NAME_MAX + 1]; /* the guest that is to have it; "": the host's margin */
	enum policy_state state;    /* the host's then */
	char text[GOVERN_DECISION_TEXT_MAX]; /* the same as a line for people */
};

/* Where what is known of a guest's use of memory comes from. */
enum govern_source { GOVERN_SOURCE_NONE, GOVERN_SOURCE_DAMON, GOVERN_SOURCE_GUEST };

struct govern_record_guest {
	char name[VM_NAME_MAX + 1];
	struct policy_guest seen; /* in the last turn */
	enum govern_source source;
	uint64_t target;
	uint64_t untaxed; /* the target without a tax */
	bool hurts;
	struct govern_decision last; /* time_ms 0: none yet */
};

struct govern_record {
	uint64_t time_ms; /* of the last turn that is in it */
	struct policy_settings settings;
	struct policy_host host;
	enum policy_state state;
	uint64_t margin;
	uint64_t wanted;
	struct govern_record_guest *guests; /* in the order of their names */
	size_t n_guests;
	struct govern_decision decisions[GOVERN_DECISIONS_MAX];
	size_t n_decisions;
};

/* dir_fd is the runtime directory. Whole or not at all. */
int govern_record_save(int dir_fd, const struct govern_record *record, struct err **err);
/* ERR_NOT_FOUND if no governor has written one; ERR_FAILED, with the member that is wrong, if it
 * isn't understood. Whether the governor that wrote it is alive: govern_is_running() (files.h). */
int govern_record_load(int dir_fd, struct govern_record *ret_record, struct err **err);
void govern_record_clear(struct govern_record *record);

/* A part of record, or NULL if the governor hasn't seen that guest. */
const struct govern_record_guest *govern_record_find(const struct govern_record *record,
						     const char *name);

#endif
