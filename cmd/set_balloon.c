/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge set NAME balloon=SIZE: sets the balloon's target and watches it get there.
 *
 * A guest gives what it can and may never reach the target, so the wait ends when the balloon
 * hasn't come nearer for a while: a guest that is short of memory may move it to and fro. It's
 * watched by asking: the VM process has nothing else to do.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "api/client.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/guest.h"
#include "cmd/report.h"
#include "cmd/set.h"

enum {
	STALL_MS = 5000, /* Linux's driver tries again 200 ms after it found nothing to give */
	LOOK_AGAIN_MS = 50,
};

/* A balloon on its way. */
struct journey {
	const char *name;
	uint64_t target; /* bytes, all of them */
	uint64_t start;
	uint64_t actual;
	int64_t start_ms;
	uint64_t left;	  /* the least that was left to go at any time */
	int64_t moved_ms; /* when that was */
	bool terminal;
};

static uint64_t bytes_of(const json_t *balloon, const char *member)
{
	return (uint64_t)json_integer_value(json_object_get(balloon, member));
}

int set_check_balloon(const struct set_guest *guest, uint64_t value, struct err **err)
{
	const json_t *balloon = json_object_get(guest->show, "balloon");

	(void)value;
	if (!json_is_true(json_object_get(balloon, "present")))
		return err_set(err, ERR_STATE, 0, "it has no balloon device");
	if (!json_is_true(json_object_get(balloon, "driver")))
		return err_set(err, ERR_STATE, 0, "no driver in the guest uses its balloon");
	return 0;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Takes in what the guest says now. An error if it can't get any further. */
static int look(struct journey *journey, struct err **err)
{
	json_t *balloon;

	if (guest_call(journey->name, "balloon", &balloon, err) < 0)
		return -1;

	uint64_t actual = bytes_of(balloon, "actual");
	bool driver = json_is_true(json_object_get(balloon, "driver"));
	bool ours = bytes_of(balloon, "target") == journey->target;

	json_decref(balloon);
	journey->actual = actual;
	if (distance(actual, journey->target) < journey->left) {
		journey->left = distance(actual, journey->target);
		journey->moved_ms = clock_monotonic_ms();
	}
	if (!driver)
		return err_set(err, ERR_STATE, 0, "guest %s: balloon: the guest's driver went away",
			       journey->name);
	if (!ours)
		return err_set(err, ERR_STATE, 0,
			       "guest %s: balloon: somebody else has set another size",
			       journey->name);
	return 0;
}

static void show_progress(const struct journey *journey, const char *end)
{
	char actual[SIZE_TEXT_MAX];
	char target[SIZE_TEXT_MAX];

	if (journey->terminal)
		fprintf(stderr, "\rballoon: %s of %s asked%s\033[K%s",
			size_format(journey->actual, actual), size_format(journey->target, target),
			*end ? "" : " ...", end);
}

static int travel(struct journey *journey, struct err **err)
{
	for (;;) {
		if (look(journey, err) < 0)
			return -1;
		if (journey->actual == journey->target ||
		    clock_monotonic_ms() - journey->moved_ms >= STALL_MS)
			return 0;
		show_progress(journey, "");
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
}

/* How far it got and how fast. */
static int report(const struct journey *journey)
{
	uint64_t moved = distance(journey->actual, journey->start);
	char actual[SIZE_TEXT_MAX];
	char target[SIZE_TEXT_MAX];
	char pace[SET_PACE_TEXT_MAX] = "";

	size_format(journey->actual, actual);
	size_format(journey->target, target);
	if (moved)
		set_format_pace(moved, journey->moved_ms - journey->start_ms, pace);
	if (journey->actual == journey->target) {
		printf("balloon: %s of %s asked%s\n", actual, target, moved ? pace : ", as before");
		return 0;
	}
	report_line("guest %s: balloon: %s of %s asked%s, and nothing more for %d s: the guest %s",
		    journey->name, actual, target, pace, STALL_MS / 1000,
		    journey->actual < journey->target ? "can't spare more" : "takes no more back");
	return ERR_TIMEOUT;
}

static int set_target(const char *name, uint64_t target, struct err **err)
{
	json_t *reply;

	if (client_call(name, json_pack("{s:s, s:I}", "verb", "set", "balloon", (json_int_t)target),
			GUEST_ANSWER_MS, &reply, err) < 0)
		return -1;
	json_decref(reply);
	return 0;
}

int set_apply_balloon(const struct set_guest *guest, uint64_t value)
{
	uint64_t start = bytes_of(json_object_get(guest->show, "balloon"), "actual");
	struct journey journey = {
		.name = guest->name,
		.target = value,
		.start = start,
		.actual = start,
		.left = distance(start, value),
		.start_ms = clock_monotonic_ms(),
		.moved_ms = clock_monotonic_ms(),
		.terminal = isatty(STDERR_FILENO),
	};
	struct err *err = NULL;

	if (set_target(guest->name, value, &err) < 0)
		return report_err(&err);
	if (guest->no_wait)
		return 0;

	int rc = travel(&journey, &err);

	show_progress(&journey, "\n");
	if (rc < 0)
		return report_err(&err);
	return report(&journey);
}
