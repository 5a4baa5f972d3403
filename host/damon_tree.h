/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DAMON's directory in sysfs, set up to sample the memory of several processes
 * (Documentation/admin-guide/mm/damon/usage.rst). host/damon.h is what is used; this is its lower
 * half.
 *
 *	kdamonds/0/contexts/0
 *		targets/I		process I, its memory in stretches
 *		schemes/0		counts every stretch in every period, by which periods are
 *					counted
 *		schemes/I+1		counts the bytes of those of process I that were touched
 *
 * DAMON looks at one page of a stretch in each period, chosen at random, and merges and splits
 * stretches as it sees fit. Here it can do neither: a page is left out between two of them, and
 * there are as many as it may have. So each is a stratum of a stratified sample, and the counts are
 * an unbiased estimate, whatever the pattern of accesses.
 */
#ifndef LODGE_HOST_DAMON_TREE_H
#define LODGE_HOST_DAMON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/damon.h"
#include "host/smaps.h"

struct err;

/* A process's stretches; bytes is their sum. The caller frees stretches. */
struct damon_strata {
	struct host_range *stretches;
	size_t n;
	uint64_t bytes;
};

/* Divides the ranges into about samples stretches, each of at least a page. */
int damon_divide(const struct host_range *ranges, size_t n, unsigned samples,
		 struct damon_strata *ret_strata, struct err **err);

enum damon_owner {
	DAMON_NOBODYS,
	DAMON_OURS, /* this or an earlier process's */
	DAMON_OTHERS,
};

int damon_tree_owner(int root_fd, enum damon_owner *ret_owner, struct err **err);

/* Describes it all and switches it on. strata has an entry a target. What it leaves after an error
 * is DAMON_OURS, or nothing. */
int damon_tree_build(int root_fd, const struct host_damon_target *targets,
		     const struct damon_strata *strata, size_t n, unsigned period_ms,
		     struct err **err);

/* What was counted since it was switched on. Waits for the end of a period. */
int damon_tree_count(int root_fd, size_t n, uint64_t *ret_looks, uint64_t *touched,
		     struct err **err);

/*
 * Switches it off, which takes a moment and ends every damon_tree_count(); and then removes it. In
 * between every damon_tree_count() must have returned: Linux 6.12 removes the directory with its
 * lock held, waits for writes to the files in it, and such a write waits for the lock.
 */
void damon_tree_off(int root_fd);
int damon_tree_remove(int root_fd, struct err **err);

/* Both, for what another process left, one that may have been killed in damon_tree_count(). */
int damon_tree_remove_left(int root_fd, struct err **err);

#endif
