/* SPDX-License-Identifier: Apache-2.0 */
/* A control socket for tests: see control_guest.h. */
#include "control_guest.h"

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
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/client.h"
#include "api/rundir.h"
#include "api/server.h"
#include "base/cleanup.h"
#include "base/loop.h"

struct control_guest guest;

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

const struct control_verb control_guest_verbs[CONTROL_GUEST_VERBS] = {
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

void control_guest_stop_server(void)
{
	pthread_mutex_lock(&guest.lock);
	control_server_free(guest.server);
	guest.server = NULL;
	pthread_mutex_unlock(&guest.lock);
}

int control_guest_start(void **state)
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
	if (control_server_new(guest.loop, guest.listen_fd, control_guest_verbs,
			       CONTROL_GUEST_VERBS, &guest, &guest.server, NULL) < 0)
		return -1;
	return pthread_create(&guest.thread, NULL, run_loop, NULL);
}

int control_guest_end(void **state)
{
	char command[64];

	(void)state;
	control_guest_stop_server();
	loop_quit(guest.loop);
	pthread_join(guest.thread, NULL);
	loop_free(guest.loop);
	close(guest.listen_fd);
	rundir_remove(guest.rundir);
	rundir_free(guest.rundir);
	snprintf(command, sizeof(command), "rm -r %s", guest.root);
	return system(command);
}

void await(const int *value, int expected)
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

void await_held(void)
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

int connect_raw(void)
{
	int fd = -1;

	assert_int_equal(rundir_connect("web", RUNDIR_CONTROL, SOCK_SEQPACKET, -1, &fd, NULL), 0);
	return fd;
}

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

const char *hear(int fd)
{
	static char text[PROTOCOL_MESSAGE_MAX + 1];
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);

	ssize_t n = recv(fd, text, PROTOCOL_MESSAGE_MAX, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

void assert_hears(int fd, const char *part)
{
	const char *text = hear(fd);

	if (!strstr(text, part))
		fail_msg("\"%s\" doesn't say \"%s\"", text, part);
}

bool hears_nothing(int fd, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 0;
}

void assert_answers(int fd)
{
	say(fd, "{\"verb\": \"ping\"}");
	assert_hears(fd, "{\"result\":");
}

void assert_call_fails(json_t *request, int timeout_ms, enum err_code code, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	json_t *reply = NULL;

	assert_int_equal(client_call("web", request, timeout_ms, &reply, &err), -1);
	assert_null(reply);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
	assert_int_equal(err_code(err), code);
}

json_t *request(const char *verb)
{
	return json_pack("{s:s}", "verb", verb);
}
