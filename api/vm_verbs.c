/* SPDX-License-Identifier: Apache-2.0 */
/* What a VM process answers on its control socket: see vm_verbs.h. */
#include "api/vm_verbs_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/guest_cgroup.h"
#include "api/server.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "boot/kernel.h"
#include "dev/console.h"
#include "machine/config.h"
#include "machine/machine.h"
#include "vm/guest_memory.h"

static json_t *end_to_json(const struct vm_verbs *verbs, enum vm_state state)
{
	return json_pack("{s:s, s:i, s:o}", "state", vm_state_name(state), "exit_status",
			 verbs->exit_status, "reason",
			 protocol_text(machine_reason(verbs->host.machine)));
}

static json_t *status_to_json(const struct vm_verbs *verbs)
{
	const struct vm_config *config = verbs->host.config;

	return json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:s, s:s?}", "name", config->name, "state",
			 vm_state_name(machine_state(verbs->host.machine)), "pid", (int)getpid(),
			 "cpus", (int)config->cpus, "memory", (json_int_t)config->memory,
			 "uptime_ms", (json_int_t)(clock_boot_ms() - verbs->started_ms), "kernel",
			 config->kernel, "cgroup", guest_cgroup_path(verbs->host.cgroup));
}

static json_t *ram_to_json(const struct vm_verbs *verbs)
{
	const struct guest_memory *memory = machine_memory(verbs->host.machine);
	json_t *regions = json_array();

	for (size_t i = 0; i < memory->n_regions; i++) {
		const struct guest_memory_region *r = &memory->regions[i];

		json_array_append_new(
		    regions, json_pack("{s:I, s:I, s:I}", "gpa", (json_int_t)r->gpa, "hva",
				       (json_int_t)(uintptr_t)r->hva, "bytes", (json_int_t)r->len));
	}
	return regions;
}

/* The path under which a descriptor was opened, or what the kernel says of it instead. */
static json_t *path_of(int fd)
{
	char link[32];
	char path[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);

	ssize_t n = readlink(link, path, sizeof(path) - 1);

	if (n < 0)
		return json_null();
	path[n] = '\0';
	return protocol_text(path);
}

static json_t *boot_to_json(const struct vm_verbs *verbs)
{
	struct kernel_info info;
	json_t *mapped = json_array();

	kernel_info(verbs->host.kernel, &info);
	for (size_t i = 0; i < info.n_mappings; i++) {
		const struct kernel_mapping *m = &info.mappings[i];

		json_array_append_new(
		    mapped, json_pack("{s:I, s:I, s:I, s:b}", "gpa", (json_int_t)m->gpa, "bytes",
				      (json_int_t)m->len, "offset", (json_int_t)m->offset, "initrd",
				      m->fd == info.initrd_fd));
	}
	return json_pack("{s:s, s:o*, s:s, s:o, s:o, s:I, s:o}", "mode",
			 info.mode == KERNEL_BOOT_DIRECT ? "direct" : "unpack", "reason",
			 info.fallback ? protocol_text(info.fallback) : NULL, "release",
			 info.release, "cmdline", protocol_text(info.cmdline), "image",
			 path_of(info.fd), "memory_min", (json_int_t)info.memory_min, "mapped",
			 mapped);
}

static json_t *exits_to_json(const struct vm_verbs *verbs)
{
	struct vm_exits exits = machine_count_exits(verbs->host.machine);

	return json_pack("{s:I, s:I, s:I}", "pio", (json_int_t)exits.pio, "mmio",
			 (json_int_t)exits.mmio, "other", (json_int_t)exits.other);
}

static int handle_status(void *opaque, struct control_call *call, const json_t *request,
			 json_t **ret_result, struct err **err)
{
	(void)call;
	(void)request;
	(void)err;
	*ret_result = status_to_json(opaque);
	return 0;
}

static int handle_show(void *opaque, struct control_call *call, const json_t *request,
		       json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;
	json_t *show = status_to_json(verbs);

	(void)call;
	(void)request;
	(void)err;
	json_object_set_new(show, "config", vm_config_to_json(verbs->host.config));
	if (guest_cgroup_reason(verbs->host.cgroup))
		json_object_set_new(show, "cgroup_reason",
				    protocol_text(guest_cgroup_reason(verbs->host.cgroup)));
	json_object_set_new(show, "boot", boot_to_json(verbs));
	json_object_set_new(show, "ram", ram_to_json(verbs));
	json_object_set_new(show, "balloon", vm_verbs_balloon_to_json(verbs));
	json_object_set_new(show, "exits", exits_to_json(verbs));
	json_object_set_new(show, "resets",
			    json_integer((json_int_t)machine_count_resets(verbs->host.machine)));
	*ret_result = show;
	return 0;
}

