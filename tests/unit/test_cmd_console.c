/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console of `lodge run` and `lodge console` against a VM process that plays a part.
 *
 * Three processes: the test; the client, which has a terminal or pipes whose other ends the test
 * holds; and the client's child, the VM process. That one's sockets are real. What it's asked on
 * its control socket, and which signals it gets, it tells the test, a line each.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include <cmocka.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "cmd/console_client.h"
#include "cmd/escape.h"

enum { PATIENCE_MS = 20000, FLOOD = 8 << 20 };

/* What the VM process does with the console's first client; returns its exit status. */
typedef int (*vm_part)(int console_fd);

struct stage {
	pid_t client;
	int to_client;	 /* its standard input (the same as below for a terminal) */
	int from_client; /* its standard output */
	int errors;	 /* its standard error, if it has pipes */
	int told;	 /* what the VM process tells */
	char dir[64];
};

static int tell_fd;

static void tell(const char *line)
{
	fdio_write(tell_fd, line, strlen(line), NULL);
}

static void on_term(int signum)
{
	static int count;

	(void)signum;
	if (write(tell_fd, "TERM\n", strlen("TERM\n")) < 0 || ++count == 2)
		_exit(7);
}

/* Answers everything, and tells it. */
static void *serve_control(void *arg)
{
	int listen_fd = *(int *)arg;
	char message[4096];

	for (;;) {
		struct pollfd p = { .fd = listen_fd, .events = POLLIN };

		poll(&p, 1, -1);

		int fd = accept(listen_fd, NULL, NULL);
		ssize_t n = fd < 0 ? 0 : recv(fd, message, sizeof(message) - 1, 0);

		if (n > 0) {
			message[n] = '\n';
			fdio_write(tell_fd, message, (size_t)n + 1, NULL);
			send(fd, "{\"result\":{}}", strlen("{\"result\":{}}"), MSG_NOSIGNAL);
		}
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static int vm_process(vm_part part, int ready_fd)
{
	struct rundir *rundir;
	int control_fd;
	int console_fd;
	pthread_t thread;
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTERM, on_term);
	if (rundir_create("g", &rundir, NULL) < 0 ||
	    rundir_listen(rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &control_fd, NULL) < 0 ||
	    rundir_listen(rundir, RUNDIR_CONSOLE, SOCK_STREAM, &console_fd, NULL) < 0 ||
	    pthread_create(&thread, NULL, serve_control, &control_fd) != 0 ||
	    write(ready_fd, "x", 1) != 1)
		return 99;

	struct pollfd p = { .fd = console_fd, .events = POLLIN };

	while (poll(&p, 1, -1) < 0)
		continue;

	int status = part(accept(console_fd, NULL, NULL));

	rundir_remove(rundir);
	return status;
}

/* The client's process: as `lodge run` does it, or (own false) as `lodge console`. */
static int client_process(vm_part part, bool own)
{
	struct console_client client = { .name = "g", .escape_key = ESCAPE_DEFAULT };
	_cleanup_err_ struct err *err = NULL;
	int status;
	int ready[2];
	char byte;

	console_client_take_signals();
	if (pipe2(ready, O_CLOEXEC) < 0)
		return 98;

	pid_t pid = fork();

	if (pid == 0)
		_exit(vm_process(part, ready[1]));
	close(tell_fd);
	if (read(ready[0], &byte, 1) != 1)
		return 98;
	client.child = own ? pid : 0;
	if (console_client_run(&client, &status, &err) < 0)
		return 100 + (int)err_code(err);
	return status;
}

static void stage_open_dir(struct stage *stage, int told[2])
{
	strcpy(stage->dir, "/tmp/lodge-console-XXXXXX");
	assert_non_null(mkdtemp(stage->dir));
	setenv("LODGE_RUNTIME_DIR", stage->dir, 1);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	tell_fd = told[1];
	stage->told = told[0];
}

static void stage_pipes(struct stage *stage, vm_part part, bool own)
{
	int in[2];
	int out[2];
	int errors[2];
	int told[2];

	stage_open_dir(stage, told);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
	stage->client = fork();
	assert_true(stage->client >= 0);
	if (stage->client == 0) {
		signal(SIGPIPE, SIG_IGN);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(errors[1], STDERR_FILENO);
		close(in[1]);
		close(out[0]);
		_exit(client_process(part, own));
	}
	close(in[0]);
	close(out[1]);
	close(errors[1]);
	close(told[1]);
	stage->to_client = in[1];
	stage->from_client = out[0];
	stage->errors = errors[0];
}

static void stage_terminal(struct stage *stage, vm_part part, bool own)
{
	struct winsize size = { .ws_col = 132, .ws_row = 43 };
	int told[2];

	stage_open_dir(stage, told);
	stage->client = forkpty(&stage->to_client, NULL, NULL, &size);
	assert_true(stage->client >= 0);
	if (stage->client == 0) {
		signal(SIGPIPE, SIG_IGN);
		_exit(client_process(part, own));
	}
	close(told[1]);
	stage->from_client = stage->to_client;
	stage->errors = -1;
}

/* Reads until text has come, or the patience or the stream ends. */
static void expect(int fd, const char *text)
{
	char got[65536] = "";
	size_t n = 0;

	while (n < sizeof(got) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, PATIENCE_MS) <= 0 || read(fd, got + n, 1) != 1)
			break;
		n++;
		if (memmem(got, n, text, strlen(text)))
			return;
	}
	fail_msg("no \"%s\" in \"%s\"", text, got);
}

