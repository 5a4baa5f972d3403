/* SPDX-License-Identifier: Apache-2.0 */
/* lodge run: starts a guest, and shows its console or leaves it in the background. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>

#include "api/vm_process.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "base/size.h"
#include "cmd/command.h"
#include "cmd/console_client.h"
#include "cmd/escape.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "host/file.h"
#include "host/ksm.h"
#include "machine/config.h"

enum {
	CONFIG_FILE_MAX = 65536, /* bytes */
	NAME_TRIES = 64,	 /* for a name that nobody has; the chance to need two is small */
};

/* The command line as it was typed; each part of it is NULL if it wasn't given. */
struct request {
	const char *config;
	const char *kernel;
	const char *initrd;
	const char *name;
	const char *cpus;
	const char *memory;
	const char *guarantee;
	const char *weight;
	const char *cpu_limit;
	const char *zswap_limit;
	const char *append;
	const char *boot;
	const char *on_reset;
	const char *backing;
	const char *thp;
	const char *balloon;
	const char *escape;
	bool lock;
	bool prefault;
	bool merge;
	bool best_effort;
	bool detach;
};

static const struct command_option options[] = {
	{ "kernel", 'k', "FILE", "the kernel, a bzImage or vmlinux" },
	{ "initrd", 'i', "FILE", "the initial RAM disk" },
	{ "name", 'n', "NAME", "the guest's name (one is chosen)" },
	{ "cpus", 'c', "N", "how many vCPUs, 1 to 8 (1)" },
	{ "memory", 'm', "SIZE", "its RAM, such as 512M or 1.5G (512M)" },
	{ "guarantee", 'g', "SIZE", "of that, what is always in the host's RAM (0)" },
	{ "weight", 'w', "N", "its share of processors and disks, 1 to 10000 (100)" },
	{ "cpu-limit", 0, "PERCENT",
	  "of one processor, what it may use, such as 150%, or none (none)" },
	{ "zswap-limit", 0, "SIZE", "what it may have compressed in zswap, or none (none)" },
	{ "best-effort", 0, NULL, "promise it nothing: it's the first to give way" },
	{ "append", 'a', "WORDS", "added to the kernel's command line" },
	{ "boot", 'b', "HOW", "auto, unpack or direct (auto)" },
	{ "on-reset", 'r', "WHAT", "restart or stop (restart)" },
	{ "backing", 0, "WHAT", "its RAM: anon, memfd or hugetlb (anon)" },
	{ "thp", 0, "WHEN", "huge pages for it: always, madvise or never (madvise)" },
	{ "lock", 0, NULL, "never swap it" },
	{ "prefault", 0, NULL, "find memory for all of it before the guest starts" },
	{ "merge", 0, NULL, "let KSM merge it with other guests' equal pages" },
	{ "balloon", 0, "LIST", "its memory balloon: all, none, or what it can do (all)" },
	{ "config", 'f', "FILE", "the same as JSON; options come over it" },
	{ "escape", 'e', "KEY", "the console's escape key: ^A to ^_, ^?, or none (^])" },
	{ "detach", 'd', NULL, "leave it in the background and print its name" },
	{ 0 },
};

/* Where an option's value goes. */
static const struct {
	const char *option;
	size_t offset;
} texts[] = {
	{ "kernel", offsetof(struct request, kernel) },
	{ "initrd", offsetof(struct request, initrd) },
	{ "name", offsetof(struct request, name) },
	{ "cpus", offsetof(struct request, cpus) },
	{ "memory", offsetof(struct request, memory) },
	{ "guarantee", offsetof(struct request, guarantee) },
	{ "weight", offsetof(struct request, weight) },
	{ "cpu-limit", offsetof(struct request, cpu_limit) },
	{ "zswap-limit", offsetof(struct request, zswap_limit) },
	{ "append", offsetof(struct request, append) },
	{ "boot", offsetof(struct request, boot) },
	{ "on-reset", offsetof(struct request, on_reset) },
	{ "backing", offsetof(struct request, backing) },
	{ "thp", offsetof(struct request, thp) },
	{ "balloon", offsetof(struct request, balloon) },
	{ "config", offsetof(struct request, config) },
	{ "escape", offsetof(struct request, escape) },
}, flags[] = {
	{ "lock", offsetof(struct request, lock) },
	{ "prefault", offsetof(struct request, prefault) },
	{ "merge", offsetof(struct request, merge) },
	{ "best-effort", offsetof(struct request, best_effort) },
	{ "detach", offsetof(struct request, detach) },
};

