/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge set: changes a running guest.
 *
 * All keys are checked before anything is changed. What can only be known by trying (how much a
 * guest can spare, how much the kernel can take) is reported as it turned out.
 */
#include "cmd/set.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/suggest.h"
#include "host/cgroup.h"
#include "ledger/promise.h"

enum { PAGE = 4096 };

const struct set_key set_keys[SET_KEYS] = {
	[SET_GUARANTEE] = { "guarantee", 0, 0, PAGE, set_check_promise, set_apply_guarantee },
	[SET_MEMORY_LIMIT] = { "memory-limit", PAGE, 0, PAGE, set_check_promise,
			       set_apply_memory_limit },
	[SET_WEIGHT] = { "weight", PROMISE_WEIGHT_MIN, PROMISE_WEIGHT_MAX, 1, set_check_weight,
			 set_apply_weight },
	[SET_CPU_LIMIT] = { .name = "cpu-limit",
			    .check = set_check_cpu_limit,
			    .apply = set_apply_cpu_limit,
			    .parse = set_parse_cpu_limit },
	[SET_ZSWAP_LIMIT] = { .name = "zswap-limit",
			      .check = set_check_zswap_limit,
			      .apply = set_apply_zswap_limit,
			      .parse = set_parse_zswap_limit },
	[SET_BALLOON] = { "balloon", 0, 0, PAGE, set_check_balloon, set_apply_balloon },
	[SET_RECLAIM] = { "reclaim", PAGE, 0, 1, set_check_reclaim, set_apply_reclaim },
};

static int unknown_key(const char *name, size_t len, struct err **err)
{
	char word[SUGGEST_WORD_MAX];
	const char *best = NULL;

	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	for (size_t i = 0; i < SET_KEYS; i++)
		suggest_offer(word, set_keys[i].name, &best);
	if (best)
		return err_set(err, ERR_USAGE, 0, "there is no key \"%s\" (did you mean %s?)", word,
			       best);
	return err_set(err, ERR_USAGE, 0,
		       "there is no key \"%s\": the keys are guarantee, memory-limit, weight, "
		       "cpu-limit, zswap-limit, balloon, reclaim",
		       word);
}

int set_split(char *const *words, size_t n, const char *texts[SET_KEYS], struct err **err)
{
	for (size_t i = 0; i < SET_KEYS; i++)
		texts[i] = NULL;
	for (size_t w = 0; w < n; w++) {
		size_t len = strcspn(words[w], "=");
		size_t i = 0;

		if (!words[w][len])
			return err_set(err, ERR_USAGE, 0, "\"%s\" is no KEY=VALUE", words[w]);
		while (i < SET_KEYS && (strlen(set_keys[i].name) != len ||
					strncmp(set_keys[i].name, words[w], len) != 0))
			i++;
		if (i == SET_KEYS)
			return unknown_key(words[w], len, err);
		if (texts[i])
			return err_set(err, ERR_USAGE, 0, "%s is given twice", set_keys[i].name);
		texts[i] = words[w] + len + 1;
	}
	return 0;
}

static int parse_number(const struct set_key *key, const char *text, uint64_t *ret_value,
			struct err **err)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value = digits > 0 && !text[digits] ? strtoull(text, NULL, 10) : 0;

	if (value < key->min || value > key->max)
		return err_set(err, ERR_USAGE, 0,
			       "%s: \"%s\" is not a number from %" PRIu64 " to %" PRIu64, key->name,
			       text, key->min, key->max);
	*ret_value = value;
	return 0;
}

int set_parse(const struct set_key *key, const char *text, uint64_t memory, uint64_t *ret_value,
	      struct err **err)
{
	_cleanup_err_ struct err *why = NULL;
	char min[SIZE_TEXT_MAX];
	char max[SIZE_TEXT_MAX];
	uint64_t value;

	if (key->parse)
		return key->parse(text, ret_value, err) < 0 ? err_wrap(err, "%s", key->name) : 0;
	if (key->max > 0)
		return parse_number(key, text, ret_value, err);
	size_format(key->min, min);
	size_format(memory, max);
	if (size_parse(text, &value, &why) < 0)
		return err_set(err, ERR_USAGE, 0, "%s: %s, from %s to %s for this guest", key->name,
			       err_message(why), min, max);
	if (value < key->min || value > memory)
		return err_set(err, ERR_USAGE, 0,
			       "%s: \"%s\" is not from %s to %s, this guest's memory", key->name,
			       text, min, max);
	if (value % key->unit)
		return err_set(err, ERR_USAGE, 0,
			       "%s: \"%s\" is not a whole number of pages of %" PRIu64, key->name,
			       text, key->unit);
	*ret_value = value;
	return 0;
}

