/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: requests and replies. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/client.h"
#include "api/rundir.h"
#include "api/server.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "control_guest.h"

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

/* A server thread's time on a processor, in ms. */
static long server_ms(void)
{
	struct timespec used;
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(guest.thread, &clock), 0);
	assert_int_equal(clock_gettime(clock, &used), 0);
	return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void requests_behind_a_deferred_one_dont_keep_the_loop_awake(void **state)
{
	int fd = connect_raw();

	(void)state;
	say(fd, "{\"verb\": \"hold\"}");
	say(fd, "{\"verb\": \"ping\"}");
	await_held();

	long before = server_ms();

	usleep(200000);
	assert_true(server_ms() - before < 20);
	close(fd);
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
#define guest_test(f) cmocka_unit_test_setup_teardown(f, control_guest_start, control_guest_end)
	const struct CMUnitTest tests[] = {
		guest_test(a_request_is_answered),
		guest_test(errors_keep_their_code_and_name_the_guest),
		guest_test(a_wrong_message_is_answered_and_the_client_stays),
		guest_test(a_message_that_is_too_long_is_answered),
		guest_test(a_reply_that_is_too_long_becomes_an_error),
		guest_test(a_deferred_reply_comes_before_later_ones),
		guest_test(requests_behind_a_deferred_one_dont_keep_the_loop_awake),
		guest_test(a_deferred_reply_may_be_an_error),
		guest_test(a_handler_may_reply_before_it_returns),
		guest_test(a_deferred_call_is_cancelled_when_its_client_goes),
		guest_test(a_call_that_takes_too_long_is_given_up),
		guest_test(a_server_that_stands_still_is_given_up),
		guest_test(everybody_who_waits_is_answered),
		guest_test(the_console_is_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
