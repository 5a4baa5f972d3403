/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else has changed of promises: see changes.h. */
#include "cmd/changes.h"

#include <stdint.h>
#include <stdio.h>

#include "api/promise_record.h"
#include "api/rundir.h"
#include "cmd/memory_report.h"

static json_t *bytes_to_json(uint64_t bytes)
{
	return bytes == UINT64_MAX ? json_null() : json_integer((json_int_t)bytes);
}

static json_t *change_to_json(const struct ledger_change *change)
{
	char text[LEDGER_CHANGE_TEXT_MAX];

	return json_pack("{s:s, s:o, s:o, s:s}", "file", change->file, "written",
			 bytes_to_json(change->written), "now", bytes_to_json(change->now), "text",
			 ledger_describe_change(change, text));
}

json_t *changes_to_json(const struct ledger_change *changes, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, change_to_json(&changes[i]));
	return array;
}

/* Adds them with whose they are. */
static void add(json_t *array, const char *guest, const struct ledger_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *object = change_to_json(&changes[i]);

		json_object_set_new(object, "guest", guest ? json_string(guest) : json_null());
		json_array_append_new(array, object);
	}
}

json_t *changes_of_host(int root_fd, const struct ledger *ledger)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];
	json_t *array = json_array();
	char **names;
	size_t n_names;
	size_t n;

	if (ledger && ledger_compare_slice(root_fd, ledger, changes, &n, NULL) == 0)
		add(array, NULL, changes, n);
	if (rundir_list(&names, &n_names, NULL) < 0)
		return array;
	for (size_t i = 0; i < n_names; i++)
		/* One that has just gone has no changes. */
		if (promise_record_compare(root_fd, names[i], changes, &n, NULL) == 0)
			add(array, names[i], changes, n);
	rundir_list_free(names, n_names);
	return array;
}

void changes_print(const json_t *changes)
{
	const json_t *change;
	size_t i;

	json_array_foreach (changes, i, change) {
		const char *guest = json_string_value(json_object_get(change, "guest"));

		printf("%-*s%s: %s\n", MEMORY_REPORT_LABEL, "  changed by hand",
		       guest ? guest : LEDGER_SLICE,
		       json_string_value(json_object_get(change, "text")));
	}
}
