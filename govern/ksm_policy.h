/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decide: when KSM runs, and how fast it scans (docs/governor.md).
 *
 * KSM is off on most hosts, since scanning costs CPU time for good. It runs here while there are
 * guests that want to be merged, and only for them.
 *
 * Whose KSM it is. The policy takes KSM only when it finds it stopped (run is 0), keeps what it
 * found of every setting before the first write, and puts it back when the last such guest has
 * gone. Somebody who changes `run` meanwhile, or who had KSM running
 * before, has decided: then nothing is written until those guests are gone; nor while run is 2.
 * Another setting that somebody changes is left to them, alone. 2 is never written: un-merging
 * takes memory that may not be there.
 *
 * How fast. A full scan is to take KSM_SCAN_FAST_S while guests are new (a page is merged when two
 * scans have seen it unchanged), then KSM_SCAN_S, and up to four times that while scans find
 * nothing. Two scans in a row without gain make it slower, one with twice that gain makes it
 * quick again; in between nothing changes. Batches are sized by the pages that there are to look
 * at, and by what a page was seen to cost, so that KSM's thread takes at most KSM_CPU_PERCENT of
 * one CPU. Where the kernel has its own advisor it does that by its own measurements; the batch
 * is then only its upper limit, since it would never go below a tenth of a CPU by itself.
 *
 * All functions are pure: the same view and memory give the same plan.
 */
#ifndef LODGE_GOVERN_KSM_POLICY_H
#define LODGE_GOVERN_KSM_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "govern/ksm_knobs.h"

struct govern_view;

enum {
	KSM_SCAN_FAST_S = 60,
	KSM_SCAN_S = 180,
	KSM_SLOWEST_LEVEL = 2,	  /* each doubles the time of a scan */
	KSM_FAST_SCANS = 3,	  /* the one that runs when a guest comes doesn't see all of it */
	KSM_CPU_PERCENT = 20,	  /* of one CPU */
	KSM_PAGE_COST_NS = 10000, /* until it has been measured: what a page costs at worst */
};

/* A setting that the policy has taken, with what it was. */
struct ksm_held {
	bool held;
	bool done;    /* the write is known to have happened */
	bool yielded; /* somebody else has changed it since */
	uint64_t found;
	uint64_t written;
};

/* What the policy knows from one turn to the next. All zeros at first. */
struct ksm_memory {
	/* Kept over a restart (govern/ksm_act.h). */
	struct ksm_held knobs[KSM_KNOBS];
	bool hands_off;	    /* somebody else decides, until no guest wants merging */
	uint64_t newest_ns; /* when the youngest guest started that was taken into account */

	/* The pace; kept too. */
	unsigned fast_scans; /* scans to go at the fast pace */
	unsigned level;
	unsigned idle_scans;  /* in a row */
	bool seen;	      /* full_scans and pages_saved are known */
	uint64_t full_scans;  /* in the turn before */
	uint64_t pages_saved; /* when the scan before ended */

	/* Measured; lost with the process. */
	bool stopped_by_others; /* has been said */
	uint64_t measured_ms;	/* when ksmd_ms was read; 0: not yet */
	uint64_t ksmd_ms;
	uint64_t page_cost_ns; /* 0: not measured */
};

struct ksm_write {
	enum ksm_knob knob;
	uint64_t value;
};

enum { KSM_REASON_MAX = 256 };

struct ksm_plan {
	struct ksm_write writes[2 * KSM_KNOBS]; /* in this order */
	size_t n_writes;
	bool puts_back;		     /* they undo what was done before */
	char reason[KSM_REASON_MAX]; /* one line; "" if there is nothing to say */
	struct ksm_memory memory;    /* for the next turn, once the writes have been carried out */
};

void ksm_decide(const struct govern_view *view, const struct ksm_memory *memory,
		struct ksm_plan *ret_plan);

/* After the plan's writes have happened. */
void ksm_memory_done(struct ksm_memory *memory);

#endif