static void take_option(struct request *request, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i].option, name) == 0)
			*(const char **)(void *)((char *)request + texts[i].offset) = value;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (strcmp(flags[i].option, name) == 0)
			*(bool *)((char *)request + flags[i].offset) = true;
}

/* A path that is no file is the request's fault, not the host's. */
static bool is_wrong_path(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == EISDIR || errnum == ENAMETOOLONG;
}

static int read_config_file(struct vm_config *config, const char *path, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_err_ struct err *why = NULL;
	json_error_t where;
	size_t len;

	if (fdio_read_file(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len, &why) < 0) {
		enum err_code code = is_wrong_path(err_errno(why)) ? ERR_USAGE : err_code(why);

		return err_set(err, code, 0, "--config: %s", err_message(why));
	}

	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);

	if (!json)
		return err_set(err, ERR_USAGE, 0, "--config: %s: line %d: %s", path, where.line,
			       where.text);

	int r = vm_config_from_json(config, json, err);

	json_decref(json);
	return r < 0 ? err_wrap(err, "--config: %s", path) : 0;
}

/* An option's text replaces what the file said. */
static int set_text(char **text, const char *given, struct err **err)
{
	if (!given)
		return 0;

	char *copy = strdup(given);

	if (!copy)
		return err_set(err, ERR_NO_SPACE, errno, "configuration");
	free(*text);
	*text = copy;
	return 0;
}

static int set_choices(struct vm_config *config, const struct request *request, struct err **err)
{
	if (request->boot && vm_boot_from_name(request->boot, &config->boot, err) < 0)
		return err_wrap(err, "--boot");
	if (request->on_reset &&
	    vm_on_reset_from_name(request->on_reset, &config->on_reset, err) < 0)
		return err_wrap(err, "--on-reset");
	if (request->backing &&
	    vm_backing_from_name(request->backing, &config->ram.backing, err) < 0)
		return err_wrap(err, "--backing");
	if (request->thp && vm_thp_from_name(request->thp, &config->ram.thp, err) < 0)
		return err_wrap(err, "--thp");
	if (request->balloon && vm_balloon_from_text(request->balloon, &config->balloon, err) < 0)
		return err_wrap(err, "--balloon");
	config->ram.lock |= request->lock;
	config->ram.prefault |= request->prefault;
	config->ram.merge |= request->merge;
	config->best_effort |= request->best_effort;
	return 0;
}

static int set_numbers(struct vm_config *config, const struct request *request, struct err **err)
{
	if (request->cpus && options_number("cpus", request->cpus, 1000000, &config->cpus, err) < 0)
		return -1;
	if (request->memory && size_parse(request->memory, &config->memory, err) < 0)
		return err_wrap(err, "--memory");
	if (request->guarantee && size_parse(request->guarantee, &config->guarantee, err) < 0)
		return err_wrap(err, "--guarantee");
	if (request->weight &&
	    options_number("weight", request->weight, 1000000, &config->shares.weight, err) < 0)
		return -1;
	if (request->cpu_limit &&
	    shares_parse_cpu_limit(request->cpu_limit, &config->shares.cpu_limit, err) < 0)
		return err_wrap(err, "--cpu-limit");
	if (request->zswap_limit &&
	    shares_parse_zswap_limit(request->zswap_limit, &config->shares.zswap_limited,
				     &config->shares.zswap_limit, err) < 0)
		return err_wrap(err, "--zswap-limit");
	return 0;
}

/* A guest that could never have all its memory, even alone on the host, isn't started. */
static int check_host_memory(uint64_t memory, struct err **err)
{
	struct sysinfo info;
	char wanted[SIZE_TEXT_MAX];
	char there[SIZE_TEXT_MAX];

	if (sysinfo(&info) < 0)
		return err_set(err, ERR_FAILED, errno, "host memory");

	uint64_t host = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;

	if (memory <= host)
		return 0;
	return err_set(err, ERR_USAGE, 0,
		       "memory: %s are more than this host could ever hold: its RAM and swap "
		       "together are %s",
		       size_format(memory, wanted), size_format(host, there));
}

static int make_config(struct vm_config *config, const struct request *request, struct err **err)
{
	if (request->config && read_config_file(config, request->config, err) < 0)
		return -1;
	if (set_text(&config->name, request->name, err) < 0 ||
	    set_text(&config->kernel, request->kernel, err) < 0 ||
	    set_text(&config->initrd, request->initrd, err) < 0 ||
	    set_text(&config->append, request->append, err) < 0 ||
	    set_numbers(config, request, err) < 0 || set_choices(config, request, err) < 0 ||
	    vm_config_check(config, err) < 0)
		return -1;
	return check_host_memory(config->memory, err);
}

