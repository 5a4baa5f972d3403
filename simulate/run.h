/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario from its beginning to its end: the model moves on step by step, and whoever governs
 * has its turns when it asked for them, and at once when guests wait for memory, as the kernel's
 * pressure triggers would have it. The same scenario and options give the same, to the byte.
 */
#ifndef LODGE_SIMULATE_RUN_H
#define LODGE_SIMULATE_RUN_H

#include "simulate/figures.h"
#include "simulate/kept.h"
#include "simulate/model.h"
#include "simulate/scenario.h"

struct err;

enum run_policy { RUN_LODGE, RUN_MOM };

struct run_options {
	enum run_policy policy;
	unsigned tax_percent; /* of lodge's policy, 0 to SHARE_TAX_MAX */
};

struct run_result {
	struct run_options options;
	struct model *model; /* as it is at the end */
	struct kept *kept;
	struct figures *figures;
};

/* The scenario must outlive the result, which the caller clears. */
int run_scenario(const struct scenario *scenario, const struct run_options *options,
		 struct run_result *ret_result, struct err **err);
void run_result_clear(struct run_result *result);

/* Promises that were broken though the host could have kept them. */
uint64_t run_breaches(const struct run_result *result);

#endif
