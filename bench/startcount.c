/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts what starting a guest costs the host, from exec to the guest's first user-space line.
 *
 *   startcount [--trace --entry ADDRESS] --line TEXT -- COMMAND…
 *
 * Runs COMMAND with its output in a pipe and waits until TEXT comes out of it, then kills the
 * command's process group and everything that has its KVM open, and prints a JSON object:
 *   tsc         the time stamp counter's difference from just before exec to the line
 * With --trace, from the kernel's tracepoints:
 *   entry_tsc   from exec to the first fault of a guest whose instruction pointer is ADDRESS, if it
 *               was seen
 *   exits       exits to user space by KVM's number of their reason
 *
 * In the lab with exact counting the time stamp counter counts instructions of the emulated host
 * (docs/lab.md). Tracing costs instructions itself, so tsc is taken from a run without it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define TRACING "/sys/kernel/tracing/"

enum { OUTPUT_MAX = 1 << 20, EXIT_REASONS_MAX = 64 };

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "startcount: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void trace_write(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), TRACING "%s", file);

	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static void trace_start(uint64_t entry)
{
	char filter[64];

	trace_write("tracing_on", "0");
	trace_write("trace", "");
	trace_write("trace_clock", "x86-tsc");
	trace_write("buffer_size_kb", "8192");
	snprintf(filter, sizeof(filter), "guest_rip == 0x%" PRIx64, entry);
	trace_write("events/kvm/kvm_page_fault/filter", filter);
	trace_write("events/kvm/kvm_page_fault/enable", "1");
	trace_write("events/kvm/kvm_userspace_exit/enable", "1");
	trace_write("tracing_on", "1");
}

static void trace_stop(void)
{
	trace_write("tracing_on", "0");
	trace_write("events/kvm/kvm_page_fault/enable", "0");
	trace_write("events/kvm/kvm_userspace_exit/enable", "0");
}

/* A line is "comm-pid [cpu] flags TIMESTAMP: event: fields". */
static uint64_t trace_stamp(const char *line, const char *event)
{
	const char *at = strstr(line, event);

	if (!at)
		return 0;
	at -= 2; /* ": " */
	while (at > line && at[-1] != ' ')
		at--;
	return strtoull(at, NULL, 10);
}

static void trace_print(uint64_t exec_tsc)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[512];
	uint64_t entry_tsc = 0;
	unsigned long exits[EXIT_REASONS_MAX] = { 0 };

	if (!f)
		fail(TRACING "trace");
	while (fgets(line, sizeof(line), f)) {
		const char *reason = strstr(line, "kvm_userspace_exit: reason ");
		uint64_t stamp = trace_stamp(line, "kvm_page_fault:");

		if (stamp && !entry_tsc)
			entry_tsc = stamp;
		if (reason && (reason = strchr(reason, '('))) {
			unsigned long n = strtoul(reason + 1, NULL, 10);

			if (n < EXIT_REASONS_MAX)
				exits[n]++;
		}
	}
	fclose(f);
	if (entry_tsc)
		printf(", \"entry_tsc\": %" PRIu64, entry_tsc - exec_tsc);
	printf(", \"exits\": {");
	for (unsigned n = 0, printed = 0; n < EXIT_REASONS_MAX; n++) {
		if (exits[n])
			printf("%s\"%u\": %lu", printed++ ? ", " : "", n, exits[n]);
	}
	printf("}");
}

/* Whether there is such a process, and it isn't a thread of the kernel's, which have no memory. */
static bool is_program(pid_t pid)
{
	char path[64];
	char text[64];

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);

	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && text[0] != '0';
}

/* The processes that COMMAND started, which need not be its children any more: all those that are
 * younger than it. */
static unsigned younger(pid_t first, pid_t *pids, unsigned max)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	unsigned n = 0;

	while (dir && (e = readdir(dir)) && n < max) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid >= first && is_program(pid))
			pids[n++] = pid;
	}
	if (dir)
		closedir(dir);
	return n;
}

static void wait_for_line(int fd, const char *line)
{
	static char output[OUTPUT_MAX + 1];
	size_t len = 0;

	while (len < OUTPUT_MAX) {
		ssize_t n = read(fd, output + len, OUTPUT_MAX - len);

		if (n <= 0) {
			fprintf(stderr,
				"startcount: the command ended without the line; it said:\n%s\n",
				output);
			exit(1);
		}
		len += (size_t)n;
		output[len] = '\0';
		if (memmem(output, len, line, strlen(line)))
			return;
	}
	fprintf(stderr, "startcount: too much output without the line\n");
	exit(1);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "trace", no_argument, NULL, 't' },
						 { "entry", required_argument, NULL, 'e' },
						 { "line", required_argument, NULL, 'l' },
						 { 0 } };
	bool trace = false;
	uint64_t entry = 0;
	const char *line = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 't')
			trace = true;
		else if (c == 'e')
			entry = strtoull(optarg, NULL, 0);
		else if (c == 'l')
			line = optarg;
		else
			return 2;
	}
	if (!line || optind == argc) {
		fprintf(stderr,
			"usage: startcount [--trace --entry ADDRESS] --line TEXT -- COMMAND...\n");
		return 2;
	}

	int in[2];
	int out[2];
	int start[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(start, O_CLOEXEC) < 0)
		fail("pipe");
	if (trace)
		trace_start(entry);

	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		/* The command's input stays open and silent: QEMU drops a console whose input ends.
		 */
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		uint64_t tsc = __rdtsc();

		if (write(start[1], &tsc, sizeof(tsc)) != sizeof(tsc))
			_exit(127);
		execvp(argv[optind], argv + optind);
		_exit(127);
	}
	close(out[1]);

	uint64_t exec_tsc;

	if (read(start[0], &exec_tsc, sizeof(exec_tsc)) != sizeof(exec_tsc))
		fail("start");
	wait_for_line(out[0], line);

	uint64_t end_tsc = __rdtsc();
	pid_t pids[64];
	unsigned n = younger(pid, pids, 64);

	if (trace)
		trace_stop();
	for (unsigned i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	waitpid(pid, NULL, 0);
	/* The guest's name is taken until its process is really gone. */
	for (unsigned i = 0; i < n; i++) {
		while (kill(pids[i], 0) == 0)
			usleep(1000);
	}
	printf("{\"tsc\": %" PRIu64, end_tsc - exec_tsc);
	if (trace)
		trace_print(exec_tsc);
	printf("}\n");
	return 0;
}
