/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a verb that says something of each of its guests: see show_guests.h. */
#include "cmd/show_guests.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/options.h"
#include "cmd/report.h"

/* Those that went away meanwhile, or are just starting, are no failure if they weren't named. */
static bool passes_over(const struct guest_names *names, const struct err *err)
{
	return names->listed && (err_code(err) == ERR_NOT_FOUND || err_code(err) == ERR_STATE);
}

static int show_guests(const struct guest_names *names, show_guest_fn fn, struct showing *showing)
{
	int status = 0;

	for (size_t i = 0; i < names->n; i++) {
		struct err *err = NULL;

		if (fn(names->names[i], showing, &err) == 0)
			continue;
		if (passes_over(names, err)) {
			err_free(err);
			continue;
		}

		int failure = report_err(&err);

		status = status ? status : failure;
	}
	return status;
}

static int show_all(const struct guest_names *names, bool json, show_guest_fn fn, void *opaque)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct showing showing = { .opaque = opaque, .list = json ? json_array() : NULL };

	memory_host_find(root_fd, &showing.host);

	int status = show_guests(names, fn, &showing);

	/* A guest that was asked for by its name alone isn't in a list. */
	if (json && !names->listed && names->n == 1) {
		if (showing.n == 1)
			report_json(json_array_get(showing.list, 0));
	} else if (json) {
		report_json(showing.list);
	}
	json_decref(showing.list);
	return status;
}

const struct command_option show_guests_options[] = {
	{ "json", 'j', NULL, "as JSON, for programs" },
	{ "all", 'a', NULL, "every guest" },
	{ 0 },
};

int show_guests_main(const struct command *command, int argc, char **argv, show_guest_fn fn,
		     void *opaque)
{
	struct guest_names names;
	struct err *err = NULL;
	bool json = false;
	bool all = false;
	const char *value;
	int status;
	int c;

	while ((c = options_next(command, argc, argv, &value, &status)) >= 0) {
		json |= c == 'j';
		all |= c == 'a';
	}
	if (c == OPTIONS_EXIT || options_operands(command, argc, all ? 0 : 1, all ? 0 : SIZE_MAX,
						  "the name of a guest, or --all", &status) < 0)
		return status;
	if (guest_names_get(&names, all, argc, argv, &err) < 0)
		return report_err(&err);
	status = show_all(&names, json, fn, opaque);
	guest_names_clear(&names);
	return report_flush(status);
}
