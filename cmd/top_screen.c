/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge-top: the full screen of `lodge top`, which runs it.
 *
 * A program of its own, because VM processes are forked from `lodge` and ncurses would be in each
 * of them. All that can be done without a terminal is done elsewhere (top_ask.h, top_view.h); here
 * is ncurses, and an event loop that sleeps until a guest answers, a key is pressed, the window
 * changes, or it's time to look again.
 */
#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "cmd/report.h"
#include "cmd/top_ask.h"
#include "cmd/top_crash.h"
#include "cmd/top_options.h"
#include "cmd/top_view.h"

enum {
	INTERVAL_MS = 2000,
	ANSWER_MS = 1000,
	ESCAPE_MS = 25, /* between an Esc and the rest of a function key */
	REDRAW_KEY = 'L' - '@',
	IDLE_READS_MAX = 100, /* a terminal that always has input but never a key is gone */
};

struct screen {
	struct loop *loop;
	struct top_ask *ask;
	struct top_view view;
	bool asked; /* there is a snapshot */
	bool utf8;
	bool colours;
	int timer_fd;
	int signal_fd;
	unsigned idle_reads;
	int signum; /* what ended it, or 0 */
	struct err *err;
};

/* Drawing */

static const struct look {
	short colour; /* -1: the terminal's own */
	attr_t attributes;
	const char *utf8; /* instead of the line's own character */
} looks[TOP_STYLES] = {
	[TOP_PLAIN] = { -1, 0, NULL },
	[TOP_TITLE] = { -1, A_BOLD, NULL },
	[TOP_HEADER] = { -1, A_REVERSE, NULL },
	[TOP_SORTED] = { -1, A_REVERSE | A_BOLD | A_UNDERLINE, NULL },
	[TOP_DIM] = { -1, A_DIM, NULL },
	[TOP_WARNING] = { COLOR_RED, A_BOLD, NULL },
	[TOP_PART_PRIVATE] = { COLOR_GREEN, 0, "\u2588" },
	[TOP_PART_CACHE] = { COLOR_CYAN, 0, "\u2593" },
	[TOP_PART_MERGED] = { COLOR_BLUE, 0, "\u2592" },
	[TOP_PART_SWAPPED] = { COLOR_RED, 0, "\u2591" },
	[TOP_PART_BALLOON] = { COLOR_YELLOW, 0, NULL },
	[TOP_PART_REPORTED] = { COLOR_MAGENTA, 0, NULL },
	[TOP_PART_UNTOUCHED] = { -1, A_DIM, "\u00b7" },
	[TOP_PART_GUESTS] = { COLOR_GREEN, 0, "\u2588" },
	[TOP_PART_ZSWAP] = { COLOR_MAGENTA, 0, "\u2592" },
	[TOP_PART_OTHER] = { COLOR_BLUE, 0, "\u2593" },
	[TOP_PART_AVAILABLE] = { -1, A_DIM, "\u00b7" },
};

static void start_colours(struct screen *screen)
{
	screen->colours = has_colors() && start_color() == OK && use_default_colors() == OK;
	for (short i = 0; screen->colours && i < TOP_STYLES; i++)
		if (looks[i].colour >= 0)
			init_pair((short)(i + 1), looks[i].colour, -1);
}

static void draw_line(void *opaque, size_t row, const struct top_line *line)
{
	const struct screen *screen = opaque;

	move((int)row, 0);
	for (size_t i = 0; i < line->n; i++) {
		const struct top_cell *cell = &line->cells[i];
		const struct look *look = &looks[cell->style];
		bool colour = screen->colours && look->colour >= 0;

		attr_set(look->attributes, (short)(colour ? cell->style + 1 : 0), NULL);
		if (screen->utf8 && look->utf8)
			addstr(look->utf8);
		else
			addch((chtype)(unsigned char)cell->ch);
	}
	attr_set(A_NORMAL, 0, NULL);
}

static size_t guests_shown(const struct screen *screen)
{
	return screen->asked ? top_ask_snapshot(screen->ask)->n : 0;
}

static void draw(struct screen *screen)
{
	const struct top_snapshot *snapshot = screen->asked ? top_ask_snapshot(screen->ask) : NULL;
	_cleanup_free_ size_t *order = calloc(guests_shown(screen) + 1, sizeof(*order));

	if (!order)
		return;
	if (snapshot)
		top_sort(snapshot, screen->view.sort, screen->view.reverse, order);
	erase();
	top_view_draw(&screen->view, snapshot, order, (size_t)LINES, (size_t)COLS, draw_line,
		      screen);
	refresh();
}

/* Events */

static void quit(struct screen *screen)
{
	loop_quit(screen->loop);
}

static void look_again(struct screen *screen)
{
	if (top_ask_start(screen->ask, &screen->err) < 0)
		quit(screen);
}

/* While it's paused nothing is looked at. */
static void set_timer(const struct screen *screen)
{
	unsigned ms = screen->view.paused ? 0 : screen->view.interval_ms;
	struct timespec every = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	struct itimerspec when = { .it_interval = every, .it_value = every };

	timerfd_settime(screen->timer_fd, 0, &when, NULL);
}

static void on_timer(void *arg, uint32_t events)
{
	struct screen *screen = arg;
	uint64_t expirations;

	(void)events;
	if (read(screen->timer_fd, &expirations, sizeof(expirations)) >= 0)
		look_again(screen);
}

