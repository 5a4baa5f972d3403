/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket from both ends: a server on a real loop in a thread, with the loop's lock as
 * in a VM process, and clients over its socket in a runtime directory. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/client.h"
#include "api/rundir.h"
#include "api/server.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"

enum { PATIENCE_MS = 10000 };

static struct {
	char root[sizeof("/tmp/lodge-test-XXXXXX")];
	struct rundir *rundir;
	int listen_fd;
	struct loop *loop;
	struct control_server *server;
	pthread_mutex_t lock;
	pthread_t thread;

	/* With the lock held. */
	struct control_call *held; /* the last deferred call of "hold" */
	int cancelled;
	int handled;
} guest;

static int handle_ping(void *opaque, struct control_call *call, const json_t *request,
		       json_t **ret_result, struct err **err)
{
	(void)opaque;
	(void)call;
	(void)err;
	guest.handled++;
	*ret_result = json_pack("{s:O?}", "text", json_object_get(request, "text"));
	return 0;
}

static int handle_fail(void *opaque, struct control_call *call, const json_t *request,
		       json_t **ret_result, struct err **err)
{
	(void)opaque;
	(void)call;
	(void)request;
	(void)ret_result;
	return err_set(err, ERR_STATE, 0, "a guest that is stopping can't be paused");
}

static int handle_hold(void *opaque, struct control_call *call, const json_t *request,
		       json_t **ret_result, struct err **err)
{
	(void)opaque;
	(void)request;
	(void)ret_result;
	(void)err;
	guest.held = call;
	return CONTROL_DEFERRED;
}

static void cancel_hold(void *opaque, struct control_call *call)
{
	(void)opaque;
	if (guest.held == call)
		guest.held = NULL;
	guest.cancelled++;
}

/* Says that it replies later, but has done so already. */
static int handle_at_once(void *opaque, struct control_call *call, const json_t *request,
			  json_t **ret_result, struct err **err)
{
	(void)opaque;
	(void)request;
	(void)ret_result;
	(void)err;
	control_call_reply(call, NULL, NULL);
	return CONTROL_DEFERRED;
}

static int handle_big(void *opaque, struct control_call *call, const json_t *request,
		      json_t **ret_result, struct err **err)
{
	json_int_t len = json_integer_value(json_object_get(request, "bytes"));
	char *text = malloc((size_t)len + 1);

	(void)opaque;
	(void)call;
	(void)err;
	memset(text, 'x', (size_t)len);
	text[len] = '\0';
	*ret_result = json_string(text);
	free(text);
	return 0;
}

static const struct control_argument ping_arguments[] = {
	{ "text", CONTROL_STRING, false, 0, 0 },
};

static const struct control_argument big_arguments[] = {
	{ "bytes", CONTROL_INTEGER, true, 0, 1000000 },
};

static const struct control_verb verbs[] = {
	{ "ping", ping_arguments, ARRAY_SIZE(ping_arguments), handle_ping, NULL },
	{ "fail", NULL, 0, handle_fail, NULL },
	{ "hold", NULL, 0, handle_hold, cancel_hold },
	{ "wait", NULL, 0, handle_hold, NULL },
	{ "at-once", NULL, 0, handle_at_once, NULL },
	{ "big", big_arguments, ARRAY_SIZE(big_arguments), handle_big, NULL },
};

static void *run_loop(void *arg)
{
	(void)arg;
	loop_run(guest.loop, NULL);
	return NULL;
}

static void stop_server(void)
{
	pthread_mutex_lock(&guest.lock);
	control_server_free(guest.server);
	guest.server = NULL;
	pthread_mutex_unlock(&guest.lock);
}

static int start_guest(void **state)
{
	(void)state;
	strcpy(guest.root, "/tmp/lodge-test-XXXXXX");
	if (!mkdtemp(guest.root))
		return -1;
	setenv("LODGE_RUNTIME_DIR", guest.root, 1);
	pthread_mutex_init(&guest.lock, NULL);
	guest.held = NULL;
	guest.cancelled = guest.handled = 0;
	if (rundir_create("web", &guest.rundir, NULL) < 0 ||
	    rundir_listen(guest.rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &guest.listen_fd, NULL) <
		0 ||
	    loop_new(&guest.loop, NULL) < 0)
		return -1;
	loop_set_lock(guest.loop, &guest.lock);
	if (control_server_new(guest.loop, guest.listen_fd, verbs, ARRAY_SIZE(verbs), &guest,
			       &guest.server, NULL) < 0)
		return -1;
	return pthread_create(&guest.thread, NULL, run_loop, NULL);
}

