/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's console: see console.h.
 *
 * Output is one stream whose bytes are numbered from 0. The ring holds the last CONSOLE_RING of
 * them, and a client is a socket with the number of the next byte it is to get. Clients whose
 * socket is full are waited for with EPOLLOUT; all others have nothing pending.
 *
 * Input that the guest doesn't take yet stays in one small buffer, and while there is any, no more
 * is read from the clients: their own socket buffers then hold the rest.
 */
#include "dev/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"

enum { CLIENTS_MAX = 16, INPUT_BUFFER = 256 };

struct client {
	struct console *console;
	int fd; /* -1: this place is free */
	struct loop_source *source;
	uint64_t next;	  /* number of the next byte of output it gets */
	bool socket_full; /* waiting for EPOLLOUT */
	bool input_over;  /* it sends no more, but may still read */
	bool output_over; /* it reads no more */
};

struct console {
	struct loop *loop;
	struct loop_source *listener;
	int listen_fd;
	int spare_fd; /* given up for a moment when there are no others left */

	uint64_t end;  /* number of output bytes so far */
	uint64_t seen; /* the first byte that no client got */
	uint8_t ring[CONSOLE_RING];

	struct client clients[CLIENTS_MAX];

	struct console_input inputs[CONSOLE_RANKS];
	bool attached[CONSOLE_RANKS];
	uint8_t pending[INPUT_BUFFER];
	size_t pending_len;

	uint16_t columns, rows;
};

int console_new(struct loop *loop, struct console **ret_console, struct err **err)
{
	struct console *console = calloc(1, sizeof(*console));

	if (!console)
		return err_set(err, ERR_NO_SPACE, errno, "console");
	console->loop = loop;
	console->spare_fd = -1;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		console->clients[i] = (struct client){ .console = console, .fd = -1 };
	*ret_console = console;
	return 0;
}

static void client_close(struct client *client)
{
	loop_remove(client->source);
	close(client->fd);
	*client = (struct client){ .console = client->console, .fd = -1 };
}

void console_free(struct console *console)
{
	if (!console)
		return;
	loop_remove(console->listener);
	cleanup_close(&console->spare_fd);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (console->clients[i].fd >= 0)
			client_close(&console->clients[i]);
	}
	free(console);
}

/* Which events a client is waited for. */
static void client_wait(const struct client *client)
{
	bool wants_input = client->console->pending_len == 0 && !client->input_over;

	loop_modify(client->source,
		    (wants_input ? EPOLLIN : 0U) | (client->socket_full ? EPOLLOUT : 0U));
}

static void clients_wait(struct console *console)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (console->clients[i].fd >= 0)
			client_wait(&console->clients[i]);
	}
}

/* Sends some bytes; -1 if the socket takes none, now or ever again. */
static ssize_t client_send(struct client *client, const void *data, size_t len)
{
	ssize_t n = send(client->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		client->output_over = true;
	return n;
}

/* Tells a client what it lost, and moves it to the oldest byte that is left. Returns false if the
 * socket took less than the whole notice; the client will be asked again. */
static bool client_skip(struct client *client)
{
	struct console *console = client->console;
	uint64_t oldest = console->end > CONSOLE_RING ? console->end - CONSOLE_RING : 0;
	char notice[80];

	if (client->next >= oldest)
		return true;

	int n = snprintf(notice, sizeof(notice), "\r\n[%llu bytes of output were skipped]\r\n",
			 (unsigned long long)(oldest - client->next));

	if (client_send(client, notice, (size_t)n) != n)
		return false;
	client->next = oldest;
	return true;
}

/* Sends what a client hasn't got yet, as far as its socket takes it. */
static void client_flush(struct client *client)
{
	struct console *console = client->console;
	bool was_full = client->socket_full;

	client->socket_full = !client_skip(client);
	while (!client->socket_full && client->next < console->end) {
		size_t at = client->next % CONSOLE_RING;
		size_t len = (size_t)(console->end - client->next);

		if (len > CONSOLE_RING - at)
			len = CONSOLE_RING - at;

		ssize_t n = client_send(client, console->ring + at, len);

		if (n < 0)
			client->socket_full = true;
		else
			client->next += (uint64_t)n;
	}
	/* There is nothing to wait for. The client isn't closed here, where a vCPU may be writing,
	 * but when its other end is. */
	if (client->output_over)
		client->socket_full = false;
	if (client->next > console->seen)
		console->seen = client->next;
	if (client->socket_full != was_full)
		client_wait(client);
}

void console_write(struct console *console, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t done = 0; done < len;) {
		size_t at = console->end % CONSOLE_RING;
		size_t n = len - done;

		if (n > CONSOLE_RING - at)
			n = CONSOLE_RING - at;
		memcpy(console->ring + at, bytes + done, n);
		console->end += n;
		done += n;
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &console->clients[i];

		if (client->fd >= 0 && !client->socket_full && !client->output_over)
			client_flush(client);
	}
}

