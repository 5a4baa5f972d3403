/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of promises, which is the tree of control groups itself (docs/promises.md): a guest's
 * group MOUNT/lodge.slice/NAME holds what it has been promised, where the kernel keeps it.
 *
 *	memory.min	guarantee + overhead; the kernel takes no page of these
 *	memory.max	limit + overhead
 *	memory.swap.max	memory + overhead; 0 for a guest of best effort
 *
 * and the slice's memory.max what guests may have together. A group without a process is one that
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

enum { LEDGER_NAME_MAX = 256, LEDGER_SLICE_MAX = 288 };

struct ledger {
	struct promise_capital capital;
	struct promise_sum sum;
	uint64_t protection; /* what the guests' memory.min add up to */
	/* A group that isn't limited, so that nothing can be promised beside it; "" if there is
	 * none. */
	char unlimited[LEDGER_NAME_MAX];
};

/* Where the slice is on this host, or would be. ERR_FAILED, with the reason, if nothing can be
 * promised here. */
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

/* promise_check(), and ERR_REFUSED if there's an unlimited group. instead_of may be NULL. */
int ledger_check(const struct ledger *ledger, const struct promise *promise,
		 const struct promise *instead_of, struct err **err);

/* Writes a promise, that was checked against this ledger, into the guest's group, and the guests'
 * protection into the slice's. */
int ledger_write(int root_fd, const char *slice, const char *name, const struct ledger *ledger,
		 const struct promise *promise, struct err **err);

/* What share of processors and disks the guest has when others want them too. A weight other than
 * the default is ERR_REFUSED where processors aren't shared by groups. */
int ledger_write_weight(int root_fd, const char *slice, const char *name, unsigned weight,
			struct err **err);

/* What the kernel holds of a guest's promise. */
struct ledger_entry {
	uint64_t guaranteed; /* guarantee and overhead */
	uint64_t in_ram;     /* limit and overhead; UINT64_MAX: none is set */
	uint64_t worst;	     /* memory and overhead; UINT64_MAX: none is set */
	unsigned weight;     /* 0: processors aren't shared by groups */
};
int ledger_read_entry(int root_fd, const char *slice, const char *name,
		      struct ledger_entry *ret_entry, struct err **err);

/* Calls fn for each group that has a process in it, in no order; ends with the first error. */
typedef int (*ledger_fn)(void *arg, const char *name, const struct ledger_entry *entry,
			 struct err **err);
int ledger_each(int root_fd, const char *slice, ledger_fn fn, void *arg, struct err **err);

/* What guests have in use of the host's RAM now, without what the kernel can drop; bytes. */
int ledger_read_used(int root_fd, const char *slice, uint64_t *ret_bytes, struct err **err);

/* Removes the groups that guests left behind when they were killed. The lock is held. */
void ledger_sweep(int root_fd, const char *slice);

/* Takes a guest's protection from the slice's, whose memory.min is min_fd; for one that is gone. */
void ledger_unprotect(int min_fd, uint64_t protection);

#endif
