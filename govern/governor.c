/* SPDX-License-Identifier: Apache-2.0 */
/* The governor's loop: see governor.h. */
#include "govern/governor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/size.h"
#include "govern/act.h"
#include "govern/danger.h"
#include "govern/files.h"
#include "govern/notify.h"
#include "govern/view.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/ksm.h"

enum { MESSAGE_MAX = 1024 };

struct governor {
	const struct governor_options *options;
	int root_fd;
	int dir_fd;  /* the runtime directory; -1 in a dry run where there is none */
	int lock_fd; /* held for as long as this process lives */
	pid_t ksmd_pid;
	struct ksm_memory memory;
	struct danger_memory danger;
	struct loop *loop;
	/* What was said last, so that it isn't said every turn. */
	char last_error[MESSAGE_MAX];
	char last_plan[KSM_REASON_MAX];
};

/* What must be there before the first turn. */
static int prepare(struct governor *governor, struct err **err)
{
	bool dry_run = governor->options->dry_run;
	bool has_ksm = host_exists(governor->root_fd, HOST_KSM_RUN_PATH);
	struct host_cgroup host = { 0 };

	host_read_cgroup(governor->root_fd, &host, NULL);
	if (!has_ksm && !(host.controllers & HOST_CONTROLLER_MEMORY))
		return err_set(err, ERR_FAILED, 0,
			       "this host's kernel has no KSM (/%s is missing) and no memory "
			       "controller of version 2, so there's nothing to govern: guests run "
			       "as well without lodged",
			       HOST_KSM_RUN_PATH);
	if (has_ksm && !dry_run && !host_writable(governor->root_fd, HOST_KSM_RUN_PATH))
		return err_set(err, ERR_DENIED, 0,
			       "KSM's settings can't be changed by this user (/%s): run lodged as "
			       "root, or look with --dry-run",
			       HOST_KSM_RUN_PATH);
	if (rundir_open_root(!dry_run, &governor->dir_fd, err) < 0)
		return -1;
	if (!dry_run && govern_lock(governor->dir_fd, &governor->lock_fd, err) < 0)
		return -1;
	if (governor->dir_fd >= 0)
		govern_load(governor->dir_fd, &governor->memory);
	return 0;
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

static void log_plan(struct governor *governor, const struct ksm_plan *plan)
{
	char writes[MESSAGE_MAX / 2];

	/* A dry run comes to the same plan every turn. */
	if (!plan->reason[0] ||
	    (governor->options->dry_run && strcmp(plan->reason, governor->last_plan) == 0))
		return;
	snprintf(governor->last_plan, sizeof(governor->last_plan), "%s", plan->reason);
	format_writes(plan, writes, sizeof(writes));
	log_line("%s%s%s%s", governor->options->dry_run ? "would do: " : "", plan->reason,
		 writes[0] ? ": " : "", writes);
}

static void print_plan(const struct governor *governor, const struct govern_view *view,
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
		printf("%s: /%s %s\n", governor->options->dry_run ? "would write" : "write",
		       ksm_knob_path(plan->writes[i].knob),
		       ksm_knob_format(plan->writes[i].knob, plan->writes[i].value, value));
}

/* What became of promises, on standard output or in the log. */
static void tell_danger(struct governor *governor, const struct govern_view *view)
{
	char text[DANGER_TEXT_MAX];

	if (!view->has_ledger)
		return;
	if (governor->options->once) {
		danger_describe(&view->ledger, text);
		printf("promises: %s\n", text);
		return;
	}
	danger_decide(&view->ledger, &governor->danger, text);
	if (*text)
		log_line("%s", text);
}

static int take_turn(struct governor *governor, struct err **err)
{
	_cleanup_(govern_view_clear) struct govern_view view = { 0 };
	struct ksm_plan plan;

	if (govern_view_read(governor->root_fd, &governor->ksmd_pid, &view, err) < 0)
		return -1;
	tell_danger(governor, &view);
	ksm_decide(&view, &governor->memory, &plan);
	if (governor->options->once)
		print_plan(governor, &view, &plan);
	else
		log_plan(governor, &plan);
	if (governor->options->dry_run)
		return 0;
	return govern_act(governor->root_fd, governor->dir_fd, &plan, &governor->memory, err);
}

/* A turn that fails is tried again with the next; the same failure is logged once. */
static void turn_and_go_on(struct governor *governor)
{
	_cleanup_err_ struct err *err = NULL;

	if (take_turn(governor, &err) == 0) {
		governor->last_error[0] = '\0';
		return;
	}
	if (strcmp(err_message(err), governor->last_error) != 0)
		log_line("%s", err_message(err));
	snprintf(governor->last_error, sizeof(governor->last_error), "%s", err_message(err));
}

static void clear_timer(int fd)
{
	uint64_t expired;
	/* Nothing to read means that somebody set the timer anew. */
	ssize_t ignored __attribute__((unused)) = read(fd, &expired, sizeof(expired));
}

/* A descriptor that the loop waits for. */
struct event {
	int fd;
	struct loop_source *source;
	struct governor *governor;
};

static void on_turn(void *arg, uint32_t events)
{
	const struct event *timer = arg;

	(void)events;
	clear_timer(timer->fd);
	turn_and_go_on(timer->governor);
}

/* The kernel's event is that the file isn't any more what was read last. */
static void on_swaps(void *arg, uint32_t events)
{
	const struct event *swaps = arg;
	char text[4096];

	(void)events;
	lseek(swaps->fd, 0, SEEK_SET);
	while (read(swaps->fd, text, sizeof(text)) > 0)
		;
	turn_and_go_on(swaps->governor);
}

static void on_watchdog(void *arg, uint32_t events)
{
	const struct event *timer = arg;

	(void)events;
	clear_timer(timer->fd);
	notify("WATCHDOG=1");
}

static void on_signal(void *arg, uint32_t events)
{
	const struct event *timer = arg;

	(void)events;
	loop_quit(timer->governor->loop);
}

static void clear_source(struct event *timer)
{
	loop_remove(timer->source);
	cleanup_close(&timer->fd);
}

/* A timer that goes off every us, from now on. */
static int add_timer(struct governor *governor, struct event *timer, uint64_t us, loop_fn fn,
		     struct err **err)
{
	struct timespec period = { .tv_sec = (time_t)(us / 1000000),
				   .tv_nsec = (long)(us % 1000000) * 1000 };
	struct itimerspec when = { .it_interval = period, .it_value = period };

	timer->governor = governor;
	timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer->fd < 0 || timerfd_settime(timer->fd, 0, &when, NULL) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "timer");
	return loop_add(governor->loop, timer->fd, EPOLLIN, fn, timer, &timer->source, err);
}

