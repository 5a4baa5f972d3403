/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge top: the host and all guests, and where their memory is.
 *
 * The full screen is the program lodge-top, which stands beside this one. What is printed once, as
 * text or JSON, is done here. Rates are differences, so printing once looks twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/sums.h"
#include "cmd/command.h"
#include "cmd/memory_report.h"
#include "cmd/neighbour.h"
#include "cmd/report.h"
#include "cmd/top_ask.h"
#include "cmd/top_options.h"
#include "cmd/top_text.h"

enum {
	ONCE_INTERVAL_MS = 500, /* between the two looks */
	ONCE_ANSWER_MS = 2000,
	ONCE_DECISIONS = 5,
	PLAIN_WIDTH = 180, /* where there is no terminal: room for all figures */
};

/* Printing once */

struct once {
	struct loop *loop;
	struct top_ask *ask;
	const struct top_options *options;
	int timer_fd;
	bool second; /* the second look */
	struct err *err;
};

static size_t plain_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return PLAIN_WIDTH;
	return size.ws_col;
}

static void print_line(const struct top_line *line)
{
	size_t n = line->n;

	while (n > 0 && line->cells[n - 1].ch == ' ')
		n--;
	for (size_t i = 0; i < n; i++)
		putchar(line->cells[i].ch);
	putchar('\n');
}

static void print_text(const struct top_snapshot *snapshot, const struct top_options *options,
		       const size_t *order)
{
	struct top_layout layout;
	struct top_line line;
	size_t width = plain_width();

	for (size_t i = 0; i < TOP_HOST_LINES; i++) {
		top_text_host(snapshot, i, width, &line);
		print_line(&line);
	}
	for (size_t i = 0; i < least(ONCE_DECISIONS, top_governor_decisions(&snapshot->governor));
	     i++) {
		top_text_decision(snapshot, i, width, &line);
		print_line(&line);
	}
	top_text_legend(width, &line);
	print_line(&line);
	putchar('\n');
	top_layout_make(snapshot, options->sort, width, &layout);
	top_text_header(&layout, options->sort, &line);
	print_line(&line);
	for (size_t i = 0; i < snapshot->n; i++) {
		top_text_guest(&layout, &snapshot->guests[order[i]], &line);
		print_line(&line);
	}
}

static json_t *rates_to_json(const struct top_rates *rates)
{
	return json_pack(
	    "{s:o, s:o, s:o, s:o, s:o}", "cpu_permille", memory_report_known(rates->cpu),
	    "vcpu_permille", memory_report_known(rates->vcpu), "swap_in",
	    memory_report_known(rates->swap_in), "swap_out", memory_report_known(rates->swap_out),
	    "major_faults", memory_report_known(rates->major_faults));
}

static json_t *host_to_json(const struct top_host *host)
{
	const struct host_view *view = &host->view;

	if (!host->known)
		return json_null();
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpus",
			 (int)host->activity.cpus, "memory",
			 memory_report_known(view->memory.total), "available",
			 memory_report_known(view->memory.available), "swap",
			 memory_report_known(view->swap.disk + view->swap.zram), "swap_used",
			 memory_report_known(view->swap.disk_used + view->swap.zram_used), "zswap",
			 memory_report_known(view->memory.zswap), "zswapped",
			 memory_report_known(view->memory.zswapped), "ksm_pages_sharing",
			 view->has_ksm ? memory_report_known(view->ksm.pages_sharing) : json_null(),
			 "rates", rates_to_json(&host->rates));
}

/* A guest is what `lodge show --json` says of it, and its rates. */
static json_t *guest_to_json(const struct top_guest *guest, const json_t *show)
{
	json_t *object = show ? json_copy((json_t *)show)
			      : json_pack("{s:s, s:s}", "name", guest->name, "state", guest->state);

	if (guest->known)
		json_object_set_new(object, "rates", rates_to_json(&guest->rates));
	return object;
}

static void print_json(const struct top_ask *ask, const size_t *order)
{
	const struct top_snapshot *snapshot = top_ask_snapshot(ask);
	json_t *guests = json_array();

	for (size_t i = 0; i < snapshot->n; i++)
		json_array_append_new(guests, guest_to_json(&snapshot->guests[order[i]],
							    top_ask_show(ask, order[i])));

	json_t *object = json_pack("{s:o, s:o, s:o}", "host", host_to_json(&snapshot->host),
				   "governor", top_governor_to_json(&snapshot->governor), "guests",
				   guests);

	report_json(object);
	json_decref(object);
}

