/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal on standard input: see terminal.h. */
#include "cmd/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

static struct termios saved;
static volatile sig_atomic_t is_raw;

bool terminal_is_there(void)
{
	return isatty(STDIN_FILENO);
}

void terminal_restore(void)
{
	if (!is_raw)
		return;
	is_raw = 0;
	/* Not TCSADRAIN: a terminal that stands still would keep the process from ending. */
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void on_crash(int signum)
{
	terminal_restore();
	raise(signum); /* the handler is gone, so that this ends the process */
}

static void restore_on_every_way_out(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	static bool done;
	struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };

	if (done)
		return;
	done = true;
	atexit(terminal_restore);
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		sigaction(crashes[i], &action, NULL);
}

int terminal_make_raw(struct err **err)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &raw) < 0)
		return err_set(err, ERR_FAILED, errno, "terminal");
	if (!is_raw)
		saved = raw;
	restore_on_every_way_out();
	cfmakeraw(&raw);
	is_raw = 1;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return err_set(err, ERR_FAILED, errno, "terminal");
	return 0;
}

bool terminal_size(uint16_t *ret_columns, uint16_t *ret_rows)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
		return false;
	*ret_columns = size.ws_col;
	*ret_rows = size.ws_row;
	return true;
}