static void type(const struct stage *stage, const char *text)
{
	assert_int_equal(fdio_write(stage->to_client, text, strlen(text), NULL), 0);
}

/* The client's exit status, or 128 + its signal. */
static int stage_end(struct stage *stage)
{
	int status = 0;

	for (int waited = 0; waitpid(stage->client, &status, WNOHANG) == 0; waited += 10) {
		if (waited > PATIENCE_MS)
			kill(stage->client, SIGKILL);
		poll(NULL, 0, 10);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void stage_close(struct stage *stage)
{
	char path[128];

	close(stage->to_client);
	if (stage->from_client != stage->to_client)
		close(stage->from_client);
	if (stage->errors >= 0)
		close(stage->errors);
	close(stage->told);
	/* What a VM process that was left running holds goes with it. */
	for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
		char **names = NULL;
		size_t n = 0;

		rundir_list(&names, &n, NULL);
		rundir_list_free(names, n);
		if (n == 0)
			break;
		poll(NULL, 0, 10);
	}
	snprintf(path, sizeof(path), "%s/.lock", stage->dir);
	unlink(path);
	assert_int_equal(rmdir(stage->dir), 0);
}

static bool is_raw(const struct stage *stage)
{
	struct termios t;

	assert_int_equal(tcgetattr(stage->to_client, &t), 0);
	return !(t.c_lflag & (ICANON | ECHO | ISIG));
}

/* Sends back what it gets, in upper case, until a 'q'. */
static int part_echo(int fd)
{
	char byte;

	fdio_write(fd, "hello\n", strlen("hello\n"), NULL);
	for (;;) {
		ssize_t n = read(fd, &byte, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || byte == 'q')
			return 6;
		if (byte >= 'a' && byte <= 'z')
			byte = (char)(byte - 'a' + 'A');
		fdio_write(fd, &byte, 1, NULL);
	}
}

static void the_status_of_our_own_guest_becomes_ours(void **state)
{
	struct stage stage;

	(void)state;
	stage_pipes(&stage, part_echo, true);
	expect(stage.from_client, "hello\n");
	type(&stage, "abc\x1d"
		     "d");
	expect(stage.from_client, "ABC\x1d"
				  "D");
	type(&stage, "q");
	assert_int_equal(stage_end(&stage), 6);
	stage_close(&stage);
}

static void a_foreign_guest_s_end_is_the_end_of_its_console(void **state)
{
	struct stage stage;

	(void)state;
	stage_pipes(&stage, part_echo, false);
	type(&stage, "q");
	expect(stage.from_client, "hello\n");
	assert_int_equal(stage_end(&stage), 0);
	stage_close(&stage);
}

/* Tells when the input has ended, and lives on. */
static int part_after_input(int fd)
{
	char byte;

	while (read(fd, &byte, 1) == 1 && byte != '.')
		continue;
	poll(NULL, 0, 300);
	fdio_write(fd, "still here\n", strlen("still here\n"), NULL);
	return 0;
}

static void the_end_of_the_input_does_not_end_the_guest(void **state)
{
	struct stage stage;

	(void)state;
	stage_pipes(&stage, part_after_input, true);
	type(&stage, ".");
	close(stage.to_client);
	expect(stage.from_client, "still here\n");
	assert_int_equal(stage_end(&stage), 0);
	stage.to_client = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stage_close(&stage);
}

static int part_flood(int fd)
{
	static char buf[FLOOD];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 4096);
	fdio_write(fd, buf, sizeof(buf), NULL);
	tell("written\n");
	return 0;
}