static int add_signals(struct governor *governor, struct event *signals, struct err **err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signals->governor = governor;
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "signals");
	return loop_add(governor->loop, signals->fd, EPOLLIN, on_signal, signals, &signals->source,
			err);
}

/* proc(5): /proc/swaps has an event, of POLLPRI, when swap comes or goes. Where it can't be waited
 * for, the next turn sees it. */
static void add_swaps(struct governor *governor, struct event *swaps)
{
	swaps->governor = governor;
	swaps->fd = openat(governor->root_fd, "proc/swaps", O_RDONLY | O_CLOEXEC);
	if (swaps->fd >= 0)
		loop_add(governor->loop, swaps->fd, EPOLLPRI, on_swaps, swaps, &swaps->source,
			 NULL);
}

static void free_loop(struct loop **loop)
{
	loop_free(*loop);
}

static int run_loop(struct governor *governor, struct err **err)
{
	_cleanup_(free_loop) struct loop *loop = NULL;
	_cleanup_(clear_source) struct event signals = { .fd = -1 };
	_cleanup_(clear_source) struct event turns = { .fd = -1 };
	_cleanup_(clear_source) struct event watchdog = { .fd = -1 };
	_cleanup_(clear_source) struct event swaps = { .fd = -1 };
	uint64_t interval_us = (uint64_t)governor->options->interval_s * 1000000;
	uint64_t watchdog_us = notify_watchdog_us();

	if (loop_new(&loop, err) < 0)
		return -1;
	governor->loop = loop;
	if (add_signals(governor, &signals, err) < 0 ||
	    add_timer(governor, &turns, interval_us, on_turn, err) < 0 ||
	    (watchdog_us > 0 && add_timer(governor, &watchdog, watchdog_us, on_watchdog, err) < 0))
		return -1;
	add_swaps(governor, &swaps);
	log_line("lodged %s governs%s", LODGE_VERSION,
		 governor->options->dry_run ? " nothing: it only says what it would do"
					    : " KSM, and watches promises");
	turn_and_go_on(governor);
	notify("READY=1");
	if (loop_run(loop, err) < 0)
		return -1;
	notify("STOPPING=1");
	log_line("lodged ends; KSM stays as it is");
	return 0;
}

static void governor_clear(struct governor *governor)
{
	cleanup_close(&governor->lock_fd);
	cleanup_close(&governor->dir_fd);
}

int governor_run(int root_fd, const struct governor_options *options, struct err **err)
{
	_cleanup_(governor_clear) struct governor governor = {
		.options = options, .root_fd = root_fd, .dir_fd = -1, .lock_fd = -1
	};

	if (prepare(&governor, err) < 0)
		return -1;
	return options->once ? take_turn(&governor, err) : run_loop(&governor, err);
}
