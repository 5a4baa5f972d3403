/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `lodge top` shows: the host and all guests at one moment, and the figures of a guest by
 * which it can be sorted. Plain structs and pure functions; top_ask.h fills them.
 *
 * Figures that nobody says are HOST_UNKNOWN (host/fields.h).
 */
#ifndef LODGE_CMD_TOP_DATA_H
#define LODGE_CMD_TOP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cmd/memory_view.h"
#include "cmd/top_governor.h"
#include "host/activity.h"
#include "host/view.h"
#include "machine/config.h"

/* What happened between two looks. CPU time is in tenths of a percent of one CPU. */
struct top_rates {
	uint64_t cpu;
	uint64_t vcpu;	       /* of cpu: in guests' code */
	uint64_t swap_in;      /* bytes a second */
	uint64_t swap_out;     /* bytes a second */
	uint64_t major_faults; /* a second */
};

struct top_host {
	bool known;
	struct host_view view;
	struct host_activity activity;
	int64_t time_ms;	/* when that was read; any clock that doesn't jump */
	struct top_rates rates; /* cpu: of all CPUs together, so that eight busy ones are 8000 */
};

/* From the host's kernel, all read at the same moment. */
struct top_sample {
	int64_t time_ms;
	struct host_process_activity activity;
	uint64_t swapped;     /* bytes of the VM process that are swapped out */
	uint64_t swapped_in;  /* bytes in all, by the guest's control group */
	uint64_t swapped_out; /* bytes in all, by the guest's control group */
};

enum { TOP_STATE_MAX = 16 };

struct top_guest {
	char name[VM_NAME_MAX + 1];
	char state[TOP_STATE_MAX]; /* also "unresponsive" */
	bool known;		   /* it answered; without that there is nothing below */
	bool has_memory;	   /* parts, sample and balloon could be read */
	pid_t pid;
	unsigned cpus;
	uint64_t uptime_ms;
	struct memory_parts parts;
	struct memory_balloon balloon;
	struct top_sample sample;
	struct top_rates rates;
};

struct top_snapshot {
	struct top_host host;
	struct top_governor governor;
	struct top_guest *guests; /* in the order of their names */
	size_t n;
};

/* No rate is known. */
void top_rates_clear(struct top_rates *rates);
/* From one look at a guest or host to a later one. Where the kernel doesn't count what a guest
 * swaps (before 6.14, or without a control group), it's what its swapped memory grew or shrank by:
 * the least that it can have been. */
void top_rates_of_guest(const struct top_sample *before, const struct top_sample *now,
			struct top_rates *ret_rates);
void top_rates_of_host(const struct top_host *before, const struct top_host *now,
		       struct top_rates *ret_rates);

/* The figures of a guest. */
enum top_key {
	TOP_NAME,
	TOP_STATE,
	TOP_CPU,
	TOP_VCPU,
	TOP_SIZE,
	TOP_RESIDENT,
	TOP_PRIVATE,
	TOP_CACHE,
	TOP_MERGED,
	TOP_SWAPPED,
	TOP_BALLOON,
	TOP_REPORTED,
	TOP_UNTOUCHED,
	TOP_OVERHEAD,
	TOP_SWAP_IN,
	TOP_SWAP_OUT,
	TOP_FAULTS,
	TOP_FREE,
	TOP_AVAILABLE,
	TOP_AGE,
	TOP_KEYS
};

/* "resident" and so on, as --sort has them. */
const char *top_key_word(enum top_key key);
/* False if there is no such word. */
bool top_key_find(const char *word, enum top_key *ret_key);
/* HOST_UNKNOWN for TOP_NAME and TOP_STATE too, which are no numbers. */
uint64_t top_key_value(enum top_key key, const struct top_guest *guest);

/* Writes the guests' indexes to order[snapshot->n]: names from A on, figures from the largest on,
 * and with reverse the other way around. What isn't known comes last in both, and guests that are
 * equal come by their names. */
void top_sort(const struct top_snapshot *snapshot, enum top_key key, bool reverse, size_t *order);

#endif
