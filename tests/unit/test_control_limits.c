/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: who is turned away, and that nobody can hold it up. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/client.h"
#include "api/server.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "control_guest.h"

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

static void *call_ping(void *arg)
{
	json_t *reply = NULL;

	client_call("web", request("ping"), PATIENCE_MS, &reply, arg);
	json_decref(reply);
	return NULL;
}

/* The server closes with the request still unread, which resets the connection. */
static void a_client_that_spoke_before_it_was_turned_away_is_told_so(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	int fds[CONTROL_CLIENTS_MAX];
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_raw();
		assert_answers(fds[i]);
	}
	pthread_mutex_lock(&guest.lock);
	assert_int_equal(pthread_create(&thread, NULL, call_ping, &err), 0);
	usleep(50000);
	pthread_mutex_unlock(&guest.lock);
	pthread_join(thread, NULL);
	assert_non_null(strstr(err_message(err), "too many clients"));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
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
	assert_int_equal(control_server_new(guest.loop, listen_fd, control_guest_verbs,
					    CONTROL_GUEST_VERBS, &guest, &server, NULL),
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
	control_guest_stop_server();
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

int main(void)
{
#define guest_test(f) cmocka_unit_test_setup_teardown(f, control_guest_start, control_guest_end)
	const struct CMUnitTest tests[] = {
		guest_test(clients_beyond_the_limit_are_told_so),
		guest_test(a_client_that_spoke_before_it_was_turned_away_is_told_so),
		guest_test(a_client_that_doesnt_read_is_dropped),
		guest_test(a_client_without_a_descriptor_left_is_told_so),
		guest_test(another_user_is_turned_away),
		guest_test(a_server_that_ends_leaves_nobody_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
