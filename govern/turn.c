/* SPDX-License-Identifier: Apache-2.0 */
/* A turn of the governor: see turn.h. */
#include "govern/turn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "govern/balance.h"
#include "govern/by_hand.h"
#include "govern/danger.h"
#include "govern/ksm_act.h"
#include "govern/view.h"
#include "host/file.h"
#include "host/ksm.h"

enum { MESSAGE_MAX = 1024 };

struct turns {
	const struct governor_options *options;
	int root_fd;
	int dir_fd;
	pid_t ksmd_pid;
	uint64_t whole_ms; /* when KSM and promises were looked at last; 0: never */
	struct ksm_memory memory;
	struct danger_memory danger;
	struct by_hand by_hand;
	bool governs_ksm; /* this user may */
	struct balance *balance;
	char slice[LEDGER_SLICE_MAX]; /* "": there is none */
	/* What was said last, so that it isn't said every turn. */
	char last_plan[KSM_REASON_MAX];
};

int turns_new(int root_fd, int dir_fd, const struct governor_options *options,
	      struct turns **ret_turns, struct err **err)
{
	struct policy_settings settings = {
		.tax_percent = options->tax_percent,
		.interval_ms = options->interval_s * 1000,
	};
	struct turns *turns = calloc(1, sizeof(*turns));

	if (!turns)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "governor");
	*turns = (struct turns){
		.options = options,
		.root_fd = root_fd,
		.dir_fd = dir_fd,
		.governs_ksm = options->dry_run || host_writable(root_fd, HOST_KSM_RUN_PATH),
	};
	if (balance_new(root_fd, dir_fd, &settings, options->dry_run, &turns->balance, err) < 0) {
		free(turns);
		return -1;
	}
	if (dir_fd >= 0)
		govern_load(dir_fd, &turns->memory);
	*ret_turns = turns;
	return 0;
}

void turns_free(struct turns *turns)
{
	if (!turns)
		return;
	balance_free(turns->balance);
	by_hand_clear(&turns->by_hand);
	free(turns);
}

void turns_hurry(struct turns *turns)
{
	turns->whole_ms = 0;
}

const char *turns_slice(const struct turns *turns)
{
	return *turns->slice ? turns->slice : NULL;
}

void turns_end(struct turns *turns)
{
	if (*turns->slice && !turns->options->dry_run)
		balance_let_go(turns->balance, turns->slice);
}

static void add_text(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s", more);
}

/* "run 1, sleep_millisecs 20" */
static void format_writes(const struct ksm_plan *plan, char *text, size_t size)
{
	char value[KSM_KNOB_TEXT_MAX];

	text[0] = '\0';
	for (size_t i = 0; i < plan->n_writes; i++) {
		add_text(text, size, i > 0 ? ", " : "");
		add_text(text, size, ksm_knob_name(plan->writes[i].knob));
		add_text(text, size, " ");
		add_text(text, size,
			 ksm_knob_format(plan->writes[i].knob, plan->writes[i].value, value));
	}
}

static void log_plan(struct turns *turns, const struct ksm_plan *plan)
{
	char writes[MESSAGE_MAX / 2];

	/* A dry run comes to the same plan every turn. */
	if (!plan->reason[0] ||
	    (turns->options->dry_run && strcmp(plan->reason, turns->last_plan) == 0))
		return;
	snprintf(turns->last_plan, sizeof(turns->last_plan), "%s", plan->reason);
	format_writes(plan, writes, sizeof(writes));
	log_line("%s%s%s%s", turns->options->dry_run ? "would do: " : "", plan->reason,
		 writes[0] ? ": " : "", writes);
}

