/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge show: everything about guests. What a guest is comes from its VM process, where its memory
 * is mostly from the host's kernel (memory_view.h).
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "api/promise_record.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/changes.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/guest_promise.h"
#include "cmd/memory_report.h"
#include "cmd/memory_view.h"
#include "cmd/report.h"
#include "cmd/show_guests.h"
#include "cmd/uptime.h"

static void print_label(const char *label)
{
	printf("%-*s", MEMORY_REPORT_LABEL, label);
}

static void print_row(const char *label, const char *text)
{
	if (!text)
		return;
	print_label(label);
	report_text(text);
	putchar('\n');
}

/* Any scalar, for the members that only need to be shown. */
static void print_value(const char *label, const json_t *value)
{
	print_label(label);
	if (json_is_string(value))
		report_text(json_string_value(value));
	else if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		printf("%s", json_is_true(value) ? "yes" : "no");
	putchar('\n');
}

/* The scalar members of one object, each as "PREFIX NAME". */
static void print_members(const char *prefix, json_t *object)
{
	const char *name;
	json_t *value;
	char label[64];
	char size[SIZE_TEXT_MAX];

	json_object_foreach (object, name, value) {
		if (json_is_object(value) || json_is_array(value) || json_is_null(value))
			continue;
		snprintf(label, sizeof(label), "%s %s", prefix, name);
		if (strcmp(name, "memory_min") == 0)
			print_row(label, size_format((uint64_t)json_integer_value(value), size));
		else
			print_value(label, value);
	}
}

static uint64_t bytes_of(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void print_guest(json_t *show)
{
	json_t *config = json_object_get(show, "config");
	char memory[SIZE_TEXT_MAX];
	char uptime[UPTIME_TEXT_MAX];

	print_row("name", json_string_value(json_object_get(show, "name")));
	print_row("state", json_string_value(json_object_get(show, "state")));
	print_value("pid", json_object_get(show, "pid"));
	print_row("uptime", uptime_format(bytes_of(show, "uptime_ms"), uptime));
	print_value("cpus", json_object_get(show, "cpus"));
	print_row("memory", size_format(bytes_of(show, "memory"), memory));
	print_row("kernel", json_string_value(json_object_get(show, "kernel")));
	print_row("initrd", json_string_value(json_object_get(config, "initrd")));
	print_row("append", json_string_value(json_object_get(config, "append")));
	print_row("on reset", json_string_value(json_object_get(config, "on_reset")));
	print_members("boot", json_object_get(show, "boot"));
	print_members("exits", json_object_get(show, "exits"));
	print_value("resets", json_object_get(show, "resets"));
}

/* What somebody else has changed of a guest's promise. */
struct changes {
	struct ledger_change list[LEDGER_CHANGES_MAX];
	size_t n;
};

static json_t *promise_to_json(const struct guest_promise *g, const struct changes *changes)
{
	const struct promise *p = &g->promise;

	const struct ledger_shares *s = &g->shares;
	json_t *object = json_pack("{s:I, s:I, s:I, s:i, s:b}", "guarantee",
				   (json_int_t)p->guarantee, "memory_limit", (json_int_t)p->limit,
				   "overhead", (json_int_t)p->overhead, "weight", (int)s->weight,
				   "best_effort", p->best_effort);

	json_object_set_new(object, "cpu_limit",
			    s->cpu_limit > 0 ? json_integer(s->cpu_limit) : json_null());
	json_object_set_new(object, "zswap_limit",
			    s->zswap_limited ? json_integer((json_int_t)s->zswap_limit)
					     : json_null());
	json_object_set_new(object, "changed_by_hand", changes_to_json(changes->list, changes->n));
	return object;
}

/* Limits that there are. */
static void print_shares(const struct ledger_shares *s)
{
	char text[SHARES_TEXT_MAX];

	if (s->weight > 0) {
		print_label("weight");
		printf("%u\n", s->weight);
	}
	if (s->cpu_limit > 0)
		print_row("cpu limit", shares_format_cpu_limit(s->cpu_limit, text));
	if (s->zswap_limited)
		print_row("zswap limit", shares_format_zswap_limit(true, s->zswap_limit, text));
}

static void print_promise(const struct guest_promise *g, const struct changes *changes)
{
	const struct promise *p = &g->promise;
	char text[SIZE_TEXT_MAX];

	if (p->best_effort) {
		print_row("promised", "nothing (best effort)");
	} else if (p->memory == 0) {
		print_row("guarantee", "all of it: huge pages are set aside");
	} else {
		print_row("guarantee", size_format(p->guarantee, text));
		print_row("memory limit", size_format(p->limit, text));
	}
	print_row("overhead", size_format(p->overhead, text));
	print_shares(&g->shares);
	for (size_t i = 0; i < changes->n; i++) {
		char change[LEDGER_CHANGE_TEXT_MAX];

		print_row("changed by hand", ledger_describe_change(&changes->list[i], change));
	}
}

static int show_guest(const char *name, struct showing *showing, struct err **err)
{
	_cleanup_err_ struct err *why = NULL;
	_cleanup_(memory_view_clear) struct memory_view view = { 0 };
	json_t *show;

	if (guest_call(name, "show", &show, err) < 0)
		return -1;
	guest_renew_stats(name, show);

	bool known = memory_view_read(&showing->host, show, &view, &why) == 0;
	struct guest_promise promise;
	bool promised = guest_promise_read(showing->host.root_fd, show, &promise, NULL) == 0;
	struct changes changes = { .n = 0 };

	promise_record_compare(showing->host.root_fd, name, changes.list, &changes.n, NULL);

	if (!known)
		report_line("guest %s: what its memory costs the host can't be read: %s", name,
			    err_message(why));
	if (showing->list) {
		if (known)
			memory_report_add(&view, show);
		json_object_set_new(show, "promise",
				    promised ? promise_to_json(&promise, &changes) : json_null());
		json_array_append(showing->list, show);
	} else {
		if (showing->n > 0)
			putchar('\n');
		print_guest(show);
		if (promised)
			print_promise(&promise, &changes);
		else
			print_row("promised", "nothing (it has no cgroup)");
		if (known)
			memory_report_print(&view);
	}
	showing->n++;
	json_decref(show);
	return 0;
}

static int run_show(int argc, char **argv)
{
	return show_guests_main(&cmd_show, argc, argv, show_guest, NULL);
}

const struct command cmd_show = {
	.name = "show",
	.operands = "[--json] NAME...|--all",
	.summary = "Shows everything about guests",
	.details =
	    "Also where each part of a guest's memory is, by the host kernel's own numbers.\n",
	.options = show_guests_options,
	.run = run_show,
};