static int end_guest(void **state)
{
	char command[64];

	(void)state;
	stop_server();
	loop_quit(guest.loop);
	pthread_join(guest.thread, NULL);
	loop_free(guest.loop);
	close(guest.listen_fd);
	rundir_remove(guest.rundir);
	rundir_free(guest.rundir);
	snprintf(command, sizeof(command), "rm -r %s", guest.root);
	return system(command);
}

/* Waits until *value, which changes under the lock, is the expected one. */
static void await(const int *value, int expected)
{
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		pthread_mutex_lock(&guest.lock);
		int now = *value;
		pthread_mutex_unlock(&guest.lock);
		if (now == expected)
			return;
		usleep(1000);
	}
	fail_msg("still not %d", expected);
}

static void await_held(void)
{
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		pthread_mutex_lock(&guest.lock);
		bool held = guest.held != NULL;
		pthread_mutex_unlock(&guest.lock);
		if (held)
			return;
		usleep(1000);
	}
	fail_msg("no call is held");
}

static int connect_raw(void)
{
	int fd = -1;

	assert_int_equal(rundir_connect("web", RUNDIR_CONTROL, SOCK_SEQPACKET, -1, &fd, NULL), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next message within the patience of the test, or "" at the end. */
static const char *hear(int fd)
{
	static char text[PROTOCOL_MESSAGE_MAX + 1];
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);

	ssize_t n = recv(fd, text, PROTOCOL_MESSAGE_MAX, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void assert_hears(int fd, const char *part)
{
	const char *text = hear(fd);

	if (!strstr(text, part))
		fail_msg("\"%s\" doesn't say \"%s\"", text, part);
}

static bool hears_nothing(int fd, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 0;
}

static void assert_answers(int fd)
{
	say(fd, "{\"verb\": \"ping\"}");
	assert_hears(fd, "{\"result\":");
}

static void assert_call_fails(json_t *request, int timeout_ms, enum err_code code,
			      const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	json_t *reply = NULL;

	assert_int_equal(client_call("web", request, timeout_ms, &reply, &err), -1);
	assert_null(reply);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
	assert_int_equal(err_code(err), code);
}

static json_t *request(const char *verb)
{
	return json_pack("{s:s}", "verb", verb);
}

static void a_request_is_answered(void **state)
{
	json_t *reply = NULL;

	(void)state;
	assert_int_equal(client_call("web",
				     json_pack("{s:s, s:s}", "verb", "ping", "text", "h\xc3\xa9"),
				     -1, &reply, NULL),
			 0);
	assert_string_equal(json_string_value(json_object_get(reply, "text")), "h\xc3\xa9");
	json_decref(reply);
}

static void errors_keep_their_code_and_name_the_guest(void **state)
{
	(void)state;
	assert_call_fails(request("fail"), -1, ERR_STATE,
			  "guest web: a guest that is stopping can't be paused");
	assert_call_fails(request("dance"), -1, ERR_USAGE, "guest web: there is no verb \"dance\"");
	assert_call_fails(NULL, -1, ERR_NO_SPACE, "control request");
}

static void a_wrong_message_is_answered_and_the_client_stays(void **state)
{
	static const char *const wrong[][2] = {
		{ "hello", "no JSON object" },
		{ "{\"verb\": \"dance\"}", "there is no verb" },
		{ "{\"verb\": \"ping\", \"text\": 1}", "text must be a string" },
		{ "{\"verb\": \"ping\", \"loud\": true}", "takes no argument" },
		{ "{\"a\":[[[[[[[[[[]]]]]]]]]]}", "nested too deep" },
	};
	int fd = connect_raw();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		say(fd, wrong[i][0]);

		const char *text = hear(fd);

		assert_non_null(strstr(text, "{\"error\":{\"code\":\"usage\""));
		assert_non_null(strstr(text, wrong[i][1]));
	}
	assert_answers(fd);
	assert_int_equal(guest.handled, 1);
	close(fd);
}

static void a_message_that_is_too_long_is_answered(void **state)
{
	int fd = connect_raw();
	char *text = malloc(100001);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', 100000);
	text[100000] = '\0';
	say(fd, text);
	free(text);
	assert_hears(fd, "the message is too long: 100000 bytes");
	assert_answers(fd);
	close(fd);
}

static void a_reply_that_is_too_long_becomes_an_error(void **state)
{
	json_t *reply = NULL;

	(void)state;
	assert_call_fails(json_pack("{s:s, s:i}", "verb", "big", "bytes", 70000), -1, ERR_FAILED,
			  "the message is too long");
	assert_int_equal(client_call("web", json_pack("{s:s, s:i}", "verb", "big", "bytes", 65000),
				     -1, &reply, NULL),
			 0);
	assert_int_equal(json_string_length(reply), 65000);
	json_decref(reply);
}

static void a_deferred_reply_comes_before_later_ones(void **state)
{
	int fd = connect_raw();

	(void)state;
	say(fd, "{\"verb\": \"hold\"}");
	say(fd, "{\"verb\": \"ping\"}");
	await_held();
	assert_true(hears_nothing(fd, 50));
	pthread_mutex_lock(&guest.lock);
	control_call_reply(guest.held, json_string("held"), NULL);
	pthread_mutex_unlock(&guest.lock);
	assert_hears(fd, "{\"result\":\"held\"}");
	assert_hears(fd, "{\"result\":{");
	assert_answers(fd);
	close(fd);
	assert_int_equal(guest.cancelled, 0);
}

static void a_deferred_reply_may_be_an_error(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	int fd = connect_raw();

	(void)state;
	say(fd, "{\"verb\": \"hold\"}");
	await_held();
	err_set(&err, ERR_PANICKED, 0, "no luck");
	pthread_mutex_lock(&guest.lock);
	control_call_reply(guest.held, NULL, err);
	pthread_mutex_unlock(&guest.lock);
	assert_hears(fd, "{\"error\":{\"code\":\"panicked\",\"message\":\"no luck\"}}");
	close(fd);
}

static void a_handler_may_reply_before_it_returns(void **state)
{
	int fd = connect_raw();

	(void)state;
	say(fd, "{\"verb\": \"at-once\"}");
	assert_hears(fd, "{\"result\":{}}");
	assert_answers(fd);
	close(fd);
}

static void a_deferred_call_is_cancelled_when_its_client_goes(void **state)
{
	int fd = connect_raw();

	(void)state;
	say(fd, "{\"verb\": \"hold\"}");
	await_held();
	close(fd);
	await(&guest.cancelled, 1);
	assert_null(guest.held);
	fd = connect_raw();
	assert_answers(fd);
	close(fd);
}

static void a_call_that_takes_too_long_is_given_up(void **state)
{
	(void)state;
	assert_call_fails(request("hold"), 50, ERR_TIMEOUT, "guest web doesn't answer");
	await(&guest.cancelled, 1);
}

static void a_server_that_stands_still_is_given_up(void **state)
{
	(void)state;
	pthread_mutex_lock(&guest.lock);
	assert_call_fails(request("ping"), 50, ERR_TIMEOUT, "guest web doesn't answer");
	pthread_mutex_unlock(&guest.lock);
}

static void everybody_who_waits_is_answered(void **state)
{
	int fds[5];
	int other = connect_raw();

	(void)state;
	say(other, "{\"verb\": \"hold\"}");
	await_held();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		pthread_mutex_lock(&guest.lock);
		guest.held = NULL;
		pthread_mutex_unlock(&guest.lock);
		fds[i] = connect_raw();
		say(fds[i], "{\"verb\": \"wait\"}");
		await_held();
	}
	pthread_mutex_lock(&guest.lock);
	control_server_reply_all(guest.server, "wait", json_string("over"));
	pthread_mutex_unlock(&guest.lock);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_hears(fds[i], "{\"result\":\"over\"}");
		close(fds[i]);
	}
	assert_true(hears_nothing(other, 20));
	close(other);
}

