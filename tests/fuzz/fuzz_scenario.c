/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios from anybody: whatever the file says is read whole or refused with a reason, and what
 * was read is within the limits that the model's sums rely on.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "simulate/model.h"
#include "simulate/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Steps are made of small scenarios only: the fuzzer is to see many. */
enum { GUESTS = 8, STEPS = 4 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_group(const struct scenario_group *g)
{
	uint64_t memory = g->promise.memory;

	require(memory <= SCENARIO_SIZE_MAX && g->promise.limit <= memory);
	require(g->promise.guarantee <= g->promise.limit && g->touched <= memory);
	for (uint64_t now = 0; now < 4000000; now += 999983) {
		struct scenario_use use = scenario_use(g, 0, now);

		require(use.working_set <= memory && use.until_ms > now);
	}
}

static void try_model(const struct scenario *scenario)
{
	struct model *model = NULL;

	require(model_new(scenario, &model, NULL) == 0);
	for (size_t i = 0; i < model->n; i++)
		model_start(model, i, true);
	for (int i = 0; i < STEPS; i++)
		model_step(model, scenario->step_ms);
	model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_err_ struct err *err = NULL;
	struct scenario scenario;
	uint64_t guests = 0;

	if (scenario_parse((const char *)data, len, &scenario, &err) < 0) {
		require(err && err_code(err) == ERR_USAGE);
		return 0;
	}
	for (size_t i = 0; i < scenario.n_groups; i++) {
		check_group(&scenario.groups[i]);
		guests += scenario.groups[i].count;
	}
	require(guests > 0 && guests <= SCENARIO_GUESTS_MAX);
	if (guests <= GUESTS)
		try_model(&scenario);
	scenario_clear(&scenario);
	return 0;
}