/* Whoever learns, or brings about, that the guest is over has collected its end. */
static void collect(const struct vm_verbs *verbs)
{
	if (verbs->ended)
		verbs->host.collected(verbs->host.opaque);
}

static int handle_pause(void *opaque, struct control_call *call, const json_t *request,
			json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;

	(void)call;
	(void)request;
	(void)ret_result;
	return machine_pause(verbs->host.machine, err);
}

static int handle_resume(void *opaque, struct control_call *call, const json_t *request,
			 json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;

	(void)call;
	(void)request;
	(void)ret_result;
	return machine_resume(verbs->host.machine, err);
}

static int handle_stop(void *opaque, struct control_call *call, const json_t *request,
		       json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;

	(void)call;
	(void)request;
	(void)ret_result;
	if (verbs->ended) {
		collect(verbs);
		return 0;
	}
	return machine_press_power_button(verbs->host.machine, err);
}

static int handle_kill(void *opaque, struct control_call *call, const json_t *request,
		       json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;

	(void)call;
	(void)request;
	(void)ret_result;
	if (verbs->ended) {
		collect(verbs);
		return 0;
	}
	return machine_kill(verbs->host.machine, err);
}

static int handle_wait(void *opaque, struct control_call *call, const json_t *request,
		       json_t **ret_result, struct err **err)
{
	struct vm_verbs *verbs = opaque;

	(void)call;
	(void)request;
	(void)err;
	if (!verbs->ended) {
		verbs->waiters++;
		return CONTROL_DEFERRED;
	}
	*ret_result = end_to_json(verbs, machine_state(verbs->host.machine));
	collect(verbs);
	return 0;
}

static void cancel_wait(void *opaque, struct control_call *call)
{
	struct vm_verbs *verbs = opaque;

	(void)call;
	verbs->waiters--;
}

static int handle_console_size(void *opaque, struct control_call *call, const json_t *request,
			       json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;
	json_int_t columns = json_integer_value(json_object_get(request, "columns"));
	json_int_t rows = json_integer_value(json_object_get(request, "rows"));

	(void)call;
	(void)ret_result;
	(void)err;
	console_set_size(verbs->host.console, (uint16_t)columns, (uint16_t)rows);
	return 0;
}

static const struct control_argument console_size_arguments[] = {
	{ "columns", CONTROL_INTEGER, true, 1, UINT16_MAX },
	{ "rows", CONTROL_INTEGER, true, 1, UINT16_MAX },
};

static const struct control_argument set_arguments[] = {
	{ "balloon", CONTROL_INTEGER, true, 0, VM_MEMORY_MAX },
};

static const struct control_verb vm_verb_table[] = {
	{ .name = "status", .handle = handle_status },
	{ .name = "show", .handle = handle_show },
	{ .name = "pause", .handle = handle_pause },
	{ .name = "resume", .handle = handle_resume },
	{ .name = "stop", .handle = handle_stop },
	{ .name = "kill", .handle = handle_kill },
	{ .name = "wait", .handle = handle_wait, .cancel = cancel_wait },
	{ .name = "set",
	  .arguments = set_arguments,
	  .n_arguments = ARRAY_SIZE(set_arguments),
	  .handle = vm_verbs_handle_set },
	{ .name = "balloon", .handle = vm_verbs_handle_balloon },
	{ .name = "stats", .handle = vm_verbs_handle_stats },
	{ .name = "hints", .handle = vm_verbs_handle_hints },
	{ .name = "console-size",
	  .arguments = console_size_arguments,
	  .n_arguments = ARRAY_SIZE(console_size_arguments),
	  .handle = handle_console_size },
};

int vm_verbs_new(const struct vm_verbs_host *host, struct vm_verbs **ret_verbs, struct err **err)
{
	struct vm_verbs *verbs = calloc(1, sizeof(*verbs));

	if (!verbs)
		return err_set(err, ERR_NO_SPACE, errno, "control socket");
	verbs->host = *host;
	verbs->started_ms = clock_boot_ms();
	if (control_server_new(host->loop, host->listen_fd, vm_verb_table,
			       ARRAY_SIZE(vm_verb_table), verbs, &verbs->server, err) < 0) {
		free(verbs);
		return -1;
	}
	*ret_verbs = verbs;
	return 0;
}

void vm_verbs_free(struct vm_verbs *verbs)
{
	if (!verbs)
		return;
	control_server_free(verbs->server);
	free(verbs);
}

bool vm_verbs_ended(struct vm_verbs *verbs, enum vm_state state, int exit_status)
{
	bool awaited = verbs->waiters > 0;

	verbs->ended = true;
	verbs->exit_status = exit_status;
	verbs->waiters = 0;
	control_server_reply_all(verbs->server, "wait", end_to_json(verbs, state));
	vm_verbs_balloon_changed(verbs);
	return awaited;
}
