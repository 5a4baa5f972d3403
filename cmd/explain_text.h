/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a guest has the memory that it has, as people and programs read it (lodge-explain(1)): what
 * it was promised, what its part of the host's RAM is and how that comes about, what the governor
 * did last, and what the kernel says now. Pure; explain.c finds out what is said here.
 */
#ifndef LODGE_CMD_EXPLAIN_TEXT_H
#define LODGE_CMD_EXPLAIN_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cmd/guest_promise.h"
#include "cmd/memory_view.h"
#include "govern/record.h"
#include "host/cgroup_bounds.h"
#include "host/psi.h"

/* What the kernel says of a guest's control group. */
struct explain_kernel {
	struct host_cgroup_bounds bounds;
	struct host_cgroup_events events;
	bool has_psi;
	struct host_psi psi;   /* of memory */
	uint64_t refault_anon; /* pages that were taken and came back; HOST_UNKNOWN */
	uint64_t refault_file; /* the same of pages of files */
};

/* All that is known of a guest. What isn't is NULL, with a reason in words. */
struct explain {
	const char *name;
	uint64_t now_ms; /* CLOCK_BOOTTIME */

	const struct memory_parts *memory;
	const char *memory_reason;
	const struct guest_promise *promise;
	const char *promise_reason;
	const struct explain_kernel *kernel;
	const char *kernel_reason;

	bool governed;			    /* lodged runs */
	const struct govern_record *record; /* what it wrote down */
	const char *record_reason;	    /* why that can't be read; NULL: nothing was written */
	const struct govern_record_guest *guest; /* of record, as it decided last */
	const struct govern_decision *last;	 /* of record, about this guest */
};

/* How a guest's part of the host's RAM comes about:
 * target = kept + by_weight + others + tax. Bytes. */
struct explain_share {
	uint64_t margin;    /* of the RAM for guests, what is to stay free */
	uint64_t kept_all;  /* what all guests keep in any case */
	uint64_t divided;   /* the rest, which is divided by weight */
	uint64_t weights;   /* all guests' */
	uint64_t kept;	    /* of kept_all */
	uint64_t by_weight; /* of divided */
	int64_t others;	    /* what others leave to it, or with a minus what it leaves to others */
	int64_t tax; /* with a minus what the tax on its idle memory takes, else what it brings */
};
void explain_divide(const struct govern_record *record, const struct govern_record_guest *guest,
		    struct explain_share *ret_share);

/* Fills guest and last from the record, as far as they are about the guest of that name that has
 * run since started_ms and not about one before it. */
void explain_find(struct explain *explain, uint64_t started_ms);

/* Several lines. */
void explain_print(const struct explain *explain, FILE *out);
/* A new object. */
json_t *explain_to_json(const struct explain *explain);

#endif
