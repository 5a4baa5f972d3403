/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's console on standard input and output: see console_client.h. */
#include "cmd/console_client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/client.h"
#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cmd/escape.h"
#include "cmd/guest.h"
#include "cmd/output.h"
#include "cmd/terminal.h"

enum {
	READ_SIZE = 65536,
	TYPED_MAX = 65536,
	SIZE_ANSWER_MS = 1000, /* how long telling the terminal's size may hold up the console */
	LAST_FORCE_MS = 3000,  /* from "end by force" to SIGKILL */
};

/* How far ending our guest has gone. */
enum ending { ENDING_NOT, ENDING_ASKED, ENDING_FORCED, ENDING_KILLED };

struct relay {
	const struct console_client *client;
	int console_fd; /* -1: the guest's side has ended */
	int signal_fd;
	struct output *output;
	bool terminal;
	bool input_open;
	struct escape escape;

	uint8_t typed[TYPED_MAX]; /* for the guest, not yet taken by it */
	size_t n_typed;

	bool child_gone;
	int child_status; /* as from waitpid() */
	enum ending ending;
	int64_t next_step_at; /* when ending goes on by itself, on clock_monotonic_ms()'s clock */

	bool left; /* the user detached, or a signal ended the console */
	int left_by_signal;
	int output_errno;
};

/* Those that end or stop a process, unless whoever started it has them ignored (nohup). */
static void add_wanted_signals(sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct sigaction action;

		if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, signals[i]);
	}
}

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGWINCH);
	sigaddset(set, SIGCONT);
	add_wanted_signals(set);
}

