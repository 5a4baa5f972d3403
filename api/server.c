/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's server: see server.h. */
#include "api/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"

/* Room for the longest reply, in a socket whose reader is a little behind. */
enum { SEND_BUFFER = 4 * PROTOCOL_MESSAGE_MAX };

/* The one request of a client that is under way. */
struct control_call {
	struct control_client *client;
	const struct control_verb *verb;
	bool pending; /* handed to the handler and not answered yet */
};

struct control_client {
	struct control_server *server;
	int fd; /* -1: a free place */
	struct loop_source *source;
	struct control_call call;
	bool in_handler;
	bool gone; /* to be dropped when its handler has returned */
};

struct control_server {
	struct loop *loop;
	int listen_fd;
	struct loop_source *listen_source;
	/* Given up for a moment when there are no descriptors left, so that a client can be turned
	 * away rather than left knocking, which would keep the loop awake. */
	int spare_fd;
	const struct control_verb *verbs;
	size_t n_verbs;
	void *opaque;
	struct control_client clients[CONTROL_CLIENTS_MAX];
	char buffer[PROTOCOL_MESSAGE_MAX];
};

static void client_drop(struct control_client *client)
{
	struct control_call *call = &client->call;

	/* The handler may still be using the call. */
	if (client->in_handler) {
		client->gone = true;
		return;
	}
	if (call->pending) {
		call->pending = false;
		if (call->verb->cancel)
			call->verb->cancel(client->server->opaque, call);
	}
	loop_remove(client->source);
	close(client->fd);
	client->source = NULL;
	client->fd = -1;
	client->gone = false;
}

/* Sends a reply, which is taken over, at once or not at all. */
static int send_reply(int fd, json_t *reply)
{
	_cleanup_err_ struct err *err = NULL;
	_cleanup_free_ char *bytes = NULL;
	size_t len = 0;

	int rc = reply ? protocol_encode(reply, &bytes, &len, &err)
		       : err_set(&err, ERR_NO_SPACE, ENOMEM, "control reply");

	json_decref(reply);
	if (rc < 0) {
		/* A reply that can't be sent is answered by one that can. */
		json_t *refusal = protocol_error(err);

		rc = refusal ? protocol_encode(refusal, &bytes, &len, NULL) : -1;
		json_decref(refusal);
	}
	if (rc < 0 || send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		return -1;
	return 0;
}

static void client_reply(struct control_client *client, json_t *reply)
{
	if (send_reply(client->fd, reply) < 0)
		client_drop(client);
}

static void client_refuse(struct control_client *client, const struct err *error)
{
	client_reply(client, protocol_error(error));
}

void control_call_reply(struct control_call *call, json_t *result, const struct err *error)
{
	struct control_client *client = call->client;

	call->pending = false;
	if (error)
		json_decref(result);
	/* Reading goes on after a deferred reply; within the handler it never stopped. */
	if (!client->in_handler)
		loop_modify(client->source, EPOLLIN);
	client_reply(client, error ? protocol_error(error) : protocol_result(result));
}

static bool awaits(const struct control_client *client, const char *verb)
{
	return client->fd >= 0 && client->call.pending &&
	       strcmp(client->call.verb->name, verb) == 0;
}

/* result stays the caller's. */
static void answer_all(struct control_server *server, const char *verb, json_t *result,
		       const struct err *error)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = &server->clients[i];

		if (awaits(client, verb))
			control_call_reply(&client->call, json_incref(result), error);
	}
}

bool control_server_awaited(const struct control_server *server, const char *verb)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (awaits(&server->clients[i], verb))
			return true;
	return false;
}

void control_server_reply_all(struct control_server *server, const char *verb, json_t *result)
{
	answer_all(server, verb, result, NULL);
	json_decref(result);
}

void control_server_refuse_all(struct control_server *server, const char *verb,
			       const struct err *error)
{
	answer_all(server, verb, NULL, error);
}