static void clients_beyond_the_limit_are_told_so(void **state)
{
	int fds[CONTROL_CLIENTS_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_raw();
		assert_answers(fds[i]);
	}
	for (int i = 0; i < 50; i++)
		assert_call_fails(request("ping"), -1, ERR_FAILED, "too many clients");
	assert_answers(fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);

	int fd = connect_raw();

	assert_answers(fd);
	close(fd);
}

static void a_client_that_doesnt_read_is_dropped(void **state)
{
	int deaf = connect_raw();
	int fd = connect_raw();
	const char *text = "{\"verb\": \"big\", \"bytes\": 60000}";
	int sent = 0;

	(void)state;
	while (sent < 1000 && send(deaf, text, strlen(text), MSG_NOSIGNAL) > 0)
		sent++;
	assert_true(sent < 1000);
	assert_answers(fd);
	close(fd);
	close(deaf);
}

static void a_client_without_a_descriptor_left_is_told_so(void **state)
{
	struct rlimit limit;
	struct rlimit low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	pthread_mutex_lock(&guest.lock);

	int fd = connect_raw();
	int next = dup(fd);

	close(next);
	low = limit;
	low.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	pthread_mutex_unlock(&guest.lock);
	assert_hears(fd, "no descriptors left");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(fd);
	fd = connect_raw();
	assert_answers(fd);
	close(fd);
}

