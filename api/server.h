/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's server, on the event loop of a VM process.
 *
 * Each client has at most one request under way: while its reply is deferred, nothing more is read
 * from it, and further requests wait in its socket. So replies come in the order of requests, and
 * the server keeps no queue. A reply is sent at once or not at all: a client whose socket is full,
 * because it doesn't read, is dropped. Memory is bounded by CONTROL_CLIENTS_MAX and
 * PROTOCOL_MESSAGE_MAX.
 *
 * Only root and the user of the VM process are answered (SO_PEERCRED).
 *
 * All functions are called with the loop's lock held.
 */
#ifndef LODGE_API_SERVER_H
#define LODGE_API_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/protocol.h"

struct control_call;
struct control_server;
struct err;
struct loop;

enum { CONTROL_CLIENTS_MAX = 32 };

/* Accepts clients on a listening SOCK_SEQPACKET socket. listen_fd, verbs and opaque stay the
 * caller's and outlive the server. */
int control_server_new(struct loop *loop, int listen_fd, const struct control_verb *verbs,
		       size_t n_verbs, void *opaque, struct control_server **ret_server,
		       struct err **err);
/* Disconnects every client; deferred calls are cancelled. Not from within a handler. NULL is fine.
 */
void control_server_free(struct control_server *server);

/* Answers a deferred call, once: with result (taken over; NULL is an empty object), or with error
 * if that isn't NULL (stays the caller's). call is invalid afterwards. */
void control_call_reply(struct control_call *call, json_t *result, const struct err *error);

/* Whether there is a deferred call of a verb. */
bool control_server_awaited(const struct control_server *server, const char *verb);

/* Answers all deferred calls of a verb in the same way; result is taken over. A verb that is only
 * answered like this need not keep its calls and needs no cancel(). */
void control_server_reply_all(struct control_server *server, const char *verb, json_t *result);
/* The same with an error, which stays the caller's. */
void control_server_refuse_all(struct control_server *server, const char *verb,
			       const struct err *error);

#endif
