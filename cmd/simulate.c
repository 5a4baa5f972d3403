/* SPDX-License-Identifier: Apache-2.0 */
/* lodge simulate: the governor's policy on a modelled host. The program lodge-simulate does it. */
#include "base/err.h"
#include "cmd/command.h"
#include "cmd/neighbour.h"
#include "cmd/report.h"
#include "cmd/simulate_options.h"

static int run_simulate(int argc, char **argv)
{
	struct simulate_options options;
	struct err *err = NULL;
	int status;

	if (simulate_options_read(&cmd_simulate, argc, argv, &options, &status) < 0)
		return status;
	/* lodge-simulate takes the same options. */
	argv[0] = (char[]){ SIMULATE_PROGRAM };
	neighbour_exec(SIMULATE_PROGRAM, argv, "", "", &err);
	return report_err(&err);
}

const struct command cmd_simulate = {
	.name = "simulate",
	.operands = "[--json] [--plot FILE] [--policy NAME] [--tax PERCENT] SCENARIO",
	.summary = "Tries the governor's policy on a modelled host with modelled guests",
	.details =
	    "SCENARIO is a JSON file; some are installed in /usr/share/lodge/scenarios. The same\n"
	    "scenario and options always give the same output. Every promise that was broken is\n"
	    "told, and apart from that, those that the scenario made impossible to keep.\n",
	.options = simulate_option_table,
	.run = run_simulate,
};