/* Hands a request that fits its verb's table to the handler. */
static void client_handle(struct control_client *client, const json_t *request)
{
	struct control_server *server = client->server;
	struct control_call *call = &client->call;
	_cleanup_err_ struct err *err = NULL;
	json_t *result = NULL;

	call->pending = true;
	client->in_handler = true;

	int rc = call->verb->handle(server->opaque, call, request, &result, &err);

	client->in_handler = false;
	if (client->gone) {
		/* Answered by the handler itself, and the client didn't take it. */
		client_drop(client);
	} else if (rc != CONTROL_DEFERRED) {
		call->pending = false;
		client_reply(client, rc < 0 ? protocol_error(err) : protocol_result(result));
	} else if (call->pending) {
		/* Only the end of the client is waited for until the reply. */
		loop_modify(client->source, 0);
	}
}

static void client_request(struct control_client *client, size_t len)
{
	struct control_server *server = client->server;
	_cleanup_err_ struct err *err = NULL;
	json_t *request = NULL;

	if (protocol_decode(server->buffer, len, &request, &err) < 0 ||
	    protocol_match(request, server->verbs, server->n_verbs, &client->call.verb, &err) < 0)
		client_refuse(client, err);
	else
		client_handle(client, request);
	json_decref(request);
}

/* One message a call: the loop comes back while there are more, and the others get their turn. */
static void client_ready(void *arg, uint32_t events)
{
	struct control_client *client = arg;
	struct control_server *server = client->server;

	if (client->call.pending) {
		if (events & (EPOLLHUP | EPOLLERR))
			client_drop(client);
		return;
	}

	/* MSG_TRUNC: the message's true length, even if it doesn't fit. */
	ssize_t n = recv(client->fd, server->buffer, sizeof(server->buffer),
			 MSG_DONTWAIT | MSG_TRUNC);

	if (n > 0)
		client_request(client, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		client_drop(client);
}

static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* Tells a client why it isn't served, and closes its socket. */
static void turn_away(int fd, enum err_code code, const char *reason)
{
	_cleanup_err_ struct err *err = NULL;

	err_set(&err, code, 0, "%s", reason);
	send_reply(fd, protocol_error(err));
	close(fd);
}

static struct control_client *free_place(struct control_server *server)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	return NULL;
}

static void client_add(struct control_server *server, int fd)
{
	struct control_client *client = free_place(server);
	int send_buffer = SEND_BUFFER;

	if (!may_ask(fd)) {
		turn_away(fd, ERR_DENIED, "this guest belongs to another user");
		return;
	}
	if (!client) {
		turn_away(fd, ERR_FAILED, "too many clients");
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	*client = (struct control_client){ .server = server, .fd = fd };
	client->call.client = client;
	if (loop_add(server->loop, fd, EPOLLIN, client_ready, client, &client->source, NULL) < 0) {
		client->fd = -1;
		turn_away(fd, ERR_NO_SPACE, "no room for another client");
	}
}

static void accept_and_close(struct control_server *server)
{
	close(server->spare_fd);

	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		turn_away(fd, ERR_NO_SPACE, "no descriptors left for another client");
	server->spare_fd = fcntl(server->listen_fd, F_DUPFD_CLOEXEC, 3);
}

static void server_ready(void *arg, uint32_t events)
{
	struct control_server *server = arg;

	(void)events;

	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		client_add(server, fd);
	else if ((errno == EMFILE || errno == ENFILE) && server->spare_fd >= 0)
		accept_and_close(server);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_limited("control socket: accept: %s", strerror(errno));
}

int control_server_new(struct loop *loop, int listen_fd, const struct control_verb *verbs,
		       size_t n_verbs, void *opaque, struct control_server **ret_server,
		       struct err **err)
{
	struct control_server *server = calloc(1, sizeof(*server));

	if (!server)
		return err_set(err, ERR_NO_SPACE, errno, "control socket");
	server->loop = loop;
	server->listen_fd = listen_fd;
	server->verbs = verbs;
	server->n_verbs = n_verbs;
	server->opaque = opaque;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	server->spare_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
	if (server->spare_fd < 0) {
		err_set(err, ERR_FAILED, errno, "control socket");
		free(server);
		return -1;
	}
	if (loop_add(loop, listen_fd, EPOLLIN, server_ready, server, &server->listen_source, err) <
	    0) {
		close(server->spare_fd);
		free(server);
		return err_wrap(err, "control socket");
	}
	*ret_server = server;
	return 0;
}

void control_server_free(struct control_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (server->clients[i].fd >= 0)
			client_drop(&server->clients[i]);
	loop_remove(server->listen_source);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	free(server);
}
