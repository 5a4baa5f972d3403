/* SPDX-License-Identifier: Apache-2.0 */
/* Asking running guests, and ending them: see guest.h. */
#include "cmd/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/client.h"
#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "host/process.h"

enum {
	PRESS_AGAIN_MS = 50, /* between two tries on a guest that isn't ready for it */
	KILL_MS = 5000,	     /* for a killed guest's process to go away */
	STATS_MS = 500,	     /* for a guest to send its statistics */
	STATS_NEW_MS = 1000, /* statistics of that age aren't asked for again */
};

/* Hands an error to the caller; returns -1. */
static int pass_on(struct err **err, struct err *why)
{
	if (err && !*err)
		*err = why;
	else
		err_free(why);
	return -1;
}

int guest_call(const char *name, const char *verb, json_t **ret_reply, struct err **err)
{
	json_t *reply;

	if (client_call(name, json_pack("{s:s}", "verb", verb), GUEST_ANSWER_MS, &reply, err) < 0)
		return -1;
	if (ret_reply)
		*ret_reply = reply;
	else
		json_decref(reply);
	return 0;
}

bool guest_sends_stats(const json_t *balloon)
{
	const json_t *word;
	size_t i;

	json_array_foreach (json_object_get(balloon, "negotiated"), i, word)
		if (json_is_string(word) && strcmp(json_string_value(word), "stats") == 0)
			return true;
	return false;
}

void guest_renew_stats(const char *name, json_t *show)
{
	const json_t *balloon = json_object_get(show, "balloon");
	const json_t *age = json_object_get(balloon, "stats_age_ms");
	json_t *renewed;

	if (!guest_sends_stats(balloon) ||
	    (json_is_integer(age) && json_integer_value(age) <= STATS_NEW_MS))
		return;
	if (client_call(name, json_pack("{s:s}", "verb", "stats"), STATS_MS, &renewed, NULL) == 0)
		json_object_set_new(show, "balloon", renewed);
}

int guest_names_get(struct guest_names *names, bool all, int argc, char **argv, struct err **err)
{
	if (!all) {
		*names = (struct guest_names){ .names = argv + optind,
					       .n = (size_t)(argc - optind) };
		return 0;
	}
	*names = (struct guest_names){ .listed = true };
	return rundir_list(&names->names, &names->n, err);
}

void guest_names_clear(struct guest_names *names)
{
	if (names->listed)
		rundir_list_free(names->names, names->n);
	*names = (struct guest_names){ 0 };
}

int guest_each(const struct guest_names *names, int (*fn)(const char *name, struct err **err))
{
	int status = 0;

	for (size_t i = 0; i < names->n; i++) {
		struct err *err = NULL;

		if (fn(names->names[i], &err) == 0)
			continue;
		if (names->listed && err_code(err) == ERR_STATE) {
			err_free(err);
			continue;
		}

		int failure = report_err(&err);

		if (status == 0)
			status = failure;
	}
	return status;
}

int guest_verb_main(const struct command *command, int argc, char **argv,
		    int (*fn)(const char *name, struct err **err))
{
	struct guest_names names;
	struct err *err = NULL;
	bool all = false;
	const char *value;
	int status;
	int c;

	while ((c = options_next(command, argc, argv, &value, &status)) >= 0)
		all = true; /* --all is the only option of such a verb */
	if (c == OPTIONS_EXIT || options_operands(command, argc, all ? 0 : 1, all ? 0 : SIZE_MAX,
						  "the name of a guest, or --all", &status) < 0)
		return status;
	if (guest_names_get(&names, all, argc, argv, &err) < 0)
		return report_err(&err);
	status = guest_each(&names, fn);
	guest_names_clear(&names);
	return status;
}

int guest_watch(const char *name, int *ret_fd, struct err **err)
{
	return rundir_connect(name, RUNDIR_CONTROL, SOCK_SEQPACKET, GUEST_ANSWER_MS, ret_fd, err);
}

bool guest_gone(int watch_fd, int timeout_ms)
{
	/* The server sends nothing that wasn't asked for, so whatever comes is the end. */
	struct pollfd p = { .fd = watch_fd, .events = POLLIN };
	int64_t deadline = clock_monotonic_ms() + timeout_ms;

	for (;;) {
		int n = poll(&p, 1, timeout_ms);

		if (n >= 0 || errno != EINTR)
			return n > 0;
		if (timeout_ms >= 0) {
			int64_t left = deadline - clock_monotonic_ms();

			timeout_ms = left > 0 ? (int)left : 0;
		}
	}
}

int guest_press_power(const char *name, int64_t deadline_ms, struct err **err)
{
	for (;;) {
		struct err *why = NULL;

		if (guest_call(name, "stop", NULL, &why) == 0)
			return 0;
		if (err_code(why) != ERR_STATE || clock_monotonic_ms() >= deadline_ms)
			return pass_on(err, why);
		err_free(why);
		/* If it was paused, it's the answer; if not, it's refused and does no harm. */
		guest_call(name, "resume", NULL, NULL);
		poll(NULL, 0, PRESS_AGAIN_MS);
	}
}

/* For a VM process that doesn't answer any more: whoever holds the guest's lock file open is it. */
static int kill_process(const char *name, struct err **err)
{
	_cleanup_free_ char *lock = NULL;
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid_t pids[HOST_HOLDERS_MAX];
	size_t n = 0;

	if (rundir_path(name, "lock", &lock, err) < 0)
		return -1;
	if (root_fd < 0)
		return err_set(err, ERR_FAILED, errno, "open /");
	if (host_find_holders(root_fd, lock, pids, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (kill(pids[i], SIGKILL) < 0 && errno != ESRCH)
			return err_set(err, err_code_from_errno(errno), errno,
				       "kill process %d of guest %s", (int)pids[i], name);
	return 0;
}

int guest_force(const char *name, int watch_fd, struct err **err)
{
	struct err *why = NULL;

	if (guest_call(name, "kill", NULL, &why) == 0 && guest_gone(watch_fd, KILL_MS))
		return 0;

	bool gone = guest_gone(watch_fd, 0);
	enum err_code code = err_code(why);
	bool answered = why && code != ERR_TIMEOUT && code != ERR_FAILED && code != ERR_STATE;

	if (!gone && answered)
		return pass_on(err, why);
	err_free(why);
	if (!gone) {
		if (kill_process(name, err) < 0)
			return -1;
		if (!guest_gone(watch_fd, KILL_MS))
			return err_set(err, ERR_TIMEOUT, 0, "guest %s can't be killed", name);
	}
	/* One that was killed leaves its directory. */
	return rundir_reap(name, err);
}
