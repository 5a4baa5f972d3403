/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sense: guests' memory as the policy wants it (govern/policy.h), from their control groups.
 *
 * The kernel's counters only grow, and the policy wants what happened since the turn before: so a
 * sensor remembers what it read, by guest. What it can't see in a group, a guest's own view and
 * what it touched, is added by others (govern/ask.h, govern/working_sets.h) before anything is
 * decided.
 */
#ifndef LODGE_GOVERN_SENSOR_H
#define LODGE_GOVERN_SENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "govern/policy.h"
#include "govern/record.h"
#include "host/smaps.h"
#include "ledger/ledger.h"
#include "machine/config.h"

struct err;

/* In the memory of a guest: its balloon was used here before, so what it's to hold at the first
 * look was asked for here. */
#define SENSOR_ADOPT_BALLOON UINT64_MAX

/* What there is to know of a guest beside what the policy decides on. */
struct sensed {
	char name[VM_NAME_MAX + 1];
	uint64_t group;	       /* its group's inode: another guest of the same name has another */
	pid_t pid;	       /* of its VM process */
	struct host_range ram; /* where its RAM is in there; .len 0: not known (govern/ask.h) */
	enum govern_source source;
	uint64_t refaults;   /* pages, since the group was made */
	uint64_t stalled_us; /* the time that it has waited for memory since then */
	uint64_t read_ms;    /* when that was read, CLOCK_BOOTTIME; 0: never */
};

/* All zeros at first. Its arrays have n entries, in the order of names. */
struct sensor {
	struct policy_host host;
	struct sensed *about;
	struct policy_guest *guests;
	struct policy_guest_memory *memories; /* stay with their guests */
	size_t n;
};

/* Reads all of it anew. A guest that comes or goes meanwhile, or whose group somebody else made
 * without limits, is left out. */
int sensor_read(struct sensor *sensor, int root_fd, const char *slice, const struct ledger *ledger,
		struct err **err);
void sensor_clear(struct sensor *sensor);

#endif