static void print_snapshot(struct once *once)
{
	const struct top_snapshot *snapshot = top_ask_snapshot(once->ask);
	_cleanup_free_ size_t *order = calloc(snapshot->n + 1, sizeof(*order));

	if (!order) {
		err_set(&once->err, ERR_NO_SPACE, ENOMEM, "list of guests");
		return;
	}
	top_sort(snapshot, once->options->sort, once->options->reverse, order);
	if (once->options->json)
		print_json(once->ask, order);
	else
		print_text(snapshot, once->options, order);
}

static void once_done(void *opaque)
{
	struct once *once = opaque;
	unsigned ms = once->options->interval_ms ? once->options->interval_ms : ONCE_INTERVAL_MS;
	struct itimerspec when = {
		.it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 },
	};

	if (!once->second) {
		timerfd_settime(once->timer_fd, 0, &when, NULL);
		return;
	}
	print_snapshot(once);
	loop_quit(once->loop);
}

static void once_again(void *arg, uint32_t events)
{
	struct once *once = arg;
	uint64_t expirations;

	(void)events;
	if (read(once->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	once->second = true;
	if (top_ask_start(once->ask, &once->err) < 0)
		loop_quit(once->loop);
}

static int look_twice(struct once *once, int root_fd, struct err **err)
{
	const struct top_ask_options options = {
		.root_fd = root_fd,
		.answer_ms = ONCE_ANSWER_MS,
		.keep_show = once->options->json,
		.done = once_done,
		.opaque = once,
	};
	struct loop_source *timer = NULL;
	int rc = -1;

	if (top_ask_new(once->loop, &options, &once->ask, err) == 0 &&
	    loop_add(once->loop, once->timer_fd, EPOLLIN, once_again, once, &timer, err) == 0 &&
	    top_ask_start(once->ask, err) == 0)
		rc = loop_run(once->loop, err);
	loop_remove(timer);
	top_ask_free(once->ask);
	if (rc == 0 && once->err) {
		*err = once->err;
		rc = -1;
	}
	return rc;
}

static int print_once(const struct top_options *options, struct err **err)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct once once = { .options = options, .timer_fd = timer_fd };

	if (root_fd < 0 || timer_fd < 0)
		return err_set(err, ERR_FAILED, errno, "lodge top");
	if (loop_new(&once.loop, err) < 0)
		return -1;

	int rc = look_twice(&once, root_fd, err);

	loop_free(once.loop);
	return rc;
}

/* The full screen */

/* Returns only if that fails. */
static int run_screen(char **argv, struct err **err)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, ERR_USAGE, 0,
			       "standard %s is no terminal; use lodge top --once",
			       isatty(STDIN_FILENO) ? "output" : "input");
	argv[0] = (char[]){ TOP_PROGRAM };
	return neighbour_exec(TOP_PROGRAM, argv, " for the full screen", "; use lodge top --once",
			      err);
}

static int run_top(int argc, char **argv)
{
	struct top_options options;
	struct err *err = NULL;
	int status;

	if (top_options_read(&cmd_top, argc, argv, &options, &status) < 0)
		return status;
	/* lodge-top takes the same options. */
	if ((options.once ? print_once(&options, &err) : run_screen(argv, &err)) < 0)
		return report_err(&err);
	return report_flush(0);
}

const struct command cmd_top = {
	.name = "top",
	.operands = "[--sort KEY] [--reverse] [--interval SECONDS] [--once|--json]",
	.summary = "Shows the host and all guests live, with where their memory is",
	.details =
	    "On the full screen: q quit, s or < > sort, r reverse, arrows scroll, + - interval,\n"
	    "d decisions, p pause, ? help.\n\n"
	    "KEY is one of: name, state, cpu, vcpu, size, resident, private, cache, merged,\n"
	    "swapped, balloon, reported, untouched, overhead, swap-in, swap-out, faults, free,\n"
	    "available, age.\n",
	.options = top_option_table,
	.run = run_top,
};
