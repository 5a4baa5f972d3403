/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving the terminal as it was when lodge-top crashes: see top_crash.h. */
#include "cmd/top_crash.h"

#include <curses.h>
#include <signal.h>
#include <stddef.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"

static struct termios saved;
static bool has_saved;
static char farewell[256];
static size_t farewell_len;

void top_crash_save(void)
{
	has_saved = tcgetattr(STDIN_FILENO, &saved) == 0;
}

/* Only what a signal handler may do. */
static void on_crash(int signum)
{
	size_t done = 0;

	while (done < farewell_len) {
		ssize_t n = write(STDOUT_FILENO, farewell + done, farewell_len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (has_saved)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	raise(signum); /* the handler is gone, so that this ends the process */
}

static int keep(int ch)
{
	if (farewell_len < sizeof(farewell))
		farewell[farewell_len++] = (char)ch;
	return ch;
}

void top_crash_watch(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	/* Attributes off, the cursor visible, the keypad off, the first screen (terminfo(5)). */
	static const char *const names[] = { "sgr0", "cnorm", "rmkx", "rmcup" };
	struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *text = tigetstr(names[i]);

		/* -1 and NULL: the terminal has no such thing. */
		if (text && text != (const char *)-1)
			tputs(text, 1, keep);
	}
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		sigaction(crashes[i], &action, NULL);
}
