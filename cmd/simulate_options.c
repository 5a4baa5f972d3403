/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `lodge simulate`: see simulate_options.h. */
#include "cmd/simulate_options.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "govern/policy.h"
#include "govern/share.h"

const struct command_option simulate_option_table[] = {
	{ "json", 'j', NULL, "as JSON, for programs" },
	{ "plot", 'p', "FILE", "draw it, as SVG" },
	{ "policy", 'P', "NAME", "who governs: lodge, or mom to compare with (lodge)" },
	{ "tax", 't', "PERCENT", "what lodge takes of idle memory, 0 to 99 (75)" },
	{ 0 },
};

static int read_policy(const char *text, bool *ret_mom, struct err **err)
{
	if (strcmp(text, "lodge") != 0 && strcmp(text, "mom") != 0)
		return err_set(err, ERR_USAGE, 0, "--policy: \"%s\" is neither lodge nor mom",
			       text);
	*ret_mom = strcmp(text, "mom") == 0;
	return 0;
}

static int read_option(int c, const char *value, struct simulate_options *o, struct err **err)
{
	switch (c) {
	case 'j':
		o->json = true;
		return 0;
	case 'p':
		o->plot = value;
		return 0;
	case 'P':
		return read_policy(value, &o->mom, err);
	default:
		return options_number("tax", value, SHARE_TAX_MAX, &o->tax_percent, err);
	}
}

int simulate_options_read(const struct command *command, int argc, char **argv,
			  struct simulate_options *ret_options, int *ret_status)
{
	struct simulate_options o = { .tax_percent = POLICY_TAX_DEFAULT };
	const char *value;
	int c;

	while ((c = options_next(command, argc, argv, &value, ret_status)) >= 0) {
		struct err *err = NULL;

		if (read_option(c, value, &o, &err) < 0) {
			*ret_status = report_err(&err);
			return -1;
		}
	}
	if (c == OPTIONS_EXIT || options_operands(command, argc, 1, 1, "scenario", ret_status) < 0)
		return -1;
	o.scenario = argv[optind];
	*ret_options = o;
	return 0;
}