static void a_slow_reader_neither_stops_the_guest_nor_loses_anything(void **state)
{
	static char got[FLOOD + 1];
	struct stage stage;
	size_t n = 0;

	(void)state;
	stage_pipes(&stage, part_flood, true);
	expect(stage.told, "written\n"); /* before a single byte was read */
	assert_int_equal(fdio_read(stage.from_client, got, sizeof(got), &n, NULL), 0);
	assert_int_equal(n, FLOOD);
	for (size_t i = 0; i < n; i++)
		if (got[i] != (char)(i * 7 + i / 4096))
			fail_msg("byte %zu is wrong", i);
	assert_int_equal(stage_end(&stage), 0);
	stage_close(&stage);
}

/* Obeys nothing but its death. */
static int part_deaf(int fd)
{
	fdio_write(fd, "up\n", 3, NULL);
	while (pause() < 0)
		continue;
	return 0;
}

static void one_signal_presses_the_button_and_a_second_forces(void **state)
{
	struct stage stage;

	(void)state;
	stage_pipes(&stage, part_deaf, true);
	expect(stage.from_client, "up\n");
	kill(stage.client, SIGTERM);
	expect(stage.told, "TERM\n");
	kill(stage.client, SIGINT);
	expect(stage.told, "TERM\n");
	assert_int_equal(stage_end(&stage), 7);
	stage_close(&stage);
}

static int part_immortal(int fd)
{
	signal(SIGTERM, SIG_IGN);
	return part_deaf(fd);
}

static void a_vm_process_that_obeys_no_signal_is_killed_and_cleared_away(void **state)
{
	struct stage stage;

	(void)state;
	stage_pipes(&stage, part_immortal, true);
	expect(stage.from_client, "up\n");
	for (int i = 0; i < 3; i++) {
		kill(stage.client, SIGTERM);
		poll(NULL, 0, 100); /* signals of one kind that wait are one */
	}
	assert_int_equal(stage_end(&stage), ERR_KILLED);

	char path[128];

	snprintf(path, sizeof(path), "%s/g", stage.dir);
	assert_int_equal(access(path, F_OK), -1);
	stage_close(&stage);
}

static int part_chatty(int fd)
{
	while (fdio_write(fd, "tick\n", 5, NULL) == 0)
		poll(NULL, 0, 20);
	pause();
	return 0;
}

static void output_that_nobody_reads_any_more_ends_the_guest(void **state)
{
	struct stage stage;

	(void)state;
	stage_pipes(&stage, part_chatty, true);
	expect(stage.from_client, "tick\n");
	close(stage.from_client);
	expect(stage.told, "TERM\n");
	kill(stage.client, SIGTERM);
	assert_int_equal(stage_end(&stage), 100 + ERR_FAILED);
	stage.from_client = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stage_close(&stage);
}

static void a_signal_ends_the_console_of_a_foreign_guest_by_that_signal(void **state)
{
	struct stage stage;

	(void)state;
	stage_terminal(&stage, part_echo, false);
	expect(stage.from_client, "hello");
	assert_true(is_raw(&stage));
	kill(stage.client, SIGTERM);
	assert_int_equal(stage_end(&stage), 128 + SIGTERM);
	assert_false(is_raw(&stage));
	stage_close(&stage);
}

