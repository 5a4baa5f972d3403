/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host and a process have done so far: counters that only grow (proc(5)). Rates are the
 * differences between two of them.
 */
#ifndef LODGE_HOST_ACTIVITY_H
#define LODGE_HOST_ACTIVITY_H

#include <stdint.h>
#include <sys/types.h>

struct err;

/* Since the host started. Times are of all CPUs together. */
struct host_activity {
	unsigned cpus; /* that are online */
	uint64_t busy_ms;
	uint64_t idle_ms;    /* waiting for a disk included */
	uint64_t guests_ms;  /* of busy: in guests' code */
	uint64_t swapped_in; /* bytes; HOST_UNKNOWN (host/fields.h) where this kernel doesn't say */
	uint64_t swapped_out;  /* bytes, the same */
	uint64_t major_faults; /* a number, the same */
};

/* /proc/stat and /proc/vmstat. */
int host_read_activity(int root_fd, struct host_activity *ret_activity, struct err **err);

/* Since the process started. */
struct host_process_activity {
	uint64_t started;  /* when; in a unit of the kernel's own, the same for no two processes of
			    * one pid */
	uint64_t cpu_ms;   /* of all its threads, guests' code included */
	uint64_t guest_ms; /* of that: in a guest's code, that is, on its vCPUs */
	uint64_t major_faults; /* pages that had to come from a disk or from swap */
	uint64_t minor_faults;
};

/* /proc/PID/stat. */
int host_read_process_activity(int root_fd, pid_t pid, struct host_process_activity *ret_activity,
			       struct err **err);

#endif
