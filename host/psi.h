/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pressure stall information: how long tasks wait for memory, of the whole host and of a control
 * group (Documentation/accounting/psi.rst).
 *
 * A kernel that has PSI but started without it (psi=0) has the files all the same: what comes then
 * is an error with err_errno() == EOPNOTSUPP. The error of a group that isn't there, and of one
 * whose cgroup.pressure is 0, carries ENOENT.
 */
#ifndef LODGE_HOST_PSI_H
#define LODGE_HOST_PSI_H

#include <stdint.h>

struct err;

struct host_psi {
	uint64_t some_us; /* total time in which at least one task waited, µs */
	uint64_t full_us; /* total time in which all tasks waited, µs */
	/* The share of the last 10 s in which they did, in hundredths of a percent. */
	unsigned some_avg10;
	unsigned full_avg10;
};

/* resource: "memory", "io" or "cpu". */
int host_read_psi(int root_fd, const char *resource, struct host_psi *ret_psi, struct err **err);

/* The same of a control group and those below it; group is its path without a leading slash, as in
 * host/reclaim.h. */
int host_read_group_psi(int root_fd, const char *group, const char *resource,
			struct host_psi *ret_psi, struct err **err);

/*
 * To be woken: the descriptor has POLLPRI (not POLLIN) when tasks have waited for stall_us within
 * window_us, at most once a window; for a group that was removed it has POLLERR. Nothing wakes
 * anybody while nobody waits.
 *
 * The kernel takes windows of 500 ms to 10 s, and of those without CAP_SYS_RESOURCE multiples of
 * 2 s only (and no triggers at all before Linux 6.5).
 */
struct host_psi_trigger {
	unsigned stall_us; /* 1 to window_us */
	unsigned window_us;
};

/* "some" of memory: of the host, or of a group if that isn't NULL. The caller closes *ret_fd, which
 * ends the trigger. */
int host_open_psi_trigger(int root_fd, const char *group, const struct host_psi_trigger *trigger,
			  int *ret_fd, struct err **err);

#endif
