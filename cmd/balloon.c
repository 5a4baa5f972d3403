/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge balloon: what guests have in their balloons, and what their drivers say.
 *
 * Statistics are asked for anew. A guest that doesn't send them in time (its driver can't, it's
 * paused, it's busy) is shown with the last that it sent, and how old they are.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "api/client.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/options.h"
#include "cmd/report.h"

enum {
	STATS_MS = 1000,  /* for a guest to send its statistics */
	HINTS_MS = 90000, /* for a guest to go through all its free pages, which it may clear */
};

/* What is known of a guest's balloon; the statistics are new if they can be had. */
static int ask_balloon(const char *name, json_t **ret_balloon, struct err **err)
{
	if (client_call(name, json_pack("{s:s}", "verb", "stats"), STATS_MS, ret_balloon, NULL) ==
	    0)
		return 0;
	return guest_call(name, "balloon", ret_balloon, err);
}

static int ask_hints(const char *name, json_t **ret_balloon, struct err **err)
{
	return client_call(name, json_pack("{s:s}", "verb", "hints"), HINTS_MS, ret_balloon, err);
}

static const char *size_of(const json_t *object, const char *member, char text[SIZE_TEXT_MAX])
{
	const json_t *value = json_object_get(object, member);

	return json_is_integer(value) ? size_format((uint64_t)json_integer_value(value), text)
				      : "-";
}

static void print_words(const json_t *words)
{
	const json_t *word;
	size_t i;

	json_array_foreach (words, i, word) {
		printf("%s", i ? "," : "");
		report_text(json_string_value(word) ? json_string_value(word) : "?");
	}
	if (json_array_size(words) == 0)
		putchar('-');
}

static void print_age(const json_t *age)
{
	if (json_is_integer(age))
		printf(" %7.1fs ", (double)json_integer_value(age) / 1000);
	else
		printf(" %8s ", "-");
}

static void print_header(void)
{
	printf("%-20s %8s %8s %-7s %8s %8s %9s %8s %s\n", "NAME", "TARGET", "ACTUAL", "DRIVER",
	       "REPORTED", "FREE", "AVAILABLE", "AGE", "FEATURES");
}

static void print_row(const char *name, const json_t *balloon)
{
	const json_t *stats = json_object_get(balloon, "stats");
	bool present = json_is_true(json_object_get(balloon, "present"));
	bool driver = json_is_true(json_object_get(balloon, "driver"));
	char sizes[5][SIZE_TEXT_MAX];

	printf("%-20s %8s %8s %-7s %8s %8s %9s", name, size_of(balloon, "target", sizes[0]),
	       size_of(balloon, "actual", sizes[1]),
	       driver	 ? "yes"
	       : present ? "no"
			 : "no dev",
	       size_of(balloon, "reported", sizes[2]), size_of(stats, "free", sizes[3]),
	       size_of(stats, "available", sizes[4]));
	print_age(json_object_get(balloon, "stats_age_ms"));
	print_words(json_object_get(balloon, "negotiated"));
	putchar('\n');
}

static void print_hints(const char *name, const json_t *balloon)
{
	char hinted[SIZE_TEXT_MAX];

	printf("%-20s %8s\n", name, size_of(balloon, "hinted", hinted));
}

/* What is asked and how it's shown. */
struct view {
	bool hints;
	json_t *list; /* NULL: as a table */
};

static int show_guest(const struct view *view, const char *name, struct err **err)
{
	json_t *balloon;

	if ((view->hints ? ask_hints(name, &balloon, err) : ask_balloon(name, &balloon, err)) < 0)
		return -1;
	if (view->list)
		json_array_append_new(view->list,
				      json_pack("{s:s, s:O}", "name", name, "balloon", balloon));
	else if (view->hints)
		print_hints(name, balloon);
	else
		print_row(name, balloon);
	json_decref(balloon);
	return 0;
}

static int show_all(const struct view *view, const struct guest_names *names)
{
	int status = 0;

	if (!view->list && view->hints)
		printf("%-20s %8s\n", "NAME", "HINTED");
	else if (!view->list)
		print_header();
	for (size_t i = 0; i < names->n; i++) {
		struct err *err = NULL;

		if (show_guest(view, names->names[i], &err) == 0)
			continue;

		/* One that is listed may just have ended. */
		if (names->listed && err_code(err) == ERR_NOT_FOUND) {
			err_free(err);
			continue;
		}

		int failure = report_err(&err);

		status = status ? status : failure;
	}
	if (view->list)
		report_json(view->list);
	return report_flush(status);
}

static const struct command_option options[] = {
	{ "json", 'j', NULL, "as JSON, for programs" },
	{ "hints", 'H', NULL, "ask the guests which pages are free now, and show how much" },
	{ 0 },
};

static int run_balloon(int argc, char **argv)
{
	struct view view = { 0 };
	struct guest_names names;
	struct err *err = NULL;
	const char *value;
	bool json = false;
	int status;
	int c;

	while ((c = options_next(&cmd_balloon, argc, argv, &value, &status)) >= 0) {
		json |= c == 'j';
		view.hints |= c == 'H';
	}
	if (c == OPTIONS_EXIT)
		return status;
	if (view.hints && optind == argc)
		return report_usage(&cmd_balloon, "--hints needs the name of a guest");
	if (guest_names_get(&names, optind == argc, argc, argv, &err) < 0)
		return report_err(&err);
	view.list = json ? json_array() : NULL;
	status = show_all(&view, &names);
	json_decref(view.list);
	guest_names_clear(&names);
	return status;
}

const struct command cmd_balloon = {
	.name = "balloon",
	.operands = "[--json] [--hints] [NAME...]",
	.summary = "Shows what guests have in their balloons",
	.details = "Without names, of every guest. lodge set NAME balloon=SIZE changes it.\n",
	.options = options,
	.run = run_balloon,
};
