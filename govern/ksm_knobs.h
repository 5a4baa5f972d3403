/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of KSM that the governor turns: files of /sys/kernel/mm/ksm
 * (Documentation/admin-guide/mm/ksm.rst).
 */
#ifndef LODGE_GOVERN_KSM_KNOBS_H
#define LODGE_GOVERN_KSM_KNOBS_H

#include <stdint.h>

#include "host/fields.h"

struct err;

enum ksm_knob {
	KSM_RUN,	       /* 0 stopped, 1 runs, 2 stopped and everything un-merged */
	KSM_ADVISOR_MODE,      /* enum ksm_advisor (6.8) */
	KSM_SLEEP_MS,	       /* how long the thread sleeps between batches */
	KSM_PAGES_TO_SCAN,     /* how many pages a batch has; the advisor's own while it is on */
	KSM_ADVISOR_TARGET,    /* s that a full scan is to take */
	KSM_ADVISOR_MAX_CPU,   /* percent of one CPU */
	KSM_ADVISOR_MIN_PAGES, /* pages of a batch that the advisor starts with */
	KSM_ADVISOR_MAX_PAGES, /* pages of a batch that it never exceeds */
	KSM_KNOBS,
};

enum ksm_advisor { KSM_ADVISOR_NONE, KSM_ADVISOR_SCAN_TIME };

/* The file's name, which is also what the governor's own files call it. */
const char *ksm_knob_name(enum ksm_knob knob);
/* Its path under the root directory. */
const char *ksm_knob_path(enum ksm_knob knob);

/* HOST_UNKNOWN if this kernel doesn't have it, or an advisor's mode that isn't known here. */
uint64_t ksm_knob_read(int root_fd, enum ksm_knob knob);
int ksm_knob_write(int root_fd, enum ksm_knob knob, uint64_t value, struct err **err);

enum { KSM_KNOB_TEXT_MAX = 24 };

/* The value as the kernel writes it: "20", "scan-time". Returns buf. */
char *ksm_knob_format(enum ksm_knob knob, uint64_t value, char buf[KSM_KNOB_TEXT_MAX]);

#endif
