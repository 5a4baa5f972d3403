/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Working sets: how much of its memory a guest has touched lately, by the kernel's DAMON.
 *
 * The method is that of Waldspurger (OSDI 2002): of a guest's pages some are picked at random, and
 * how many of them are touched within a period says what part of all is. Each period picks anew.
 * What a guest touches is seen through KVM's second-level page tables (mmu notifiers), at the cost
 * of two looks into page tables a sample and a period. Pages that are swapped out count as not
 * touched, and a huge page as touched whole.
 *
 * One kernel thread (kdamond.N) looks after all guests and wakes once a period, also on an idle
 * host. So this is for hosts that are short of memory, and to be stopped when they aren't.
 *
 * DAMON is the whole host's. What is there already and isn't lodge's is left alone (ERR_EXISTS).
 * lodge's own carries a mark, so that the next process knows what a killed one left. The kernel
 * ends it by itself when all its guests have ended.
 *
 * It takes Linux 6.6 with CONFIG_DAMON_VADDR and CONFIG_DAMON_SYSFS, and root.
 */
#ifndef LODGE_HOST_DAMON_H
#define LODGE_HOST_DAMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/smaps.h"

struct err;
struct host_damon;

enum {
	HOST_DAMON_PERIOD_MS = 5000,
	HOST_DAMON_SAMPLES = 100,    /* of each guest */
	HOST_DAMON_LOOKS_MAX = 4000, /* samples of all guests together: with more guests, each has
					fewer */
	HOST_DAMON_SAMPLES_LEAST = 10,
	HOST_DAMON_FALL = 4, /* periods: see host_damon_follow() */
};

/* A guest's VM process, and where the guest's RAM is in its address space. */
struct host_damon_target {
	pid_t pid;
	const struct host_range *ram; /* in order of address */
	size_t n_ram;
};

struct host_damon_sampling {
	unsigned period_ms; /* how lately: what was touched within so long counts. At least 100 */
	unsigned samples;   /* of each guest, in each period. At least 10 */
};

/* Whether this kernel has what it takes and lets this user have it. */
int host_damon_check(int root_fd, struct err **err);

/* Starts to look at n guests (at least one). root_fd must stay open. ERR_EXISTS if somebody else
 * uses DAMON. What an earlier process left is replaced. */
int host_damon_start(int root_fd, const struct host_damon_target *targets, size_t n,
		     const struct host_damon_sampling *sampling, struct host_damon **ret_damon,
		     struct err **err);

/* Bytes that each guest has touched within a period; HOST_UNKNOWN (host/fields.h) until the first
 * is over. Never waits: a thread is sent for counts that are newer, which it has when the period
 * that runs now is over, and who reads next gets them. An error says that DAMON has stopped, since
 * all the guests have ended or somebody else switched it off. */
int host_damon_read(struct host_damon *damon, uint64_t *active, struct err **err);

/* Switches it off, and leaves DAMON as it was found. May take some 0.2 s, until the kernel has let
 * go of the thread. NULL is fine. */
void host_damon_stop(struct host_damon *damon);

/* Removes what an earlier process left, if there is any; nothing that isn't lodge's. */
int host_damon_clean_up(int root_fd, struct err **err);

/* The next estimate, from the one before (HOST_UNKNOWN: none) and what was touched since, on
 * average of so many periods. It rises at once and falls a quarter of the way a period, since
 * taking memory from a guest that has become busy costs more than leaving it for a while to one
 * that has become idle. */
uint64_t host_damon_follow(uint64_t before, uint64_t touched, uint64_t periods);

#endif
