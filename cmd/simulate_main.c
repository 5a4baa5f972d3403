/* SPDX-License-Identifier: Apache-2.0 */
/* lodge-simulate: what `lodge simulate` runs, a program of its own so that neither the model nor
 * the policy is in every VM process. */
#include <signal.h>
#include <stdio.h>

#include "base/err.h"
#include "cmd/command.h"
#include "cmd/report.h"
#include "cmd/simulate_options.h"
#include "simulate/account.h"
#include "simulate/plot.h"
#include "simulate/run.h"
#include "simulate/scenario.h"

static int print_json(const struct scenario *scenario, const struct run_result *result,
		      struct err **err)
{
	json_t *json = account_to_json(scenario, result);

	if (!json)
		return err_set(err, ERR_NO_SPACE, 0, "no memory for the answer");
	report_json(json);
	json_decref(json);
	return 0;
}

static int tell(const struct simulate_options *options, const struct scenario *scenario,
		const struct run_result *result, struct err **err)
{
	if (options->plot && plot_save(scenario, result, options->plot, err) < 0)
		return err_wrap(err, "--plot");
	if (options->json)
		return print_json(scenario, result, err);
	account_print(scenario, result, stdout);
	return 0;
}

static int simulate(const struct simulate_options *options, struct err **err)
{
	const struct run_options how = {
		.policy = options->mom ? RUN_MOM : RUN_LODGE,
		.tax_percent = options->tax_percent,
	};
	struct scenario scenario;
	struct run_result result;
	int rc = -1;

	if (scenario_load(options->scenario, &scenario, err) < 0)
		return -1;
	if (run_scenario(&scenario, &how, &result, err) == 0) {
		rc = tell(options, &scenario, &result, err);
		run_result_clear(&result);
	}
	scenario_clear(&scenario);
	return rc;
}

int main(int argc, char **argv)
{
	struct simulate_options options;
	struct err *err = NULL;
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (simulate_options_read(&cmd_simulate, argc, argv, &options, &status) < 0)
		return status;
	if (simulate(&options, &err) < 0)
		return report_err(&err);
	return report_flush(0);
}