/* Connects with another user's identity, which only this thread takes. */
static int connect_as(uid_t uid, const struct sockaddr_un *address, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);

	int rc = connect(fd, (const struct sockaddr *)address, len);

	assert_int_equal(syscall(SYS_setresuid, -1, 0, -1), 0);
	assert_int_equal(rc, 0);
	return fd;
}

static void another_user_is_turned_away(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(address);
	struct control_server *server = NULL;

	(void)state;
	if (geteuid() != 0)
		skip();

	/* A socket without a file, since the runtime directory keeps others out by itself. */
	int listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(
	    bind(listen_fd, (const struct sockaddr *)&address, sizeof(address.sun_family)), 0);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(listen_fd, 8), 0);
	pthread_mutex_lock(&guest.lock);
	assert_int_equal(control_server_new(guest.loop, listen_fd, verbs, ARRAY_SIZE(verbs), &guest,
					    &server, NULL),
			 0);
	pthread_mutex_unlock(&guest.lock);

	int fd = connect_as(65534, &address, len);

	assert_hears(fd, "{\"error\":{\"code\":\"denied\"");
	assert_string_equal(hear(fd), "");
	close(fd);
	fd = connect_as(0, &address, len);
	assert_answers(fd);
	close(fd);

	pthread_mutex_lock(&guest.lock);
	control_server_free(server);
	pthread_mutex_unlock(&guest.lock);
	close(listen_fd);
}

static void *stop_when_held(void *arg)
{
	await_held();
	stop_server();
	return arg;
}

static void a_server_that_ends_leaves_nobody_waiting(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stop_when_held, NULL), 0);
	assert_call_fails(request("hold"), -1, ERR_FAILED, "guest web ended without an answer");
	pthread_join(thread, NULL);
	assert_int_equal(guest.cancelled, 1);
}

static void the_console_is_a_stream(void **state)
{
	int listen_fd = -1;
	int fd = -1;
	char text[4] = "";

	(void)state;
	assert_int_equal(rundir_listen(guest.rundir, RUNDIR_CONSOLE, SOCK_STREAM, &listen_fd, NULL),
			 0);
	assert_int_equal(client_console("web", &fd, NULL), 0);

	int server_fd = accept(listen_fd, NULL, NULL);

	assert_int_equal(write(server_fd, "one", 3), 3);
	assert_int_equal(read(fd, text, 3), 3);
	assert_string_equal(text, "one");
	close(server_fd);
	close(fd);
	close(listen_fd);
}

int main(void)
{
#define guest_test(f) cmocka_unit_test_setup_teardown(f, start_guest, end_guest)
	const struct CMUnitTest tests[] = {
		guest_test(a_request_is_answered),
		guest_test(errors_keep_their_code_and_name_the_guest),
		guest_test(a_wrong_message_is_answered_and_the_client_stays),
		guest_test(a_message_that_is_too_long_is_answered),
		guest_test(a_reply_that_is_too_long_becomes_an_error),
		guest_test(a_deferred_reply_comes_before_later_ones),
		guest_test(a_deferred_reply_may_be_an_error),
		guest_test(a_handler_may_reply_before_it_returns),
		guest_test(a_deferred_call_is_cancelled_when_its_client_goes),
		guest_test(a_call_that_takes_too_long_is_given_up),
		guest_test(a_server_that_stands_still_is_given_up),
		guest_test(everybody_who_waits_is_answered),
		guest_test(clients_beyond_the_limit_are_told_so),
		guest_test(a_client_that_doesnt_read_is_dropped),
		guest_test(a_client_without_a_descriptor_left_is_told_so),
		guest_test(another_user_is_turned_away),
		guest_test(a_server_that_ends_leaves_nobody_waiting),
		guest_test(the_console_is_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
