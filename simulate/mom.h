/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy that lodge's is compared with: fixed thresholds and steps in percent, as oVirt's
 * Memory Overcommitment Manager has them.
 *
 * Source: MOM's own rules, doc/balloon.rules in github.com/oVirt/mom (commit e0f3d3b7), and its
 * policy-engine-interval of 10 s in doc/mom-balloon.conf. While less than 20 % of the host's memory
 * is free, each guest is shrunk by 5 % of what it has, but not below what it uses and a fifth of
 * what it has, or less of that as the host has less; below 5 %, below what it uses. Otherwise each
 * is grown by 5 %, up to all its memory. No guest is shrunk below its minimum, which is its
 * guarantee here. What would change a guest by less than a quarter of a percent isn't done.
 *
 * MOM averages what it sees over ten samples; here it acts on what is now, which is in its favour.
 * Its rules for KSM (on while less than 20 % is free) change nothing here, as the model has no
 * sharing. It sets no limits of control groups and lets every guest in. Guests here give what their
 * kernels can spare, where with MOM below 5 % they would have to swap for themselves. Pure but for
 * the balloons' targets.
 */
#ifndef LODGE_SIMULATE_MOM_H
#define LODGE_SIMULATE_MOM_H

#include <stdint.h>

struct model;
struct turn_result;

enum { MOM_INTERVAL_MS = 10000 };

/* The size that a guest is to have (its memory less its balloon); bytes. free and total are of the
 * host. */
struct mom_guest {
	uint64_t memory; /* all that it may have */
	uint64_t size;	 /* that it has now */
	uint64_t unused; /* of that, free in its kernel */
	uint64_t least;	 /* its minimum */
};
uint64_t mom_size(const struct mom_guest *guest, uint64_t free, uint64_t total);

void mom_turn(struct model *model, struct turn_result *ret_result);

#endif