static void a_terminal_is_raw_with_its_size_told_and_is_restored(void **state)
{
	struct winsize size = { .ws_col = 90, .ws_row = 30 };
	struct stage stage;

	(void)state;
	stage_terminal(&stage, part_echo, true);
	expect(stage.told, "\"columns\":132,\"rows\":43}");
	expect(stage.from_client, "Ctrl-] ? shows the keys");
	expect(stage.from_client, "hello");
	assert_true(is_raw(&stage));
	type(&stage, "\x03\x1a\x04");
	expect(stage.from_client, "\x03\x1a\x04");
	assert_int_equal(ioctl(stage.to_client, TIOCSWINSZ, &size), 0);
	expect(stage.told, "\"columns\":90,\"rows\":30}");
	type(&stage, "q");
	assert_int_equal(stage_end(&stage), 6);
	assert_false(is_raw(&stage));
	stage_close(&stage);
}

static void a_crash_restores_the_terminal_too(void **state)
{
	struct stage stage;

	(void)state;
	stage_terminal(&stage, part_echo, false);
	expect(stage.from_client, "hello");
	assert_true(is_raw(&stage));
	kill(stage.client, SIGABRT);
	assert_int_equal(stage_end(&stage), 128 + SIGABRT);
	assert_false(is_raw(&stage));
	stage_close(&stage);
}

static void the_escape_key_speaks_to_lodge(void **state)
{
	struct stage stage;

	(void)state;
	stage_terminal(&stage, part_echo, true);
	expect(stage.from_client, "hello");
	type(&stage, "\x1d?");
	expect(stage.from_client, "d leave the guest running");
	type(&stage, "\x1d\x1d");
	expect(stage.from_client, "\x1d");
	type(&stage, "\x1ds");
	expect(stage.told, "{\"verb\":\"stop\"}");
	type(&stage, "\x1dk");
	expect(stage.told, "{\"verb\":\"kill\"}");
	type(&stage, "\x1d"
		     "dabc");
	expect(stage.from_client, "goes on without you");
	assert_int_equal(stage_end(&stage), 0);
	assert_false(is_raw(&stage));
	stage_close(&stage);
}

/* A guest that reads nothing, while its user types a lot. */
static int part_blocked(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	fdio_write(fd, "up\n", 3, NULL);
	poll(&p, 1, -1);
	return 0;
}

static void the_escape_key_works_on_a_guest_that_reads_nothing(void **state)
{
	static char text[4000];
	struct stage stage;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	stage_terminal(&stage, part_blocked, false);
	expect(stage.from_client, "up");
	for (int i = 0; i < 200; i++)
		type(&stage, text);
	type(&stage, "\x1dk");
	expect(stage.told, "{\"verb\":\"kill\"}");
	type(&stage, "\x1d"
		     "d");
	assert_int_equal(stage_end(&stage), 0);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_of_our_own_guest_becomes_ours),
		cmocka_unit_test(a_foreign_guest_s_end_is_the_end_of_its_console),
		cmocka_unit_test(the_end_of_the_input_does_not_end_the_guest),
		cmocka_unit_test(a_slow_reader_neither_stops_the_guest_nor_loses_anything),
		cmocka_unit_test(one_signal_presses_the_button_and_a_second_forces),
		cmocka_unit_test(a_vm_process_that_obeys_no_signal_is_killed_and_cleared_away),
		cmocka_unit_test(output_that_nobody_reads_any_more_ends_the_guest),
		cmocka_unit_test(a_signal_ends_the_console_of_a_foreign_guest_by_that_signal),
		cmocka_unit_test(a_terminal_is_raw_with_its_size_told_and_is_restored),
		cmocka_unit_test(a_crash_restores_the_terminal_too),
		cmocka_unit_test(the_escape_key_speaks_to_lodge),
		cmocka_unit_test(the_escape_key_works_on_a_guest_that_reads_nothing),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
