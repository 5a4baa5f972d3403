/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decide: who has how much of the host's RAM beyond guarantees, and by what means it gets there
 * (docs/governor.md).
 *
 * Guarantees are the kernel's to hold (ledger/ledger.h), and nothing here can break one: a plan
 * never takes a guest below its floor. What is decided is the rest.
 *
 * Targets. Each guest's target is its part of the capacity by weight and use (share.h), between its
 * floor and what it has a use for. A guest that waits for memory isn't idle, and pays no tax. What
 * is in use of a target, and the untaxed part of the rest, is written as memory.low, so that the
 * kernel itself takes the right pages first, also when nobody decides anything.
 *
 * The host's state follows from its margin: what guests could take before the kernel has to
 * reclaim, against a wanted margin that scales with the size of RAM (policy_wanted_margin()).
 *
 *	high	all that is wanted	nothing is taken; balloons are let go of
 *	soft	less			balloons take what guests' kernels can spare
 *	hard	less than a half	what is above targets is reclaimed
 *	low	less than a fifth	and growth is braked for some seconds
 *
 * A state is left for a better one only a quarter above its threshold.
 *
 * What keeps it steady: memory.low changes only by more than a POLICY_HYSTERESIS of it; what is a
 * little too much counts only as far as it's idle; a guest loses at most a POLICY_STEP of what it
 * has, or 4 MiB, in one turn. Who hurts for memory while it is above its target is taken half as
 * much from each turn that it goes on hurting, down to nothing, and so is who takes back from swap
 * what was taken; only for somebody who hurts and has less of its own target, who hurts still gives
 * its part of what that one lacks. A balloon that hurt isn't used for a minute.
 *
 * All functions are pure: the same view, settings and memory give the same plan, here and in the
 * simulator.
 */
#ifndef LODGE_GOVERN_POLICY_H
#define LODGE_GOVERN_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What isn't known (HOST_UNKNOWN of host/fields.h), and no limit. */
#define POLICY_UNKNOWN UINT64_MAX
#define POLICY_NOBODY  SIZE_MAX

enum {
	POLICY_TAX_DEFAULT = 75, /* percent */
	POLICY_HYSTERESIS = 32,	 /* a 32nd */
	POLICY_STEP = 16,	 /* a 16th */
	POLICY_FAST_MS = 1000,	 /* from turn to turn while there is something to do */
	POLICY_REST_MS = 60000,	 /* after a balloon hurt, or a brake */
	POLICY_BRAKE_MS = 10000, /* that a guest is throttled at most */
};

struct policy_settings {
	unsigned tax_percent; /* of idle memory, 0 to SHARE_TAX_MAX */
	unsigned interval_ms; /* from turn to turn when there's nothing to do */
};

/* A guest as it is now; bytes. */
struct policy_guest {
	uint64_t floor;		/* its guarantee and overhead; 0 for one of best effort */
	uint64_t ceiling;	/* its limit and overhead */
	uint64_t resident;	/* charged to it in RAM */
	uint64_t swapped;	/* swapped out, compressed or not */
	uint64_t active;	/* of resident, what it touched lately; POLICY_UNKNOWN */
	uint64_t spare;		/* of resident, policy_spare(); POLICY_UNKNOWN */
	uint64_t balloon;	/* what that was asked to hold */
	uint64_t refaulted;	/* came back from swap since the turn before */
	uint64_t low;		/* memory.low as it is */
	uint64_t high;		/* memory.high as it is; POLICY_UNKNOWN: no limit */
	unsigned pain_permille; /* of the time since then in which it waited for memory */
	unsigned weight;
	bool best_effort;
	bool has_balloon; /* one that may be used here, with a driver */
};

/* What a guest that has so much memory, of which so much is available by its own word, could spare.
 *
 * A balloon gets a guest's free memory first, and then its caches. Free memory that the guest never
 * touched, or has reported, isn't the host's to gain: it would first have to be found for the
 * balloon. So a guest that has much of it has nothing to spare. */
uint64_t policy_spare(const struct policy_guest *guest, uint64_t memory, uint64_t available);

struct policy_host {
	uint64_t now_ms;    /* any clock that doesn't jump */
	uint64_t capacity;  /* RAM that guests may have together */
	uint64_t used;	    /* that they have, without what the kernel can drop */
	uint64_t available; /* that the host could give without swapping */
};

enum policy_state { POLICY_HIGH, POLICY_SOFT, POLICY_HARD, POLICY_LOW };

/* "high" and so on. */
const char *policy_state_name(enum policy_state state);
/* What is wanted of margin on a host with so much RAM for guests: 6 % of its first 4 GiB, 4 % of
 * the next 8, 2 % of the next 16 and 1 % of the rest. */
uint64_t policy_wanted_margin(uint64_t capacity);
/* What there is of it. */
uint64_t policy_margin(const struct policy_host *host);

/* What is remembered of a guest from turn to turn; all zeros at first. */
struct policy_guest_memory {
	unsigned backoff;	 /* takings are halved so often */
	uint64_t balloon;	 /* what its balloon was last asked to hold here */
	uint64_t balloon_before; /* and what it was to hold then: asking may have failed */
	/* Of late: what was reclaimed from it, and what came back from swap; bytes. */
	uint64_t taken;
	uint64_t returned;
	uint64_t gave_back_ms; /* when its balloon was last let go of because it hurt; 0: never */
	uint64_t throttled_ms; /* when it was last throttled; 0: never */
};

/* Of the host; all zeros at first. */
struct policy_memory {
	enum policy_state state;
	uint64_t time_ms; /* of the turn before */
};

/* Why a guest's memory changes (govern/decisions.h puts it into words). */
enum policy_reason {
	POLICY_STAYS,
	POLICY_TAKES_BALLOON,  /* its kernel can spare it */
	POLICY_TAKES_RECLAIM,  /* it has more than its part */
	POLICY_TAKES_THROTTLE, /* the same, and the host has hardly any margin */
	POLICY_GIVES_BALLOON,  /* it needs it, or nobody else does */
	POLICY_GIVES_THROTTLE, /* it's throttled no more */
	POLICY_REASONS,
};

/* What is to be done to a guest; bytes. */
struct policy_act {
	uint64_t target;  /* its part */
	uint64_t untaxed; /* what that would be without a tax */
	uint64_t low;	  /* memory.low, if write_low */
	uint64_t high;	  /* memory.high, if write_high; POLICY_UNKNOWN: no limit */
	uint64_t balloon; /* what the balloon is to hold, if write_balloon */
	uint64_t reclaim; /* to be asked of the kernel, 0: nothing */

	/* What is told of it. */
	uint64_t bytes; /* how much it is about */
	size_t whom;	/* who is to have it; POLICY_NOBODY: the host's margin */
	enum policy_reason reason;

	bool hurts; /* it waits for memory, or takes back what was swapped */
	bool write_low;
	bool write_high;
	bool write_balloon;
};

struct policy_plan {
	enum policy_state state;
	uint64_t margin;  /* bytes */
	uint64_t wanted;  /* bytes of margin */
	unsigned next_ms; /* when to look again */
};

/* acts and memories have n entries, as guests; memories and memory are moved on to the next turn.
 * work is room for n claims, so that nothing is allocated here. */
struct share_claim;
void policy_decide(const struct policy_settings *settings, const struct policy_host *host,
		   const struct policy_guest *guests, size_t n, struct policy_memory *memory,
		   struct policy_guest_memory *memories, struct share_claim *work,
		   struct policy_act *acts, struct policy_plan *ret_plan);

#endif