static void print_plan(const struct turns *turns, const struct govern_view *view,
		       const struct ksm_plan *plan)
{
	char value[KSM_KNOB_TEXT_MAX];
	char size[SIZE_TEXT_MAX];
	uint64_t memory = 0;
	size_t merging = 0;

	for (size_t i = 0; i < view->n_guests; i++) {
		merging += view->guests[i].merge;
		memory += view->guests[i].merge ? view->guests[i].memory : 0;
	}
	printf("guests: %zu, of which %zu want merging (%s of RAM)\n", view->n_guests, merging,
	       size_format(memory, size));
	printf("KSM: run %" PRIu64 ", %s saved by merging\n", view->knobs[KSM_RUN],
	       size_format(view->pages_saved * 4096, size));
	printf("plan: %s\n", plan->reason[0] ? plan->reason : "nothing to change");
	for (size_t i = 0; i < plan->n_writes; i++)
		printf("%s: /%s %s\n", turns->options->dry_run ? "would write" : "write",
		       ksm_knob_path(plan->writes[i].knob),
		       ksm_knob_format(plan->writes[i].knob, plan->writes[i].value, value));
}

/* What became of promises, on standard output or in the log. */
static void tell_danger(struct turns *turns, const struct govern_view *view)
{
	char text[DANGER_TEXT_MAX];

	if (!view->has_ledger)
		return;
	if (turns->options->once) {
		danger_describe(&view->ledger, text);
		printf("promises: %s\n", text);
		return;
	}
	danger_decide(&view->ledger, &turns->danger, text);
	if (*text)
		log_line("%s", text);
}

/* KSM, with the view that it is decided on. */
static int govern_ksm(struct turns *turns, const struct govern_view *view, struct err **err)
{
	struct ksm_plan plan;

	ksm_decide(view, &turns->memory, &plan);
	if (turns->options->once)
		print_plan(turns, view, &plan);
	else
		log_plan(turns, &plan);
	if (turns->options->dry_run)
		return 0;
	return govern_act(turns->root_fd, turns->dir_fd, &plan, &turns->memory, err);
}

static int take_whole(struct turns *turns, struct ledger *ret_ledger, bool *ret_has_ledger,
		      struct err **err)
{
	_cleanup_(govern_view_clear) struct govern_view view = { 0 };

	if (govern_view_read(turns->root_fd, &turns->ksmd_pid, &view, err) < 0)
		return -1;
	turns->whole_ms = view.now_ms;
	tell_danger(turns, &view);
	if (!turns->options->dry_run)
		by_hand_tell(&turns->by_hand, turns->root_fd, &view);
	*ret_ledger = view.ledger;
	*ret_has_ledger = view.has_ledger;
	return turns->governs_ksm ? govern_ksm(turns, &view, err) : 0;
}

/* Whether guests have groups, and where. */
static bool find_slice(struct turns *turns)
{
	char file[LEDGER_SLICE_MAX + 16];

	if (ledger_find(turns->root_fd, turns->slice, NULL) < 0) {
		turns->slice[0] = '\0';
		return false;
	}
	snprintf(file, sizeof(file), "%s/memory.max", turns->slice);
	if (!host_exists(turns->root_fd, file))
		turns->slice[0] = '\0';
	return *turns->slice;
}

static int govern_memory(struct turns *turns, const struct ledger *ledger, unsigned *ret_next_ms,
			 struct err **err)
{
	int rc = balance_turn(turns->balance, turns->slice, ledger, ret_next_ms, err);

	if (turns->options->once)
		balance_print(turns->balance, stdout);
	return rc;
}

int turns_take(struct turns *turns, unsigned *ret_next_ms, struct err **err)
{
	unsigned interval_ms = turns->options->interval_s * 1000;
	bool has_ledger = false;
	struct ledger ledger;
	int rc = 0;

	*ret_next_ms = interval_ms;
	if (turns->whole_ms == 0 || clock_boot_ms() - turns->whole_ms >= interval_ms)
		rc = take_whole(turns, &ledger, &has_ledger, err);
	if (!find_slice(turns))
		return rc;
	if (!has_ledger && ledger_read(turns->root_fd, turns->slice, &ledger, err) < 0)
		return -1;
	return govern_memory(turns, &ledger, ret_next_ms, err) < 0 ? -1 : rc;
}
