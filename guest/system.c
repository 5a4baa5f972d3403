/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about the guest as a whole: time, processors, programs, and its end. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest/guest.h"

#define NS UINT64_C(1000000000)

static int last_status;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void run_cpus(int n_args, char **args, const char *rest)
{
	(void)n_args;
	(void)rest;
	ok(args[0], "%ld", sysconf(_SC_NPROCESSORS_ONLN));
}

static void run_cmdline(int n_args, char **args, const char *rest)
{
	char text[4096];

	(void)n_args;
	(void)rest;
	if (file_read("/proc/cmdline", text, sizeof(text)) < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	say("| %s", text);
	ok(args[0], "%zu", strlen(text));
}

static void run_uname(int n_args, char **args, const char *rest)
{
	struct utsname u;

	(void)n_args;
	(void)rest;
	uname(&u);
	ok(args[0], "%s %s %s", u.release, u.machine, u.version);
}

/* The start of the last n lines of a text. */
static const char *last_lines(const char *text, size_t len, uint64_t n)
{
	size_t at = len;

	if (at && text[at - 1] == '\n')
		at--;
	for (; at; at--) {
		if (text[at - 1] == '\n' && n-- <= 1)
			break;
	}
	return text + at;
}

static void run_dmesg(int n_args, char **args, const char *rest)
{
	uint64_t lines = UINT64_MAX;
	int size = klogctl(10, NULL, 0); /* SYSLOG_ACTION_SIZE_BUFFER */

	(void)rest;
	if (n_args > 1 && !word_number(args[1], &lines)) {
		failed(args[0], "%s isn't a number", args[1]);
		return;
	}

	char *text = size > 0 ? malloc((size_t)size) : NULL;

	if (!text) {
		failed(args[0], "no memory");
		return;
	}

	int len = klogctl(3, text, size); /* SYSLOG_ACTION_READ_ALL */

	if (len < 0) {
		failed(args[0], "%s", strerror(errno));
	} else {
		const char *from = last_lines(text, (size_t)len, lines);

		if (lines)
			say_body(from, (size_t)(text + len - from));
		ok(args[0], "%d bytes", len);
	}
	free(text);
}

static void run_idle(int n_args, char **args, const char *rest)
{
	uint64_t ns;

	(void)n_args;
	(void)rest;
	if (!word_seconds(args[1], &ns)) {
		failed(args[0], "%s isn't a time in seconds", args[1]);
		return;
	}

	struct timespec left = { .tv_sec = (time_t)(ns / NS), .tv_nsec = (long)(ns % NS) };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	ok(args[0], "%s", args[1]);
}

static void spin(uint64_t ns)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;

	while (clock_ns(CLOCK_MONOTONIC) < end)
		;
}

/* On the first CPU by this process and on further ones by children. */
static void run_spin(int n_args, char **args, const char *rest)
{
	uint64_t ns;
	uint64_t cpus = 1;
	pid_t children[64];
	size_t n_children = 0;

	(void)rest;
	if (!word_seconds(args[1], &ns)) {
		failed(args[0], "%s isn't a time in seconds", args[1]);
		return;
	}
	if (n_args > 2 && (!word_number(args[2], &cpus) || cpus == 0 || cpus > 64)) {
		failed(args[0], "%s isn't a number of CPUs", args[2]);
		return;
	}
	while (n_children + 1 < cpus) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			spin(ns);
			_exit(0);
		}
		children[n_children++] = pid;
	}
	spin(ns);
	for (size_t i = 0; i < n_children; i++)
		waitpid(children[i], NULL, 0);
	ok(args[0], "%s %zu", args[1], n_children + 1);
}

static void run_time(int n_args, char **args, const char *rest)
{
	uint64_t real = clock_ns(CLOCK_REALTIME);
	uint64_t monotonic = clock_ns(CLOCK_MONOTONIC);

	(void)n_args;
	(void)rest;
	ok(args[0], "%" PRIu64 ".%09" PRIu64 " %" PRIu64 ".%09" PRIu64, real / NS, real % NS,
	   monotonic / NS, monotonic % NS);
}

static void run_echo(int n_args, char **args, const char *rest)
{
	(void)n_args;
	ok(args[0], "%s", rest);
}

/* Passes on what a program writes, line by line. False at the end of it. */
static bool relay(int fd, char *buf, size_t size, size_t *used)
{
	ssize_t n = read(fd, buf + *used, size - *used);

	if (n > 0)
		*used += (size_t)n;

	char *end = memrchr(buf, '\n', *used);
	size_t whole = end ? (size_t)(end - buf) + 1 : 0;

	if (!whole && (n <= 0 || *used == size))
		whole = *used;
	say_body(buf, whole);
	*used -= whole;
	memmove(buf, buf + whole, *used);
	return n > 0;
}

/* Until the program has ended and nothing it wrote is left; what it started in the background may
 * go on, and writes to nobody. */
static void relay_all(int out, int pidfd)
{
	char buf[4096];
	size_t used = 0;
	struct pollfd fds[2] = {
		{ .fd = out, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents & POLLIN) {
			relay(out, buf, sizeof(buf), &used);
			continue;
		}
		if (fds[1].revents)
			break;
		if (fds[0].revents)
			fds[0].fd = -1;
	}
	say_body(buf, used);
}

static void run_sh(int n_args, char **args, const char *rest)
{
	int out[2];
	int status = 0;

	(void)n_args;
	if (pipe2(out, O_CLOEXEC) < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}

	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		setsid();
		execl("/bin/busybox", "busybox", "sh", "-c", rest, NULL);
		_exit(127);
	}
	close(out[1]);

	int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0) {
		failed(args[0], "%s", strerror(errno));
	} else {
		relay_all(out[0], pidfd);
		close(pidfd);
		waitpid(pid, &status, 0);
		last_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		ok(args[0], "%d", last_status);
	}
	close(out[0]);
}

static void run_exit_code(int n_args, char **args, const char *rest)
{
	(void)n_args;
	(void)rest;
	ok(args[0], "%d", last_status);
}

void power_off(void)
{
	console_drain();
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void run_poweroff(int n_args, char **args, const char *rest)
{
	(void)n_args;
	(void)rest;
	ok(args[0], "bye");
	power_off();
}

static void run_reboot(int n_args, char **args, const char *rest)
{
	(void)n_args;
	(void)rest;
	ok(args[0], "bye");
	console_drain();
	sync();
	reboot(RB_AUTOBOOT);
}

static void run_panic(int n_args, char **args, const char *rest)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	(void)n_args;
	(void)rest;
	if (fd < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}
	ok(args[0], "bye");
	console_drain();

	ssize_t ignored __attribute__((unused)) = write(fd, "c", 1);

	close(fd);
}

const struct order system_orders[] = {
	{ "cpus", "", 0, 0, run_cpus },		{ "cmdline", "", 0, 0, run_cmdline },
	{ "uname", "", 0, 0, run_uname },	{ "dmesg", "[LINES]", 0, 1, run_dmesg },
	{ "idle", "SECONDS", 1, 1, run_idle },	{ "spin", "SECONDS [CPUS]", 1, 2, run_spin },
	{ "time", "", 0, 0, run_time },		{ "echo", "TEXT", 0, -1, run_echo },
	{ "sh", "COMMAND", 1, -1, run_sh },	{ "exit-code", "", 0, 0, run_exit_code },
	{ "poweroff", "", 0, 0, run_poweroff }, { "reboot", "", 0, 0, run_reboot },
	{ "panic", "", 0, 0, run_panic },	{ NULL },
};
