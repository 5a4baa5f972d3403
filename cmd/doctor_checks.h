/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host must or should offer, each as a check that reads files under a root directory.
 *
 * System calls that have to be tried are passed in, so that tests can examine a recorded host.
 */
#ifndef LODGE_CMD_DOCTOR_CHECKS_H
#define LODGE_CMD_DOCTOR_CHECKS_H

#include <stddef.h>
#include <sys/types.h>

struct err;

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARNING, /* it's there, but not as it should be, or not for this user */
	DOCTOR_MISSING,
};

struct doctor_host {
	int root_fd;
	uid_t uid;
	int (*probe_kvm)(struct err **err);
	/* 0, or the errno that the system call gives */
	int (*try_userfaultfd)(void);
	int (*try_io_uring)(void);
};

struct doctor_finding {
	enum doctor_level level;
	char text[320]; /* what is */
	char mend[256]; /* the command or kernel parameter that mends it; "" if there's nothing to
			   do */
};

struct doctor_check {
	const char *name;
	const char *purpose; /* what lodge needs it for */
	void (*examine)(const struct doctor_host *host, struct doctor_finding *finding);
};

extern const struct doctor_check doctor_checks[];
extern const size_t doctor_n_checks;

/* "ok", "warning", "missing". */
const char *doctor_level_name(enum doctor_level level);

#endif
