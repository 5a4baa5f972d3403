/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control socket for tests, from both ends: a server on a real loop in a thread, with the loop's
 * lock as in a VM process, and clients over its socket in a runtime directory.
 */
#ifndef LODGE_TESTS_UNIT_CONTROL_GUEST_H
#define LODGE_TESTS_UNIT_CONTROL_GUEST_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

#include "api/protocol.h"
#include "base/err.h"

enum { PATIENCE_MS = 10000, CONTROL_GUEST_VERBS = 6 };

struct control_guest {
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
};

extern struct control_guest guest;
extern const struct control_verb control_guest_verbs[CONTROL_GUEST_VERBS];

/* Set-up and teardown of a test. */
int control_guest_start(void **state);
int control_guest_end(void **state);
void control_guest_stop_server(void);
/* Waits until *value, which changes under the lock, is the expected one. */
void await(const int *value, int expected);
/* Waits until a call is held. */
void await_held(void);
/* A connection to the control socket, for messages as they are. */
int connect_raw(void);
void say(int fd, const char *text);
/* The next message within the patience of the test, or "" at the end; valid until the next call. */
const char *hear(int fd);
void assert_hears(int fd, const char *part);
bool hears_nothing(int fd, int ms);
void assert_answers(int fd);
/* request is taken over. */
void assert_call_fails(json_t *request, int timeout_ms, enum err_code code, const char *message);
/* A request without arguments. */
json_t *request(const char *verb);

#endif