void console_client_take_signals(void)
{
	sigset_t set;

	/* Ignored, it would keep the child's exit status from us. */
	signal(SIGCHLD, SIG_DFL);
	fill_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A line of ours among the guest's. */
static void notice(const struct relay *relay, const char *text)
{
	if (relay->terminal)
		fprintf(stderr, "\r\n[lodge: %s]\r\n", text);
	else
		fprintf(stderr, "lodge: %s\n", text);
}

static void show_keys(const struct relay *relay)
{
	char key[ESCAPE_NAME_MAX];
	char text[256];

	escape_name(relay->escape.key, key);
	snprintf(text, sizeof(text),
		 "after %s: d leave the guest running, s press its power button, k end it by "
		 "force, %s send %s, ? this help",
		 key, key, key);
	notice(relay, text);
}

static void tell_size(const struct relay *relay)
{
	uint16_t columns;
	uint16_t rows;
	json_t *reply;

	if (!relay->terminal || !terminal_size(&columns, &rows))
		return;
	/* A guest that ends just now doesn't need it. */
	if (client_call(relay->client->name,
			json_pack("{s:s, s:i, s:i}", "verb", "console-size", "columns",
				  (int)columns, "rows", (int)rows),
			SIZE_ANSWER_MS, &reply, NULL) == 0)
		json_decref(reply);
}

/* The next step of ending our own guest. Signals to the VM process rather than requests, since they
 * don't have to be waited for (api/vm_process.h). */
static void end_child(struct relay *relay)
{
	static const int wait_ms[] = { [ENDING_ASKED] = CONSOLE_FORCE_MS,
				       [ENDING_FORCED] = LAST_FORCE_MS,
				       [ENDING_KILLED] = LAST_FORCE_MS };

	if (relay->child_gone)
		return;
	if (relay->ending < ENDING_KILLED)
		relay->ending++;
	kill(relay->client->child, relay->ending == ENDING_KILLED ? SIGKILL : SIGTERM);
	relay->next_step_at = clock_monotonic_ms() + wait_ms[relay->ending];
}

static void on_end_signal(struct relay *relay, int signum)
{
	if (relay->client->child) {
		end_child(relay);
		return;
	}
	relay->left = true;
	relay->left_by_signal = signum;
}

static void stop_and_go_on(void)
{
	terminal_restore();
	raise(SIGSTOP);
}

static void collect_child(struct relay *relay)
{
	if (relay->client->child && !relay->child_gone &&
	    waitpid(relay->client->child, &relay->child_status, WNOHANG) == relay->client->child)
		relay->child_gone = true;
}

static void on_continue(struct relay *relay)
{
	/* Started again in the background, the terminal is somebody else's. */
	if (!relay->terminal || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	terminal_make_raw(NULL);
	tell_size(relay);
}

static void on_signals(struct relay *relay)
{
	struct signalfd_siginfo info;

	while (read(relay->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			collect_child(relay);
			break;
		case SIGWINCH:
			tell_size(relay);
			break;
		case SIGTSTP:
			stop_and_go_on();
			break;
		case SIGCONT:
			on_continue(relay);
			break;
		default:
			on_end_signal(relay, (int)info.ssi_signo);
		}
	}
}

static void ask_guest(const struct relay *relay, const char *verb)
{
	_cleanup_err_ struct err *err = NULL;

	if (guest_call(relay->client->name, verb, NULL, &err) < 0)
		notice(relay, err_message(err));
}

static void take_typed_byte(struct relay *relay, uint8_t byte)
{
	switch (relay->terminal ? escape_take(&relay->escape, byte) : ESCAPE_SEND) {
	case ESCAPE_NOTHING:
		break;
	case ESCAPE_SEND:
		/* A guest that doesn't read loses what is typed ahead: the escape key must go on
		 * working. */
		if (relay->n_typed < TYPED_MAX)
			relay->typed[relay->n_typed++] = byte;
		break;
	case ESCAPE_HELP:
		show_keys(relay);
		break;
	case ESCAPE_DETACH:
		relay->left = true;
		break;
	case ESCAPE_POWER:
		notice(relay, "power button");
		ask_guest(relay, "stop");
		break;
	case ESCAPE_KILL:
		ask_guest(relay, "kill");
		break;
	}
}

static void on_input(struct relay *relay)
{
	uint8_t buf[4096];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		relay->input_open = false;
	for (ssize_t i = 0; i < n && !relay->left; i++)
		take_typed_byte(relay, buf[i]);
}

static void on_console_writable(struct relay *relay)
{
	ssize_t n = send(relay->console_fd, relay->typed, relay->n_typed,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) /* its reading end will say that the guest has gone */
		n = (ssize_t)relay->n_typed;
	relay->n_typed -= (size_t)n;
	memmove(relay->typed, relay->typed + n, relay->n_typed);
}

static void close_console(struct relay *relay)
{
	cleanup_close(&relay->console_fd);
	relay->console_fd = -1;
	relay->n_typed = 0;
}

static void on_console_readable(struct relay *relay)
{
	uint8_t buf[READ_SIZE];
	ssize_t n = recv(relay->console_fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0) {
		if (output_push(relay->output, buf, (size_t)n) < 0)
			relay->output_errno = ENOMEM;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close_console(relay);
	}
}

static bool is_over(const struct relay *relay)
{
	if (relay->left)
		return true;
	return relay->console_fd < 0 && (!relay->client->child || relay->child_gone);
}

static void check_output(struct relay *relay)
{
	uint64_t count;
	ssize_t ignored
	    __attribute__((unused)) = read(output_event_fd(relay->output), &count, sizeof(count));
	int errnum = output_errno(relay->output);

	if (!errnum || relay->output_errno)
		return;
	relay->output_errno = errnum;
	on_end_signal(relay, SIGPIPE);
}

/* How long the loop may sleep, ms; carries out what is due. */
static int timeout_ms(struct relay *relay)
{
	if (relay->ending == ENDING_NOT || relay->child_gone)
		return -1;

	int64_t left = relay->next_step_at - clock_monotonic_ms();

	if (left <= 0) {
		end_child(relay);
		left = relay->next_step_at - clock_monotonic_ms();
	}
	return left > 0 ? (int)left : 0;
}

enum { POLL_SIGNALS, POLL_OUTPUT, POLL_INPUT, POLL_CONSOLE, POLL_FDS };

static void relay_step(struct relay *relay)
{
	bool room = output_room(relay->output) >= READ_SIZE || output_ask(relay->output, false);
	short console_events = (short)((room ? POLLIN : 0) | (relay->n_typed ? POLLOUT : 0));
	bool want_input = relay->input_open && (relay->terminal || relay->n_typed == 0);
	struct pollfd fds[POLL_FDS] = {
		[POLL_SIGNALS] = { .fd = relay->signal_fd, .events = POLLIN },
		[POLL_OUTPUT] = { .fd = output_event_fd(relay->output), .events = POLLIN },
		[POLL_INPUT] = { .fd = want_input ? STDIN_FILENO : -1, .events = POLLIN },
		/* Not even its hang-up is of interest while there's no room. */
		[POLL_CONSOLE] = { .fd = console_events ? relay->console_fd : -1,
				   .events = console_events },
	};

	if (poll(fds, POLL_FDS, timeout_ms(relay)) <= 0)
		return;
	if (fds[POLL_SIGNALS].revents)
		on_signals(relay);
	if (fds[POLL_OUTPUT].revents)
		check_output(relay);
	if (fds[POLL_INPUT].revents)
		on_input(relay);
	if (relay->n_typed && relay->console_fd >= 0)
		on_console_writable(relay);
	if (room && (fds[POLL_CONSOLE].revents & (POLLIN | POLLHUP | POLLERR)))
		on_console_readable(relay);
}

/* What is queued gets out, however slow the terminal; but a signal ends that. */
static void drain_output(struct relay *relay)
{
	while (!output_ask(relay->output, true)) {
		struct pollfd fds[] = {
			{ .fd = output_event_fd(relay->output), .events = POLLIN },
			{ .fd = relay->signal_fd, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		check_output(relay);

		struct signalfd_siginfo info;

		if (fds[1].revents && read(relay->signal_fd, &info, sizeof(info)) > 0 &&
		    info.ssi_signo != SIGCHLD && info.ssi_signo != SIGWINCH &&
		    info.ssi_signo != SIGCONT)
			break;
	}
	if (!relay->output_errno)
		relay->output_errno = output_errno(relay->output);
}

static int exit_status(const struct relay *relay)
{
	if (!relay->child_gone)
		return 0;
	if (WIFEXITED(relay->child_status))
		return WEXITSTATUS(relay->child_status);
	/* A VM process that was killed ends its guest by force, and leaves its directory. */
	rundir_reap(relay->client->name, NULL);
	return ERR_KILLED;
}

static void greet(const struct relay *relay)
{
	char key[ESCAPE_NAME_MAX];
	char text[128];

	if (!relay->terminal || relay->escape.key == ESCAPE_OFF)
		return;
	escape_name(relay->escape.key, key);
	snprintf(text, sizeof(text), "guest %s; %s ? shows the keys", relay->client->name, key);
	notice(relay, text);
}

/* The console's stream. A child that has ended before anybody could connect is no error. */
static int open_console(struct relay *relay, struct err **err)
{
	struct err *why = NULL;

	if (client_console(relay->client->name, &relay->console_fd, &why) == 0)
		return 0;
	relay->console_fd = -1;
	if (relay->client->child && err_code(why) == ERR_NOT_FOUND) {
		err_free(why);
		return 0;
	}
	if (relay->client->child) /* nobody would ever see it */
		kill(relay->client->child, SIGKILL);
	err_set(err, err_code(why), 0, "%s", err_message(why));
	err_free(why);
	return -1;
}

static int relay_open(struct relay *relay, struct err **err)
{
	sigset_t set;

	fill_signals(&set);
	relay->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (relay->signal_fd < 0)
		return err_set(err, ERR_FAILED, errno, "signals");
	if (open_console(relay, err) < 0 || output_new(STDOUT_FILENO, &relay->output, err) < 0)
		return -1;
	if (!relay->terminal)
		return 0;
	tell_size(relay);
	greet(relay);
	return terminal_make_raw(err);
}

/* Signals that came while the guest was being started: it has nothing to lose yet. */
static void end_if_unwanted(struct relay *relay)
{
	sigset_t pending;

	sigpending(&pending);
	if (relay->client->child &&
	    (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
	     sigismember(&pending, SIGHUP) || sigismember(&pending, SIGQUIT)))
		relay->ending = ENDING_FORCED; /* so that the next step is SIGKILL */
}

static void relay_close(struct relay *relay)
{
	terminal_restore();
	output_free(relay->output);
	cleanup_close(&relay->signal_fd);
	cleanup_close(&relay->console_fd);
	if (relay->left_by_signal && relay->left_by_signal != SIGPIPE) {
		/* End by the signal, so that whoever started us sees that. */
		sigset_t set;

		fill_signals(&set);
		signal(relay->left_by_signal, SIG_DFL);
		raise(relay->left_by_signal);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
}

int console_client_run(const struct console_client *client, int *ret_status, struct err **err)
{
	_cleanup_free_ struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "console");
	relay->client = client;
	relay->console_fd = -1;
	relay->signal_fd = -1;
	relay->input_open = true;
	relay->escape.key = client->escape_key;
	relay->terminal = terminal_is_there();

	int r = relay_open(relay, err);

	if (r == 0) {
		end_if_unwanted(relay);
		while (!is_over(relay))
			relay_step(relay);
		drain_output(relay);
		terminal_restore();
		if (relay->left && !relay->left_by_signal)
			notice(relay, "the guest goes on without you");
	}

	int errnum = relay->output_errno;
	int status = exit_status(relay);

	relay_close(relay);
	if (r < 0)
		return -1;
	if (errnum)
		return err_set(err, err_code_from_errno(errnum), errnum,
			       "the guest's output can't be written");
	*ret_status = status;
	return 0;
}
