/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `lodge top`: see top_options.h. */
#include "cmd/top_options.h"

#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/suggest.h"
#include "cmd/top_view.h"

const struct command_option top_option_table[] = {
	{ "once", '1', NULL, "print it once, as plain text" },
	{ "json", 'j', NULL, "print it once, as JSON for programs" },
	{ "sort", 's', "KEY", "by what: see below (name)" },
	{ "reverse", 'r', NULL, "the other way around" },
	{ "interval", 'i', "SECONDS", "how often to look, or over which time with --once (2)" },
	{ 0 },
};

static int read_sort(const char *text, enum top_key *ret_key, struct err **err)
{
	const char *best = NULL;

	if (top_key_find(text, ret_key))
		return 0;
	for (int key = 0; key < TOP_KEYS; key++)
		suggest_offer(text, top_key_word((enum top_key)key), &best);
	if (best)
		return err_set(err, ERR_USAGE, 0, "--sort: no figure \"%s\" (did you mean %s?)",
			       text, best);
	return err_set(err, ERR_USAGE, 0, "--sort: no figure \"%s\"", text);
}

/* "2", "0.5": seconds with at most three digits behind the point. */
static int read_interval(const char *text, unsigned *ret_ms, struct err **err)
{
	const char *p = text;
	uint64_t ms = 0;
	unsigned scale = 1000;

	for (; *p >= '0' && *p <= '9' && ms <= TOP_INTERVAL_MAX; p++)
		ms = ms * 10 + (uint64_t)(*p - '0') * 1000;
	if (p > text && *p == '.')
		for (p++; *p >= '0' && *p <= '9' && scale > 1; p++)
			ms += (uint64_t)(*p - '0') * (scale /= 10);
	if (p == text || (*p && ms <= TOP_INTERVAL_MAX))
		return err_set(err, ERR_USAGE, 0,
			       "--interval: \"%s\" is no number of seconds, such as 2 or 0.5",
			       text);
	if (ms < TOP_INTERVAL_MIN || ms > TOP_INTERVAL_MAX)
		return err_set(err, ERR_USAGE, 0, "--interval: %s isn't from 0.1 to 3600 seconds",
			       text);
	*ret_ms = (unsigned)ms;
	return 0;
}

int top_options_read(const struct command *command, int argc, char **argv,
		     struct top_options *ret_options, int *ret_status)
{
	struct top_options o = { .sort = TOP_NAME };
	const char *value;
	int c;

	while ((c = options_next(command, argc, argv, &value, ret_status)) >= 0) {
		struct err *err = NULL;

		o.once |= c == '1' || c == 'j';
		o.json |= c == 'j';
		o.reverse |= c == 'r';
		if ((c == 's' && read_sort(value, &o.sort, &err) < 0) ||
		    (c == 'i' && read_interval(value, &o.interval_ms, &err) < 0)) {
			*ret_status = report_err(&err);
			return -1;
		}
	}
	if (c == OPTIONS_EXIT || options_operands(command, argc, 0, 0, NULL, ret_status) < 0)
		return -1;
	*ret_options = o;
	return 0;
}
