/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of a test or demo guest: finds the console, says that it is there, and takes orders.
 *
 * The first line, "lodge-guest: ready", is what the time to user space is measured to, so it comes
 * before everything that it doesn't need. If the console's driver is built in, that is all but
 * /proc; if it's a module, its modules are loaded first.
 *
 * Words of the kernel command line:
 *     console=NAME           the last one is the terminal that orders come from
 *     lodge.orders="A;B"     orders to run at once
 *     lodge.quiet            nothing but the ready line and answers
 *     lodge.tty              leave the terminal as it is, for people: with echo and line editing
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "guest/guest.h"

/* Longest order; a longer line is refused. */
enum { ORDER_MAX = 4000 };

/* How long a console that was asked for may take to appear: its driver probes in the background
 * on some kernels. */
enum { CONSOLE_TRIES = 200, CONSOLE_WAIT_MS = 10 };

static char cmdline[4096];
static char console_path[64] = "/dev/console";

long file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	close(fd);
	buf[used] = '\0';
	return (long)used;
}

static void sleep_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* The name of the terminal in the last console= word, or "" . */
static void wanted_console(char *buf, size_t size)
{
	if (!cmdline_word(cmdline, "console", buf, size))
		buf[0] = '\0';
	buf[strcspn(buf, ",")] = '\0';
	if (strchr(buf, '/'))
		buf[0] = '\0';
}

/* The kernel gave this process a terminal, and it's the one that was asked for. */
static bool kernel_gave(const char *wanted)
{
	char path[64];
	struct stat st;
	unsigned real;

	snprintf(path, sizeof(path), "/dev/%s", wanted);
	return *wanted && ioctl(STDOUT_FILENO, TIOCGDEV, &real) == 0 && stat(path, &st) == 0 &&
	       st.st_rdev == makedev(real >> 8 & 0xfff, (real & 0xff) | (real >> 12 & 0xfff00));
}

/* Makes a terminal the standard input and outputs. */
static bool use_terminal(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY);

	if (fd < 0)
		return false;
	for (int to = 0; to < 3; to++)
		dup2(fd, to);
	if (fd > 2)
		close(fd);
	snprintf(console_path, sizeof(console_path), "%s", path);
	return true;
}

static void open_console(const char *wanted)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", wanted);
	for (int i = 0; *wanted && i < CONSOLE_TRIES; i++) {
		if (use_terminal(path))
			return;
		sleep_ms(CONSOLE_WAIT_MS);
	}
	if (!use_terminal("/dev/hvc0") && !use_terminal("/dev/ttyS0"))
		use_terminal("/dev/console");
}

/* A line goes through as it was typed, and comes out as it was written. */
static void set_terminal(void)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) < 0)
		return;
	cfmakeraw(&t);
	t.c_iflag |= ICRNL;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static void banner(void)
{
	struct utsname u;
	char text[8192];
	const char *total;

	uname(&u);
	if (file_read("/proc/meminfo", text, sizeof(text)) < 0)
		text[0] = '\0';
	total = strstr(text, "MemTotal:");
	say("lodge-guest: Linux %s, cpus %ld, MemTotal %lu kB", u.release,
	    sysconf(_SC_NPROCESSORS_ONLN), total ? strtoul(total + 9, NULL, 10) : 0);
}

static void run_orders_of_cmdline(void)
{
	char orders[4096];
	char *next = orders;
	char *order;

	if (!cmdline_word(cmdline, "lodge.orders", orders, sizeof(orders)))
		return;
	while ((order = strsep(&next, ";")))
		order_run(order);
}

/* Children of programs that have ended come to PID 1. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* A line from the console being put together. */
struct input {
	char line[ORDER_MAX + 1];
	size_t len;
	bool too_long;
};

static void take_byte(struct input *in, char c)
{
	if (c != '\n') {
		if (in->len == ORDER_MAX)
			in->too_long = true;
		else
			in->line[in->len++] = c;
		return;
	}
	in->line[in->len] = '\0';
	if (in->too_long)
		failed("line", "longer than %d bytes", ORDER_MAX);
	else if (memchr(in->line, '\0', in->len))
		failed("line", "has a zero byte");
	else
		order_run(in->line);
	in->len = 0;
	in->too_long = false;
	reap();
}

static void take_orders(bool tty)
{
	static struct input in;
	char data[512];

	for (;;) {
		ssize_t n = read(STDIN_FILENO, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* The terminal was hung up, as when its driver is unloaded. */
			sleep_ms(1000);
			if (use_terminal(console_path) && !tty)
				set_terminal();
			continue;
		}
		for (ssize_t i = 0; i < n; i++)
			take_byte(&in, data[i]);
	}
}

int main(void)
{
	char wanted[32];
	char ignored[8];
	bool quiet, tty, given;

	mount("proc", "/proc", "proc", 0, NULL);
	file_read("/proc/cmdline", cmdline, sizeof(cmdline));
	wanted_console(wanted, sizeof(wanted));
	given = kernel_gave(wanted);
	if (given)
		say("lodge-guest: ready");
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	modules_load("/lib/modules/first");
	if (!given) {
		open_console(wanted);
		say("lodge-guest: ready");
	}
	mount("sys", "/sys", "sysfs", 0, NULL);
	quiet = cmdline_word(cmdline, "lodge.quiet", ignored, sizeof(ignored));
	tty = cmdline_word(cmdline, "lodge.tty", ignored, sizeof(ignored));
	if (!tty)
		set_terminal();
	setenv("PATH", "/bin", 1);
	modules_load("/lib/modules/then");
	if (!quiet)
		banner();
	button_watch();
	run_orders_of_cmdline();
	take_orders(tty);
}
