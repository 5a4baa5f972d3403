/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge show: everything about one guest.
 *
 * What the guest is comes from its VM process; what its memory costs the host comes from the host's
 * kernel (/proc/PID/smaps), which counts pages as they are and not as lodge thinks they are.
 */
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/uptime.h"
#include "host/process.h"

enum { RAM_RANGES_MAX = 8, LABEL_WIDTH = 18 };

static json_t *smaps_to_json(const struct host_smaps *smaps)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "rss", (json_int_t)smaps->rss, "pss",
			 (json_int_t)smaps->pss, "shared", (json_int_t)smaps->shared, "file",
			 (json_int_t)smaps->file, "swap", (json_int_t)smaps->swap);
}

static json_t *memory_to_json(const struct host_vm_memory *memory)
{
	json_t *files = json_array();

	for (size_t i = 0; i < memory->n_files; i++) {
		json_t *file = smaps_to_json(&memory->files[i].smaps);
		json_t *path = json_string(memory->files[i].path);

		json_object_set_new(file, "path", path ? path : json_string("?"));
		json_array_append_new(files, file);
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "ram", smaps_to_json(&memory->ram), "ram_files",
			 smaps_to_json(&memory->ram_files), "vmm", smaps_to_json(&memory->own),
			 "files", files);
}

/* Adds "host_memory" to what the VM process said. */
static int add_host_memory(json_t *show, struct err **err)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(host_vm_memory_clear) struct host_vm_memory memory = { 0 };
	struct host_range ranges[RAM_RANGES_MAX];
	pid_t pid = (pid_t)json_integer_value(json_object_get(show, "pid"));
	const json_t *region;
	size_t n = 0;
	size_t i;

	json_array_foreach (json_object_get(show, "ram"), i, region) {
		if (n == RAM_RANGES_MAX)
			break;
		ranges[n].start = (uint64_t)json_integer_value(json_object_get(region, "hva"));
		ranges[n++].len = (uint64_t)json_integer_value(json_object_get(region, "bytes"));
	}
	if (host_read_vm_memory(root_fd, pid, ranges, n, &memory, err) < 0)
		return -1;
	json_object_set_new(show, "host_memory", memory_to_json(&memory));
	return 0;
}

static void print_label(const char *label)
{
	printf("%-*s", LABEL_WIDTH, label);
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

static void print_smaps(const char *label, const json_t *smaps)
{
	char rss[SIZE_TEXT_MAX];
	char pss[SIZE_TEXT_MAX];
	char shared[SIZE_TEXT_MAX];
	char swap[SIZE_TEXT_MAX];

	print_label(label);
	printf("%s in RAM (its share %s), of which %s shared with other processes; %s swapped\n",
	       size_format(bytes_of(smaps, "rss"), rss), size_format(bytes_of(smaps, "pss"), pss),
	       size_format(bytes_of(smaps, "shared"), shared),
	       size_format(bytes_of(smaps, "swap"), swap));
}

static void print_host_memory(const json_t *memory)
{
	char file[SIZE_TEXT_MAX];
	char shared[SIZE_TEXT_MAX];
	const json_t *entry;
	size_t i;

	if (!memory)
		return;
	print_smaps("host: guest RAM", json_object_get(memory, "ram"));
	print_smaps("host: VM process", json_object_get(memory, "vmm"));
	json_array_foreach (json_object_get(memory, "files"), i, entry) {
		print_label("host: mapped file");
		report_text(json_string_value(json_object_get(entry, "path")));
		printf(": %s in the page cache, of which %s shared with other processes\n",
		       size_format(bytes_of(entry, "file"), file),
		       size_format(bytes_of(entry, "shared"), shared));
	}
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
	print_host_memory(json_object_get(show, "host_memory"));
}

static int show_guest(const char *name, bool json, struct err **err)
{
	_cleanup_err_ struct err *why = NULL;
	json_t *show;

	if (guest_call(name, "show", &show, err) < 0)
		return -1;
	if (add_host_memory(show, &why) < 0)
		report_line("guest %s: what its memory costs the host can't be read: %s", name,
			    err_message(why));
	if (json)
		report_json(show);
	else
		print_guest(show);
	json_decref(show);
	return 0;
}

static const struct command_option options[] = {
	{ "json", 'j', NULL, "as JSON, for programs" },
	{ 0 },
};

static int run_show(int argc, char **argv)
{
	struct err *err = NULL;
	bool json = false;
	int status;

	if (options_only_json(&cmd_show, argc, argv, &json, &status) == OPTIONS_EXIT ||
	    options_operands(&cmd_show, argc, 1, 1, "the name of one guest", &status) < 0)
		return status;
	if (show_guest(argv[optind], json, &err) < 0)
		return report_err(&err);
	return report_flush(0);
}

const struct command cmd_show = {
	.name = "show",
	.operands = "[--json] NAME",
	.summary = "Shows everything about a guest",
	.details = "Also what its memory costs the host, by the host kernel's own numbers.\n",
	.options = options,
	.run = run_show,
};
