/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of promises, which is the tree of control groups itself (docs/promises.md): a guest's
 * group MOUNT/lodge.slice/NAME holds what it has been promised, where the kernel keeps it.
 *
 *	memory.min	guarantee + overhead; the kernel takes no page of these
 *	memory.max	limit + overhead
 *	memory.swap.max	memory + overhead; 0 for a guest of best effort
 *
 * and the slice's memory.max what guests may have together. Groups above the slice, where it isn't
 * at the root of all groups, bound all of these. A group without a process is one that
 * its guest left behind, and counts for nothing. The lock on the slice's directory (flock(2)) is
 * held by whoever adds up and then writes.
 *
 * root_fd stands for "/"; slice is the slice's path from there, "sys/fs/cgroup/lodge.slice".
 */
#ifndef LODGE_LEDGER_LEDGER_H
#define LODGE_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/promise.h"

struct err;

#define LEDGER_SLICE "lodge.slice"
/* A group of the slice that isn't a guest's, and that no sum counts: processes that have left their
 * own end in it, where they may not go to the root of all groups. */
#define LEDGER_END ".end"

enum { LEDGER_NAME_MAX = 256, LEDGER_SLICE_MAX = 544, LEDGER_ABOVE_MAX = 32 };

/* What a group above the slice protects (memory.min). */
struct ledger_above {
	uint64_t protection;
	uint64_t lent; /* to others than the group below it that guests are in */
};

struct ledger {
	struct promise_capital capital;
	struct promise_sum sum;
	/* Where it is, and the groups above that, from the nearest on; none if it's at the root of
	 * all groups. */
	char slice[LEDGER_SLICE_MAX];
	struct ledger_above above[LEDGER_ABOVE_MAX];
	size_t n_above;
	/* A group that isn't limited, so that nothing can be promised beside it; "" if there is
	 * none. */
	char unlimited[LEDGER_NAME_MAX];
};

/* Where the slice is on this host, or would be, for who wants to look (ledger/place.h has how it's
 * found, and what is needed to start guests there). ERR_FAILED, with the reason, if nothing can be
 * promised here; ERR_USAGE for an $LODGE_CGROUP that is no group. */
int ledger_find(int root_fd, char slice[LEDGER_SLICE_MAX], struct err **err);

/* Opens the slice's directory and takes its lock, waiting for whoever has it. It lasts until the
 * descriptor is closed or unlocked. */
int ledger_lock(int root_fd, const char *slice, int *ret_fd, struct err **err);

/* Writes the slice's limit, what the host has less promise_reserve(), unless it has one. */
int ledger_limit_slice(int root_fd, const char *slice, struct err **err);

/* The host as it is now. A slice that isn't there is one without guests, whose limit would be what
 * ledger_limit_slice() writes. */
int ledger_read(int root_fd, const char *slice, struct ledger *ret_ledger, struct err **err);
/* The same as far as sums depend on it, for starts: where the slice's limit is what counts, guests'
 * memory is among others'. To the kernel it's work to say what a group has. */
int ledger_read_quickly(int root_fd, const char *slice, struct ledger *ret_ledger,
			struct err **err);
/* The same without one guest, which is to be promised something else. */
int ledger_read_without(int root_fd, const char *slice, const char *name, struct ledger *ret_ledger,
			struct err **err);

/* What gives the groups above the slice so much protection, as commands for root; "" if they have
 * it. */
enum { LEDGER_REMEDY_MAX = 2048 };
char *ledger_describe_remedy(const struct ledger *ledger, uint64_t protection,
			     char text[LEDGER_REMEDY_MAX]);

/* promise_check() and promise_check_protection(), and ERR_REFUSED if there's an unlimited group.
 * instead_of may be NULL. */
int ledger_check(const struct ledger *ledger, const struct promise *promise,
		 const struct promise *instead_of, struct err **err);

/* Writes a promise, that was checked against this ledger, into the guest's group, and the guests'
 * protection into the slice's. */
int ledger_write(int root_fd, const char *slice, const char *name, const struct ledger *ledger,
		 const struct promise *promise, struct err **err);

/* What the kernel holds of a guest's promise. */
struct ledger_entry {
	uint64_t guaranteed; /* guarantee and overhead */
	uint64_t in_ram;     /* limit and overhead; UINT64_MAX: none is set */
	uint64_t worst;	     /* memory and overhead; UINT64_MAX: none is set */
};
int ledger_read_entry(int root_fd, const char *slice, const char *name,
		      struct ledger_entry *ret_entry, struct err **err);

/* Calls fn for each group that has a process in it, in no order; ends with the first error. */
typedef int (*ledger_fn)(void *arg, const char *name, const struct ledger_entry *entry,
			 struct err **err);
int ledger_each(int root_fd, const char *slice, ledger_fn fn, void *arg, struct err **err);

/* What a group, such as the slice, has in use of the host's RAM now, without what the kernel can
 * drop; bytes. */
int ledger_read_used(int root_fd, const char *group, uint64_t *ret_bytes, struct err **err);

/* Removes the groups that guests left behind when they were killed. The lock is held. */
void ledger_sweep(int root_fd, const char *slice);

/* Takes a guest's protection from the slice's, whose memory.min is min_fd; for one that is gone. */
void ledger_unprotect(int min_fd, uint64_t protection);

#endif
