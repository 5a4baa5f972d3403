/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure stall information: how long tasks wait for memory
 * (Documentation/accounting/psi.rst). */
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

/* resource: "memory", "io" or "cpu". A kernel that has PSI but started without it has the files,
 * and reading them is an error. */
int host_read_psi(int root_fd, const char *resource, struct host_psi *ret_psi, struct err **err);

#endif
