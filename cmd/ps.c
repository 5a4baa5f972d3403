/* SPDX-License-Identifier: Apache-2.0 */
/* lodge ps: the guests that are there. */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/uptime.h"

/* What a guest says of itself; NULL if it has just gone. One that doesn't answer is listed too:
 * that's when its user needs to see it. */
static json_t *ask_status(const char *name)
{
	_cleanup_err_ struct err *err = NULL;
	json_t *status;

	if (guest_call(name, "status", &status, &err) == 0)
		return status;
	if (err_code(err) == ERR_NOT_FOUND)
		return NULL;
	return json_pack("{s:s, s:s}", "name", name, "state",
			 err_code(err) == ERR_STATE ? "starting" : "unresponsive");
}

static void print_row(const json_t *status)
{
	const char *state = json_string_value(json_object_get(status, "state"));
	const char *kernel = json_string_value(json_object_get(status, "kernel"));
	char memory[SIZE_TEXT_MAX];
	char uptime[UPTIME_TEXT_MAX];

	printf("%-20s %-12s ", json_string_value(json_object_get(status, "name")),
	       state ? state : "?");
	if (!kernel) {
		puts("      -    -        -          - -");
		return;
	}
	size_format((uint64_t)json_integer_value(json_object_get(status, "memory")), memory);
	uptime_format((uint64_t)json_integer_value(json_object_get(status, "uptime_ms")), uptime);
	printf("%7" JSON_INTEGER_FORMAT " %4" JSON_INTEGER_FORMAT " %8s %10s ",
	       json_integer_value(json_object_get(status, "pid")),
	       json_integer_value(json_object_get(status, "cpus")), memory, uptime);
	report_text(kernel);
	putchar('\n');
}

static void print_list(char **names, size_t n, bool json)
{
	json_t *list = json ? json_array() : NULL;

	if (!json)
		printf("%-20s %-12s %7s %4s %8s %10s %s\n", "NAME", "STATE", "PID", "CPUS",
		       "MEMORY", "UPTIME", "KERNEL");
	for (size_t i = 0; i < n; i++) {
		json_t *status = ask_status(names[i]);

		if (status && json)
			json_array_append(list, status);
		else if (status)
			print_row(status);
		json_decref(status);
	}
	if (json)
		report_json(list);
	json_decref(list);
}

static const struct command_option options[] = {
	{ "json", 'j', NULL, "as JSON, for programs" },
	{ 0 },
};

static int run_ps(int argc, char **argv)
{
	struct err *err = NULL;
	bool json = false;
	char **names;
	size_t n;
	int status;

	if (options_only_json(&cmd_ps, argc, argv, &json, &status) == OPTIONS_EXIT ||
	    options_operands(&cmd_ps, argc, 0, 0, NULL, &status) < 0)
		return status;
	if (rundir_list(&names, &n, &err) < 0)
		return report_err(&err);
	print_list(names, n, json);
	rundir_list_free(names, n);
	return report_flush(0);
}

const struct command cmd_ps = {
	.name = "ps",
	.operands = "[--json]",
	.summary = "Lists the guests",
	.options = options,
	.run = run_ps,
};
