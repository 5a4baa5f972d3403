/* SPDX-License-Identifier: Apache-2.0 */
/* The governor's loop: see governor.h. */
#include "govern/governor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "govern/files.h"
#include "govern/notify.h"
#include "govern/policy.h"
#include "govern/turn.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/ksm.h"
#include "host/psi.h"
#include "ledger/place.h"

enum { MESSAGE_MAX = 1024 };

struct governor {
	const struct governor_options *options;
	int root_fd;
	int dir_fd;  /* the runtime directory; -1 in a dry run where there is none */
	int lock_fd; /* held for as long as this process lives */
	struct turns *turns;
	struct loop *loop;
	int64_t turned_ms; /* when the last turn ended, CLOCK_MONOTONIC */
	int timer_fd;	   /* of the next turn; -1 without a loop */
	struct event *pressure_of_guests;
	/* What was said last, so that it isn't said every turn. */
	char last_error[MESSAGE_MAX];
};

/* Somebody with a group of their own may govern the memory of the guests in it. */
static bool may_govern_memory(int root_fd)
{
	struct ledger_place place;

	return ledger_find_own(root_fd, &place, NULL) == 0;
}

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
	if (has_ksm && !dry_run && !host_writable(governor->root_fd, HOST_KSM_RUN_PATH) &&
	    !may_govern_memory(governor->root_fd))
		return err_set(err, ERR_DENIED, 0,
			       "this user may change neither KSM's settings (/%s) nor a control "
			       "group: run lodged as root, or look with --dry-run",
			       HOST_KSM_RUN_PATH);
	if (rundir_open_root(!dry_run, &governor->dir_fd, err) < 0)
		return -1;
	if (!dry_run && govern_lock(governor->dir_fd, &governor->lock_fd, err) < 0)
		return -1;
	return turns_new(governor->root_fd, governor->dir_fd, governor->options, &governor->turns,
			 err);
}

/* A descriptor that the loop waits for. */
struct event {
	int fd;
	struct loop_source *source;
	struct governor *governor;
};

static void clear_source(struct event *event)
{
	loop_remove(event->source);
	cleanup_close(&event->fd);
	event->source = NULL;
	event->fd = -1;
}

/* The next turn comes so long from now. */
static void arm(const struct governor *governor, unsigned ms)
{
	/* 0 would switch the timer off. */
	struct itimerspec when = { .it_value = { .tv_sec = ms / 1000,
						 .tv_nsec = ms % 1000 * 1000000L + (ms == 0) } };

	timerfd_settime(governor->timer_fd, 0, &when, NULL);
}

/* Guests' pressure can be waited for once there are guests. */
static void watch_guests(struct governor *governor);

/* A turn that fails is tried again with the next; the same failure is logged once. */
static void turn_and_go_on(struct governor *governor)
{
	unsigned next_ms = governor->options->interval_s * 1000;
	_cleanup_err_ struct err *err = NULL;

	if (turns_take(governor->turns, &next_ms, &err) == 0) {
		governor->last_error[0] = '\0';
	} else if (strcmp(err_message(err), governor->last_error) != 0) {
		log_line("%s", err_message(err));
		snprintf(governor->last_error, sizeof(governor->last_error), "%s",
			 err_message(err));
	}
	governor->turned_ms = clock_monotonic_ms();
	watch_guests(governor);
	arm(governor, next_ms);
}

static void clear_timer(int fd)
{
	uint64_t expired;
	/* Nothing to read means that somebody set the timer anew. */
	ssize_t ignored __attribute__((unused)) = read(fd, &expired, sizeof(expired));
}

static void on_turn(void *arg, uint32_t events)
{
	const struct event *timer = arg;

	(void)events;
	clear_timer(timer->fd);
	turn_and_go_on(timer->governor);
}

/* Somebody waits for memory. A turn comes at once, if the last one is long enough ago. */
static void on_pressure(void *arg, uint32_t events)
{
	struct event *pressure = arg;
	struct governor *governor = pressure->governor;
	int64_t ago_ms = clock_monotonic_ms() - governor->turned_ms;

	if (events & EPOLLERR) {
		/* The group is gone; another one of its name is found with a later turn. */
		clear_source(pressure);
		return;
	}
	if (ago_ms >= POLICY_FAST_MS)
		turn_and_go_on(governor);
	else
		arm(governor, (unsigned)(POLICY_FAST_MS - ago_ms));
}

/* The host's if group is NULL. */
static void watch_pressure(struct event *event, const char *group, struct err **err)
{
	const struct host_psi_trigger trigger = { .stall_us = 150000, .window_us = 2000000 };
	struct governor *governor = event->governor;

	if (event->fd >= 0 ||
	    host_open_psi_trigger(governor->root_fd, group, &trigger, &event->fd, err) < 0)
		return;
	if (loop_add(governor->loop, event->fd, EPOLLPRI, on_pressure, event, &event->source, err) <
	    0)
		clear_source(event);
}

/* Without pressure accounting, or the right to use it, turns come by time alone. */
static void watch_host(struct event *event)
{
	_cleanup_err_ struct err *err = NULL;

	watch_pressure(event, NULL, &err);
	if (err)
		log_line("%s: lodged looks every %u s, and isn't woken when guests wait for memory",
			 err_message(err), event->governor->options->interval_s);
}

static void watch_guests(struct governor *governor)
{
	const char *slice = turns_slice(governor->turns);

	if (slice)
		watch_pressure(governor->pressure_of_guests, slice, NULL);
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
	turns_hurry(swaps->governor->turns);
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

/* A timer that goes off every us, from now on; 0: when it's set. */
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
	_cleanup_(clear_source) struct event host = { .fd = -1, .governor = governor };
	_cleanup_(clear_source) struct event guests = { .fd = -1, .governor = governor };
	uint64_t watchdog_us = notify_watchdog_us();

	if (loop_new(&loop, err) < 0)
		return -1;
	governor->loop = loop;
	if (add_signals(governor, &signals, err) < 0 ||
	    add_timer(governor, &turns, 0, on_turn, err) < 0 ||
	    (watchdog_us > 0 && add_timer(governor, &watchdog, watchdog_us, on_watchdog, err) < 0))
		return -1;
	governor->timer_fd = turns.fd;
	governor->pressure_of_guests = &guests;
	add_swaps(governor, &swaps);
	watch_host(&host);
	log_line("lodged %s governs%s", LODGE_VERSION,
		 governor->options->dry_run ? " nothing: it only says what it would do"
					    : " guests' memory and KSM, and watches promises");
	turn_and_go_on(governor);
	notify("READY=1");
	if (loop_run(loop, err) < 0)
		return -1;
	notify("STOPPING=1");
	turns_end(governor->turns);
	log_line("lodged ends; KSM and what guests have stay as they are");
	return 0;
}

static void governor_clear(struct governor *governor)
{
	turns_free(governor->turns);
	cleanup_close(&governor->lock_fd);
	cleanup_close(&governor->dir_fd);
}

int governor_run(int root_fd, const struct governor_options *options, struct err **err)
{
	_cleanup_(governor_clear) struct governor governor = {
		.options = options, .root_fd = root_fd, .dir_fd = -1, .lock_fd = -1, .timer_fd = -1
	};

	unsigned next_ms;

	if (prepare(&governor, err) < 0)
		return -1;
	return options->once ? turns_take(governor.turns, &next_ms, err) : run_loop(&governor, err);
}
