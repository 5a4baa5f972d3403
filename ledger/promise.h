/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of promises (docs/promises.md): what a guest is promised, what a host can promise,
 * and whether the one fits beside what was promised before. Pure.
 *
 * A guest of memory M, with a guarantee g, a limit l on its RAM and an overhead o, needs o + g of
 * RAM that is its own, and M + o of RAM and swap together if it ever touches all its memory. A host
 * that has C of RAM for guests and S of swap keeps every promise if
 *
 *	sum(g + o) + slack <= C		each guest has its guarantee in RAM
 *	sum(M + o) <= C + S		every page of every guest finds a place
 *	sum(M - l) <= S			what may not be in RAM finds one in swap
 *
 * Page sharing, balloons and compression aren't counted: they come and go as guests please.
 *
 * All sizes are bytes.
 */
#ifndef LODGE_LEDGER_PROMISE_H
#define LODGE_LEDGER_PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* As the kernel has them for cpu.weight and io.weight. */
enum { PROMISE_WEIGHT_MIN = 1, PROMISE_WEIGHT_DEFAULT = 100, PROMISE_WEIGHT_MAX = 10000 };

/* What one guest asks for, or has been promised. */
struct promise {
	uint64_t memory;    /* that it sees and the kernel may have to find a place for */
	uint64_t limit;	    /* of memory, what may be in RAM at once; memory: all of it */
	uint64_t guarantee; /* of memory, what may always be in RAM */
	uint64_t overhead;  /* that it costs beside its memory (promise_overhead()) */
	bool best_effort;   /* promised nothing */
};

/* What guests have been promised, added up; those of best effort are in n_best_effort alone. */
struct promise_sum {
	size_t n;
	size_t n_best_effort;
	uint64_t guaranteed; /* guarantees and overheads */
	uint64_t worst;	     /* memory and overheads */
	uint64_t beyond;     /* memory beyond limits */
	uint64_t protection; /* what the kernel protects: memory.min of the guests' groups */
};

/* What the groups that guests are in leave them of the host's, where lodge.slice isn't at the root
 * of all groups or has a limit of its own. Each is UINT64_MAX if nothing bounds it. */
struct promise_bound {
	bool there;	     /* there is any bound; if not, the others count for nothing */
	uint64_t ram;	     /* their limits, less what others in them have in use */
	uint64_t swap;	     /* the same of swap */
	uint64_t protection; /* memory.min that they can hand on to guests */
};

/* What a host has to promise with. */
struct promise_capital {
	uint64_t ram;	     /* that the kernel manages, without huge pages set aside */
	uint64_t limit;	     /* that guests may have together; UINT64_MAX: no limit */
	uint64_t others;     /* of ram, what others than guests have in use */
	uint64_t swap;	     /* on disks */
	uint64_t swap_other; /* of swap, what others than guests have in use */
	struct promise_bound bound;
};

/* RAM and swap for guests. */
uint64_t promise_ram(const struct promise_capital *capital);
uint64_t promise_swap(const struct promise_capital *capital);
/* What the kernel can protect of guests' memory; UINT64_MAX: no group above has less of it. */
uint64_t promise_protection(const struct promise_capital *capital);
/* What guarantees leave of so much RAM, so that guests can move their other pages through it. */
uint64_t promise_slack(uint64_t ram);

/* What the host keeps for itself unless it's told otherwise. */
uint64_t promise_reserve(uint64_t ram);

/* What a guest costs beside its memory when all of that is in use: the VM process, page tables,
 * what KVM keeps; for one that KSM merges, what KSM keeps. Measured: docs/promises.md. */
uint64_t promise_overhead(unsigned cpus, uint64_t memory, bool merge);

void promise_add(struct promise_sum *sum, const struct promise *promise);

/* ERR_REFUSED, with the sum that shows why and what would do, if the promise can't be kept beside
 * those that sum has. instead_of is what the same guest was promised before, which sum hasn't, or
 * NULL: less of something that the host lacks anyway is never refused. */
int promise_check(const struct promise_capital *capital, const struct promise_sum *sum,
		  const struct promise *promise, const struct promise *instead_of,
		  struct err **err);

/* The same for the protection that the groups above guests have for them, which a guarantee needs.
 * A guest without one gets of it what is left (promise_protect()), and so isn't refused. remedy is
 * the end of the message: what gives the protection that is lacking. */
int promise_check_protection(const struct promise_capital *capital, const struct promise_sum *sum,
			     const struct promise *promise, const struct promise *instead_of,
			     const char *remedy, struct err **err);

/* What the kernel is to protect of a guest's memory beside the others', its memory.min. */
uint64_t promise_protect(const struct promise_capital *capital, const struct promise_sum *sum,
			 const struct promise *promise);

/* How many more guests with such a promise fit. SIZE_MAX for one of best effort. */
size_t promise_fits(const struct promise_capital *capital, const struct promise_sum *sum,
		    const struct promise *promise);

/* By how much what has been promised is more than the host has, as after swap was taken away; all
 * 0 if every promise is kept. */
struct promise_lack {
	uint64_t ram;	     /* for guarantees */
	uint64_t total;	     /* RAM or swap, for all memory */
	uint64_t swap;	     /* for what limits keep out of RAM */
	uint64_t protection; /* of the groups above, for guarantees */
};
struct promise_lack promise_lack(const struct promise_capital *capital,
				 const struct promise_sum *sum);

#endif