/* The clients that wait for EPOLLOUT, as poll(2) wants them. */
static nfds_t console_lagging(struct console *console, struct pollfd *fds)
{
	nfds_t n = 0;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &console->clients[i];

		if (client->fd < 0 || client->output_over)
			continue;
		client_flush(client);
		if (client->socket_full)
			fds[n++] = (struct pollfd){ .fd = client->fd, .events = POLLOUT };
	}
	return n;
}

void console_finish(struct console *console, int timeout_ms)
{
	struct pollfd fds[CLIENTS_MAX];
	nfds_t n;

	while ((n = console_lagging(console, fds)) > 0) {
		/* Those that don't take anything for so long lose the rest. */
		if (poll(fds, n, timeout_ms) == 0)
			return;
	}
}

static const struct console_input *console_top_input(const struct console *console)
{
	for (int rank = CONSOLE_RANKS - 1; rank >= 0; rank--) {
		if (console->attached[rank])
			return &console->inputs[rank];
	}
	return NULL;
}

static void console_deliver(struct console *console)
{
	const struct console_input *input = console_top_input(console);

	if (!input || console->pending_len == 0)
		return;

	size_t n = input->input(input->opaque, console->pending, console->pending_len);

	console->pending_len -= n;
	memmove(console->pending, console->pending + n, console->pending_len);
}

void console_input_ready(struct console *console)
{
	if (console->pending_len == 0)
		return;
	console_deliver(console);
	if (console->pending_len == 0)
		clients_wait(console);
}

void console_attach(struct console *console, enum console_rank rank,
		    const struct console_input *input)
{
	console->inputs[rank] = *input;
	console->attached[rank] = true;
	if (input->resize && console->columns)
		input->resize(input->opaque, console->columns, console->rows);
	console_input_ready(console);
}

void console_detach(struct console *console, enum console_rank rank)
{
	console->attached[rank] = false;
}

static void client_read(struct client *client)
{
	struct console *console = client->console;

	if (console->pending_len > 0)
		return;

	ssize_t n = recv(client->fd, console->pending, sizeof(console->pending), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_close(client);
		return;
	}
	if (n == 0) {
		client->input_over = true;
		client_wait(client);
		return;
	}
	console->pending_len = (size_t)n;
	console_deliver(console);
	if (console->pending_len > 0)
		clients_wait(console);
}

static void on_client(void *arg, uint32_t events)
{
	struct client *client = arg;

	if (events & EPOLLOUT)
		client_flush(client);
	if (events & EPOLLIN)
		client_read(client);
	/* With input pending there is no EPOLLIN to find the end of the stream by. */
	else if (events & (EPOLLHUP | EPOLLERR))
		client_close(client);
}

/* Without a descriptor left, a client that knocks would keep the loop awake. */
static void console_turn_away(struct console *console)
{
	cleanup_close(&console->spare_fd);

	int fd = accept4(console->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	cleanup_close(&fd);
	console->spare_fd = fcntl(console->listen_fd, F_DUPFD_CLOEXEC, 3);
}

static void on_connect(void *arg, uint32_t events)
{
	struct console *console = arg;
	struct err *err = NULL;
	int fd = accept4(console->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		console_turn_away(console);
		return;
	}
	if (fd < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &console->clients[i];

		if (client->fd >= 0)
			continue;
		if (loop_add(console->loop, fd, EPOLLIN, on_client, client, &client->source, &err) <
		    0) {
			log_line("%s", err_message(err));
			err_free(err);
			break;
		}
		client->fd = fd;
		client->next = console->seen;
		client_wait(client);
		client_flush(client);
		return;
	}
	/* No place, or no memory: the client sees the end of the stream. */
	close(fd);
}

int console_listen(struct console *console, int listen_fd, struct err **err)
{
	console->listen_fd = listen_fd;
	console->spare_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
	if (console->spare_fd < 0)
		return err_set(err, ERR_FAILED, errno, "console");
	return loop_add(console->loop, listen_fd, EPOLLIN, on_connect, console, &console->listener,
			err);
}

void console_set_size(struct console *console, uint16_t columns, uint16_t rows)
{
	console->columns = columns;
	console->rows = rows;
	for (int rank = 0; rank < CONSOLE_RANKS; rank++) {
		const struct console_input *input = &console->inputs[rank];

		if (console->attached[rank] && input->resize)
			input->resize(input->opaque, columns, rows);
	}
}

void console_get_size(const struct console *console, uint16_t *ret_columns, uint16_t *ret_rows)
{
	*ret_columns = console->columns;
	*ret_rows = console->rows;
}