char *set_format_pace(uint64_t bytes, int64_t ms, char text[SET_PACE_TEXT_MAX])
{
	char rate[SIZE_TEXT_MAX];
	double seconds = (double)(ms > 0 ? ms : 1) / 1000;

	snprintf(text, SET_PACE_TEXT_MAX, ", in %.1f s (%s/s)", seconds,
		 size_format((uint64_t)((double)bytes / seconds), rate));
	return text;
}

static int check_state(const struct set_guest *guest, struct err **err)
{
	const char *state = json_string_value(json_object_get(guest->show, "state"));

	if (state && strcmp(state, "running") == 0)
		return 0;
	return err_set(err, ERR_STATE, 0, "it is %s: only a running guest can be set",
		       state ? state : "in no state");
}

/* Checks everything, so that it's all or nothing. */
static int check_all(struct set_guest *guest, const char *const texts[SET_KEYS], struct err **err)
{
	uint64_t memory = (uint64_t)json_integer_value(json_object_get(guest->show, "memory"));
	struct set_value *asked = guest->asked;

	for (size_t i = 0; i < SET_KEYS; i++) {
		asked[i].given = texts[i] != NULL;
		if (texts[i] && set_parse(&set_keys[i], texts[i], memory, &asked[i].value, err) < 0)
			return -1;
	}
	if (check_state(guest, err) < 0)
		return -1;
	for (size_t i = 0; i < SET_KEYS; i++)
		if (asked[i].given && set_keys[i].check(guest, asked[i].value, err) < 0)
			return err_wrap(err, "%s", set_keys[i].name);
	return 0;
}

int set_find_group(const struct set_guest *guest, char path[PATH_MAX], struct err **err)
{
	const char *group = json_string_value(json_object_get(guest->show, "cgroup"));
	const char *reason = json_string_value(json_object_get(guest->show, "cgroup_reason"));
	struct host_cgroup host;

	if (!group)
		return err_set(err, ERR_FAILED, 0, "it has no cgroup of its own: %s",
			       reason ? reason : "no reason is known");
	if (host_read_cgroup(guest->root_fd, &host, err) < 0)
		return -1;
	snprintf(path, PATH_MAX, "%s/%s", host.mount, group);
	return 0;
}

static int set_guest(struct set_guest *guest, const char *const texts[SET_KEYS])
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err *err = NULL;
	int status = 0;

	guest->root_fd = root_fd;
	if (check_all(guest, texts, &err) < 0) {
		err_wrap(&err, "guest %s", guest->name);
		return report_err(&err);
	}
	/* What is refused after all, since another guest came first, ends it. */
	for (size_t i = 0; i < SET_KEYS && status != ERR_REFUSED; i++) {
		const struct set_value *asked = &guest->asked[i];
		int failure = asked->given ? set_keys[i].apply(guest, asked->value) : 0;

		status = status ? status : failure;
	}
	return report_flush(status);
}

static int run_set(int argc, char **argv)
{
	struct set_guest guest = { 0 };
	const char *texts[SET_KEYS];
	struct err *err = NULL;
	const char *value;
	json_t *show;
	int status;
	int c;

	while ((c = options_next(&cmd_set, argc, argv, &value, &status)) >= 0)
		guest.no_wait = true;
	if (c == OPTIONS_EXIT ||
	    options_operands(&cmd_set, argc, 2, SIZE_MAX, "the name of a guest, and KEY=VALUE",
			     &status) < 0)
		return status;
	guest.name = argv[optind];
	if (set_split(argv + optind + 1, (size_t)(argc - optind - 1), texts, &err) < 0) {
		status = report_usage(&cmd_set, "%s", err_message(err));
		err_free(err);
		return status;
	}
	if (guest_call(guest.name, "show", &show, &err) < 0)
		return report_err(&err);
	guest.show = show;
	status = set_guest(&guest, texts);
	json_decref(show);
	return status;
}

static const struct command_option options[] = {
	{ "no-wait", 'n', NULL, "don't wait until the balloon has the size" },
	{ 0 },
};

const struct command cmd_set = {
	.name = "set",
	.operands = "[--no-wait] NAME KEY=VALUE...",
	.summary = "Changes a running guest",
	.details =
	    "guarantee=SIZE: what of its memory is always in the host's RAM.\n"
	    "memory-limit=SIZE: what of its memory may be in the host's RAM at most.\n"
	    "weight=N: its share of processors and disks, 1 to 10000.\n"
	    "cpu-limit=PERCENT: of one processor, what it may use, such as 150%; or none.\n"
	    "zswap-limit=SIZE: what it may have compressed in zswap, 0 for nothing; or none.\n"
	    "balloon=SIZE: what the guest is to give back through its balloon; 0 gives it all\n"
	    "back. Waits until the balloon has that size, or hasn't moved for 5 seconds.\n"
	    "reclaim=SIZE: has the kernel swap or drop that much of the guest's memory.\n"
	    "Everything is checked before anything is changed. Exits with 8 if less was got\n"
	    "than asked for, and with 12 if it can't be promised.\n",
	.options = options,
	.run = run_set,
};
