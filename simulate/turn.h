/* SPDX-License-Identifier: Apache-2.0 */
/* A turn of whoever governs the modelled host, and what became of it. */
#ifndef LODGE_SIMULATE_TURN_H
#define LODGE_SIMULATE_TURN_H

#include <stddef.h>
#include <stdint.h>

#include "govern/policy.h"

struct err;
struct model;

/* Acts by their means. */
struct turn_acts {
	uint64_t low;	  /* memory.low written */
	uint64_t high;	  /* memory.high written */
	uint64_t inflate; /* balloons asked to hold more */
	uint64_t deflate; /* and less */
	uint64_t reclaim; /* memory.reclaim written */
};

struct turn_result {
	struct turn_acts acts;
	enum policy_state state;
	uint64_t next_ms; /* from now to the next turn */
};

/* What the kernel says of the host, as policies see it. */
struct policy_host turn_host(const struct model *model);

/* lodge's own policy (govern/policy.h), which is given the model as it's given a real host. */
struct turn_lodge;
int turn_lodge_new(size_t n_guests, const struct policy_settings *settings,
		   struct turn_lodge **ret_lodge, struct err **err);
void turn_lodge_free(struct turn_lodge *lodge);
void turn_lodge(struct turn_lodge *lodge, struct model *model, struct turn_result *ret_result);
/* What each guest's target was last; by its index in the model. */
const uint64_t *turn_lodge_targets(const struct turn_lodge *lodge);

#endif