static void on_done(void *opaque)
{
	struct screen *screen = opaque;

	screen->asked = true;
	draw(screen);
}

static enum top_input input_of(int ch)
{
	switch (ch) {
	case KEY_UP:
		return TOP_INPUT_UP;
	case KEY_DOWN:
		return TOP_INPUT_DOWN;
	case KEY_PPAGE:
		return TOP_INPUT_PAGE_UP;
	case KEY_NPAGE:
		return TOP_INPUT_PAGE_DOWN;
	case KEY_HOME:
		return TOP_INPUT_FIRST;
	case KEY_END:
		return TOP_INPUT_LAST;
	case KEY_RIGHT:
		return TOP_INPUT_SORT_NEXT;
	case KEY_LEFT:
		return TOP_INPUT_SORT_PREVIOUS;
	default:
		return top_view_key(ch);
	}
}

static void take_key(struct screen *screen, int ch)
{
	struct top_view before = screen->view;

	if (ch == REDRAW_KEY)
		clearok(stdscr, TRUE);
	if (!top_view_take(&screen->view, input_of(ch), (size_t)LINES, guests_shown(screen))) {
		quit(screen);
		return;
	}
	if (before.paused != screen->view.paused || before.interval_ms != screen->view.interval_ms)
		set_timer(screen);
	if (before.paused && !screen->view.paused)
		look_again(screen);
}

static void on_input(void *arg, uint32_t events)
{
	struct screen *screen = arg;
	int keys = 0;
	int ch;

	while ((ch = getch()) != ERR) {
		take_key(screen, ch);
		keys++;
	}
	screen->idle_reads = keys ? 0 : screen->idle_reads + 1;
	if ((events & (EPOLLHUP | EPOLLERR)) || screen->idle_reads > IDLE_READS_MAX)
		quit(screen);
	else
		draw(screen);
}

static void on_signal(void *arg, uint32_t events)
{
	struct screen *screen = arg;
	struct signalfd_siginfo info;
	struct winsize size;

	(void)events;
	if (read(screen->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGWINCH) {
		screen->signum = (int)info.ssi_signo;
		quit(screen);
		return;
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
	draw(screen);
}

/* The whole run */

static int start_curses(struct screen *screen, struct err **err)
{
	const char *term = getenv("TERM");

	top_crash_save();
	if (!newterm(NULL, stdout, stdin))
		return err_set(err, ERR_USAGE, 0,
			       "no terminal of type \"%s\" is known here: set TERM to one that is, "
			       "or use lodge top --once",
			       term ? term : "");
	top_crash_watch();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	start_colours(screen);
	return 0;
}

/* Signals come through a descriptor, so that none of them finds ncurses half-way. */
static int take_signals(int *ret_fd, struct err **err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? err_set(err, ERR_FAILED, errno, "signals") : 0;
}

static int run_loop(struct screen *screen, int root_fd, struct err **err)
{
	const struct top_ask_options options = {
		.root_fd = root_fd,
		.answer_ms = ANSWER_MS,
		.done = on_done,
		.opaque = screen,
	};
	struct loop_source *sources[3] = { NULL };
	int rc = -1;

	if (top_ask_new(screen->loop, &options, &screen->ask, err) == 0 &&
	    loop_add(screen->loop, STDIN_FILENO, EPOLLIN, on_input, screen, &sources[0], err) ==
		0 &&
	    loop_add(screen->loop, screen->signal_fd, EPOLLIN, on_signal, screen, &sources[1],
		     err) == 0 &&
	    loop_add(screen->loop, screen->timer_fd, EPOLLIN, on_timer, screen, &sources[2], err) ==
		0 &&
	    start_curses(screen, err) == 0) {
		draw(screen);
		set_timer(screen);
		look_again(screen);
		rc = loop_run(screen->loop, err);
		endwin();
	}
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		loop_remove(sources[i]);
	top_ask_free(screen->ask);
	if (rc == 0 && screen->err) {
		*err = screen->err;
		rc = -1;
	}
	return rc;
}

static int run_screen(const struct top_options *options, int *ret_signum, struct err **err)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	_cleanup_close_ int signal_fd = -1;
	struct screen screen = {
		.view = {
			.sort = options->sort,
			.reverse = options->reverse,
			.interval_ms = options->interval_ms ? options->interval_ms : INTERVAL_MS,
		},
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.timer_fd = timer_fd,
	};

	if (root_fd < 0 || timer_fd < 0)
		return err_set(err, ERR_FAILED, errno, TOP_PROGRAM);
	if (take_signals(&signal_fd, err) < 0 || loop_new(&screen.loop, err) < 0)
		return -1;
	screen.signal_fd = signal_fd;

	int rc = run_loop(&screen, root_fd, err);

	loop_free(screen.loop);
	*ret_signum = screen.signum;
	return rc;
}

/* Ends as the signal would have ended it, now that the terminal is as it was. */
static void end_by(int signum)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signum);
	signal(signum, SIG_DFL);
	raise(signum);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	struct top_options options;
	struct err *err = NULL;
	int signum = 0;
	int status;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	if (top_options_read(&cmd_top, argc, argv, &options, &status) < 0)
		return status;
	if (options.once)
		return report_usage(&cmd_top, TOP_PROGRAM " has only the full screen");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return report_usage(&cmd_top, TOP_PROGRAM " needs a terminal");
	if (run_screen(&options, &signum, &err) < 0)
		return report_err(&err);
	if (signum)
		end_by(signum);
	return 0;
}
