/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a running guest's VM process for something: see client.h. */
#include "api/client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "api/protocol.h"
#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

/* A console that doesn't even accept in this time never will. */
enum { CONSOLE_TIMEOUT_MS = 10000 };

/* What is left of a time limit, for poll(2): -1 is no limit. */
static int left_ms(int timeout_ms, int64_t start_ms)
{
	if (timeout_ms < 0)
		return -1;

	int64_t left = start_ms + timeout_ms - clock_monotonic_ms();

	return left > 0 ? (int)left : 0;
}

static int no_answer(const char *name, struct err **err)
{
	return err_set(err, ERR_TIMEOUT, 0, "guest %s doesn't answer", name);
}

/* The VM process closed the connection, or is gone, and what it left is cleared. */
static int hung_up(const char *name, struct err **err)
{
	rundir_reap(name, NULL);
	return err_set(err, ERR_FAILED, 0, "guest %s ended without an answer", name);
}

static int receive(const char *name, int fd, int timeout_ms, int64_t start_ms, json_t **ret_reply,
		   struct err **err)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	_cleanup_free_ char *bytes = malloc(PROTOCOL_MESSAGE_MAX);

	if (!bytes)
		return err_set(err, ERR_NO_SPACE, errno, "control reply");
	for (;;) {
		int n = poll(&poll_fd, 1, left_ms(timeout_ms, start_ms));

		if (n == 0)
			return no_answer(name, err);
		if (n > 0)
			break;
		if (errno != EINTR)
			return err_set(err, ERR_FAILED, errno, "guest %s: wait for a reply", name);
	}

	ssize_t len = recv(fd, bytes, PROTOCOL_MESSAGE_MAX, MSG_TRUNC | MSG_DONTWAIT);

	/* A server that closes without having read the request resets the connection, and what it
	 * said before comes after that. */
	if (len < 0 && errno == ECONNRESET)
		len = recv(fd, bytes, PROTOCOL_MESSAGE_MAX, MSG_TRUNC | MSG_DONTWAIT);
	if (len <= 0)
		return hung_up(name, err);
	return protocol_decode(bytes, (size_t)len, ret_reply, err);
}

/* Sends a request and gives the guest's whole reply. */
static int exchange(const char *name, const json_t *request, int timeout_ms, json_t **ret_reply,
		    struct err **err)
{
	int64_t start_ms = clock_monotonic_ms();
	_cleanup_free_ char *bytes = NULL;
	_cleanup_close_ int fd = -1;
	size_t len;

	if (protocol_encode(request, &bytes, &len, err) < 0 ||
	    rundir_connect(name, RUNDIR_CONTROL, SOCK_SEQPACKET, timeout_ms, &fd, err) < 0)
		return -1;
	/* A server that turns clients away sends its reason and closes at once, so a send that
	 * fails isn't the end: the reason may be waiting. */
	if (send(fd, bytes, len, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
		return no_answer(name, err);
	return receive(name, fd, timeout_ms, start_ms, ret_reply, err);
}

int client_call(const char *name, json_t *request, int timeout_ms, json_t **ret_reply,
		struct err **err)
{
	json_t *reply = NULL;

	if (!request)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "control request");

	int rc = exchange(name, request, timeout_ms, &reply, err);

	if (rc == 0 && (rc = protocol_reply(reply, ret_reply, err)) < 0)
		err_wrap(err, "guest %s", name);
	json_decref(reply);
	json_decref(request);
	return rc;
}

int client_console(const char *name, int *ret_fd, struct err **err)
{
	_cleanup_close_ int fd = -1;
	struct timeval forever = { 0 };

	if (rundir_connect(name, RUNDIR_CONSOLE, SOCK_STREAM, CONSOLE_TIMEOUT_MS, &fd, err) < 0)
		return -1;
	/* The limit was for connecting. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever));
	*ret_fd = take_fd(fd);
	return 0;
}