static int choose_name(struct vm_config *config, struct err **err)
{
	uint16_t number;
	char name[16];

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return err_set(err, ERR_FAILED, errno, "random number");
	snprintf(name, sizeof(name), "vm-%04x", number);
	return set_text(&config->name, name, err);
}

/* Starts the guest; without a name, under one that's free. */
static int start(struct vm_config *config, bool detach, pid_t *ret_pid, int *ret_end_fd,
		 struct err **err)
{
	if (config->name)
		return vm_process_start(config, detach, ret_pid, ret_end_fd, err);

	for (int i = 0; i < NAME_TRIES; i++) {
		struct err *why = NULL;

		if (choose_name(config, err) < 0)
			return -1;
		if (vm_process_start(config, detach, ret_pid, ret_end_fd, &why) == 0)
			return 0;
		if (err_code(why) != ERR_EXISTS) {
			err_set(err, err_code(why), 0, "%s", err_message(why));
			err_free(why);
			return -1;
		}
		err_free(why);
	}
	return err_set(err, ERR_EXISTS, 0, "no free name found: give one with --name");
}

/* A guest whose name nobody learns runs on all the same, and the error says which one it is. */
static int print_name(const char *name)
{
	puts(name);

	int status = report_flush(0);

	if (status)
		report_line("the guest %s is running", name);
	return status;
}

/* Says why the guest failed. */
static int report_failure(const char *name, int end_fd)
{
	char reason[256] = "";
	size_t n;

	fdio_read(end_fd, reason, sizeof(reason) - 1, &n, NULL);
	report_line("guest %s failed: %s", name, reason[0] ? reason : "its VM process broke");
	return ERR_FAILED;
}

/* A guest that is to be merged on a host that merges nothing: it runs, but its user should know. */
static void note_ksm(const struct vm_config *config)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t run;

	if (config->ram.merge && host_read_number(root_fd, HOST_KSM_RUN_PATH, &run, NULL) == 0 &&
	    run != 1)
		report_line("--merge: KSM is off on this host now, so nothing is merged until "
			    "lodged switches it on, or `echo 1 > /sys/kernel/mm/ksm/run`");
}

static int run_guest(struct vm_config *config, const struct request *request, int escape_key)
{
	_cleanup_close_ int end_fd = -1;
	struct console_client client = { .escape_key = escape_key };
	struct err *err = NULL;
	int status = 0;
	pid_t pid;

	if (!request->detach)
		console_client_take_signals();
	if (start(config, request->detach, &pid, &end_fd, &err) < 0)
		return report_err(&err);
	note_ksm(config);
	if (request->detach)
		return print_name(config->name);
	client.name = config->name;
	client.child = pid;
	if (console_client_run(&client, &status, &err) < 0)
		return report_err(&err);
	if (status == ERR_FAILED)
		return report_failure(config->name, end_fd);
	return status;
}

static int run_run(int argc, char **argv)
{
	_cleanup_(vm_config_clear) struct vm_config config;
	struct request request = { 0 };
	struct err *err = NULL;
	int escape_key = ESCAPE_DEFAULT;
	const char *value;
	int status;
	int c;

	vm_config_init(&config);
	while ((c = options_next(&cmd_run, argc, argv, &value, &status)) >= 0)
		take_option(&request, options_name(&cmd_run, c), value);
	if (c == OPTIONS_EXIT)
		return status;
	if (optind < argc)
		return report_usage(&cmd_run,
				    "run takes no operands (the kernel is --kernel FILE)");
	if (!request.kernel && !request.config)
		return report_usage(&cmd_run, "no kernel given: lodge run --kernel FILE");
	if ((request.escape && escape_parse(request.escape, &escape_key, &err) < 0) ||
	    make_config(&config, &request, &err) < 0)
		return report_err(&err);
	return run_guest(&config, &request, escape_key);
}

const struct command cmd_run = {
	.name = "run",
	.operands = "--kernel FILE [OPTION...]",
	.summary = "Starts a guest",
	.details =
	    "Shows the guest's console until it ends, and then exits with its status: 0 stopped,\n"
	    "6 its kernel panicked, 7 ended by force, 1 failed. SIGINT, SIGTERM, SIGHUP and\n"
	    "SIGQUIT press the guest's power button; after 10 seconds, or at a second signal, it's\n"
	    "ended by force.\n",
	.options = options,
	.run = run_run,
};
