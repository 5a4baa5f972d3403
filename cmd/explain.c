/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge explain: why guests have the memory that they have. What was decided the governor has
 * written down (govern/record.h), what holds it the host's kernel says, and the guest itself isn't
 * asked for anything.
 */
#include <stdio.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sums.h"
#include "cmd/command.h"
#include "cmd/explain_text.h"
#include "cmd/guest.h"
#include "cmd/guest_promise.h"
#include "cmd/memory_view.h"
#include "cmd/show_guests.h"
#include "govern/files.h"
#include "host/cgroup_memory.h"

/* What the governor says, which is the same for all guests of one call. */
struct governor {
	bool runs;
	bool has_record;
	struct govern_record record;
	struct err *why; /* it can't be read; NULL: there is none */
};

static void find_governor(struct governor *governor)
{
	_cleanup_close_ int dir_fd = -1;
	struct err *err = NULL;

	if (rundir_open_root(false, &dir_fd, NULL) < 0 || dir_fd < 0)
		return;
	governor->runs = govern_is_running(dir_fd);
	governor->has_record = govern_record_load(dir_fd, &governor->record, &err) == 0;
	if (err_code(err) == ERR_NOT_FOUND)
		err_free(err);
	else
		governor->why = err;
}

static void governor_clear(struct governor *governor)
{
	govern_record_clear(&governor->record);
	err_free(governor->why);
}

/* group: from where control groups are mounted. */
static int read_kernel(const struct memory_host *host, const char *group,
		       struct explain_kernel *ret_kernel, struct err **err)
{
	struct host_cgroup_memory memory;
	struct explain_kernel kernel;
	char below[HOST_CGROUP_PATH_MAX + 1];
	char path[sizeof(host->cgroup_mount) + sizeof(below)];

	snprintf(below, sizeof(below), "/%s", group);
	snprintf(path, sizeof(path), "%s%s", host->cgroup_mount, below);
	if (host_read_cgroup_memory(host->root_fd, host->cgroup_mount, below, &memory, err) < 0 ||
	    host_read_cgroup_bounds(host->root_fd, path, &kernel.bounds, err) < 0 ||
	    host_read_cgroup_events(host->root_fd, path, &kernel.events, err) < 0)
		return -1;
	kernel.has_psi = host_read_group_psi(host->root_fd, path, "memory", &kernel.psi, NULL) == 0;
	kernel.refault_anon = memory.refault_anon;
	kernel.refault_file = memory.refault_file;
	*ret_kernel = kernel;
	return 0;
}

static int find_kernel(const struct memory_host *host, const json_t *show,
		       struct explain_kernel *ret_kernel, struct err **err)
{
	const char *group = json_string_value(json_object_get(show, "cgroup"));

	if (!group)
		return err_set(err, ERR_FAILED, 0, "it has no cgroup of its own");
	return read_kernel(host, group, ret_kernel, err);
}

/* When the VM process started, on the clock of the governor's record. */
static uint64_t started_ms(const json_t *show, uint64_t now_ms)
{
	return rest(now_ms, (uint64_t)json_integer_value(json_object_get(show, "uptime_ms")));
}

static void tell(const struct explain *explain, struct showing *showing)
{
	if (showing->list) {
		json_array_append_new(showing->list, explain_to_json(explain));
	} else {
		if (showing->n > 0)
			putchar('\n');
		explain_print(explain, stdout);
	}
	showing->n++;
}

/* What an explanation points to. */
struct findings {
	struct memory_view view;
	struct guest_promise promise;
	struct explain_kernel kernel;
	struct err *no_memory;
	struct err *no_promise;
	struct err *no_kernel;
};

static void findings_clear(struct findings *found)
{
	memory_view_clear(&found->view);
	err_free(found->no_memory);
	err_free(found->no_promise);
	err_free(found->no_kernel);
}

/* What can't be found out is a reason in the explanation, and no failure. */
static void find(const struct memory_host *host, const json_t *show, struct findings *found,
		 struct explain *explain)
{
	if (memory_view_read(host, show, &found->view, &found->no_memory) == 0)
		explain->memory = &found->view.parts;
	else
		explain->memory_reason = err_message(found->no_memory);
	if (guest_promise_read(host->root_fd, show, &found->promise, &found->no_promise) == 0)
		explain->promise = &found->promise;
	else
		explain->promise_reason = err_message(found->no_promise);
	if (find_kernel(host, show, &found->kernel, &found->no_kernel) == 0)
		explain->kernel = &found->kernel;
	else
		explain->kernel_reason = err_message(found->no_kernel);
}

static int explain_guest(const char *name, struct showing *showing, struct err **err)
{
	const struct governor *governor = showing->opaque;
	_cleanup_(json_decrefp) json_t *show = NULL;
	_cleanup_(findings_clear) struct findings found = { 0 };

	if (guest_call(name, "show", &show, err) < 0)
		return -1;

	struct explain explain = {
		.name = name,
		.now_ms = clock_boot_ms(),
		.governed = governor->runs,
		.record = governor->has_record ? &governor->record : NULL,
		.record_reason = governor->why ? err_message(governor->why) : NULL,
	};

	find(&showing->host, show, &found, &explain);
	if (explain.record)
		explain_find(&explain, started_ms(show, explain.now_ms));
	tell(&explain, showing);
	return 0;
}

static int run_explain(int argc, char **argv)
{
	_cleanup_(governor_clear) struct governor governor = { 0 };

	find_governor(&governor);
	return show_guests_main(&cmd_explain, argc, argv, explain_guest, &governor);
}

const struct command cmd_explain = {
	.name = "explain",
	.operands = "[--json] NAME...|--all",
	.summary = "Says why guests have the memory that they have",
	.details =
	    "What a guest was promised, what its part of the host's RAM is and how that comes\n"
	    "about, what was taken from it last and for whom, and how it feels that.\n",
	.options = show_guests_options,
	.run = run_explain,
};
