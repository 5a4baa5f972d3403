/* SPDX-License-Identifier: Apache-2.0 */
/* What guests' kernels say: see ask.h. */
#include "govern/ask.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/protocol.h"
#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sums.h"

enum { CONNECT_MS = 20, ASKED_AT_ONCE = 512 }; /* descriptors */

/* What a balloon may lack of its target and count as there. */
#define BALLOON_NEARLY (UINT64_C(4) << 20)

/* Takes a guest's answer. */
typedef void (*answer_fn)(struct sensor *sensor, size_t i, const json_t *result);

/* The guests that are asked, and what for. */
struct question {
	struct sensor *sensor;
	const char *verb;
	int64_t deadline; /* on clock_monotonic_ms()'s clock */
	bool (*wanted)(const struct sensor *sensor, size_t i);
	answer_fn answer;
};

static int ask(const char *name, const char *verb)
{
	_cleanup_close_ int fd = -1;
	char request[64];
	int len = snprintf(request, sizeof(request), "{\"verb\": \"%s\"}", verb);

	if (rundir_connect(name, RUNDIR_CONTROL, SOCK_SEQPACKET, CONNECT_MS, &fd, NULL) < 0 ||
	    send(fd, request, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -1;
	return take_fd(fd);
}

/* The result of a guest's reply, or NULL if it says that it can't. */
static json_t *receive(int fd)
{
	_cleanup_free_ char *bytes = malloc(PROTOCOL_MESSAGE_MAX);
	_cleanup_(json_decrefp) json_t *reply = NULL;
	json_t *result = NULL;
	ssize_t len;

	if (!bytes)
		return NULL;
	len = recv(fd, bytes, PROTOCOL_MESSAGE_MAX, MSG_TRUNC | MSG_DONTWAIT);
	if (len <= 0 || protocol_decode(bytes, (size_t)len, &reply, NULL) < 0 ||
	    protocol_reply(reply, &result, NULL) < 0)
		return NULL;
	return result;
}

static uint64_t figure(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) && json_integer_value(value) >= 0
		   ? (uint64_t)json_integer_value(value)
		   : POLICY_UNKNOWN;
}

static bool has_word(const json_t *list, const char *word)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		if (json_is_string(entry) && strcmp(json_string_value(entry), word) == 0)
			return true;
	}
	return false;
}

static uint64_t spare_of(const struct policy_guest *guest, const json_t *stats)
{
	uint64_t available = figure(stats, "available");
	uint64_t total = figure(stats, "total");

	if (available == POLICY_UNKNOWN || total == POLICY_UNKNOWN)
		return POLICY_UNKNOWN;
	return policy_spare(guest, total, available);
}

/* A guest that says it can spare memory has to give it, before it's asked for more. */
static bool is_reached(const json_t *balloon, uint64_t target)
{
	uint64_t actual = figure(balloon, "actual");

	return actual != POLICY_UNKNOWN && actual + BALLOON_NEARLY >= target;
}

/* What the balloon is to hold was asked for here, or nothing is. */
static bool is_ours(uint64_t target, const struct policy_guest_memory *memory)
{
	return target == 0 || target == memory->balloon || target == memory->balloon_before;
}

static void take_answer(struct sensor *sensor, size_t i, const json_t *balloon)
{
	const json_t *negotiated = json_object_get(balloon, "negotiated");
	struct policy_guest *guest = &sensor->guests[i];
	const json_t *stats = json_object_get(balloon, "stats");
	uint64_t target = figure(balloon, "target");
	uint64_t available = figure(stats, "available");
	uint64_t total = figure(stats, "total");

	if (target == POLICY_UNKNOWN)
		return;
	if (sensor->memories[i].balloon == SENSOR_ADOPT_BALLOON)
		sensor->memories[i].balloon = target;
	guest->balloon = target;
	guest->spare = is_reached(balloon, target) ? spare_of(guest, stats) : 0;
	guest->has_balloon = has_word(negotiated, "stats") &&
			     has_word(negotiated, "deflate-on-oom") &&
			     is_ours(target, &sensor->memories[i]);
	if (guest->active != POLICY_UNKNOWN || available == POLICY_UNKNOWN ||
	    total == POLICY_UNKNOWN)
		return;
	guest->active = least(guest->resident, rest(total, available));
	sensor->about[i].source = GOVERN_SOURCE_GUEST;
}

/* The guests from the first on that are waited for together. */
static void ask_some(const struct question *q, size_t first, size_t n)
{
	struct pollfd fds[ASKED_AT_ONCE];
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		bool wanted = clock_monotonic_ms() < q->deadline && q->wanted(q->sensor, first + i);

		fds[i] = (struct pollfd){
			.fd = wanted ? ask(q->sensor->about[first + i].name, q->verb) : -1,
			.events = POLLIN,
		};
		left += fds[i].fd >= 0;
	}
	while (left > 0) {
		int64_t ms = q->deadline - clock_monotonic_ms();

		if (ms <= 0 || poll(fds, n, (int)ms) <= 0)
			break;
		for (size_t i = 0; i < n; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;

			json_t *result = receive(fds[i].fd);

			q->answer(q->sensor, first + i, result);
			json_decref(result);
			close(fds[i].fd);
			fds[i].fd = -1;
			left--;
		}
	}
	for (size_t i = 0; i < n; i++)
		cleanup_close(&fds[i].fd);
}

static void ask_all(struct question q)
{
	q.deadline = clock_monotonic_ms() +
		     (int64_t)least(GOVERN_ASK_MS + q.sensor->n / 4, GOVERN_ASK_MOST_MS);
	for (size_t i = 0; i < q.sensor->n; i += ASKED_AT_ONCE)
		ask_some(&q, i, least(q.sensor->n - i, ASKED_AT_ONCE));
}

static bool is_any(const struct sensor *sensor, size_t i)
{
	(void)sensor;
	(void)i;
	return true;
}

void govern_ask_guests(struct sensor *sensor)
{
	const struct question q = {
		.sensor = sensor, .verb = "stats", .wanted = is_any, .answer = take_answer
	};

	ask_all(q);
}

/* It's one range of addresses, whatever it is to the guest (mem/guest_ram.h). */
static void take_ram(struct sensor *sensor, size_t i, const json_t *show)
{
	const json_t *parts = json_object_get(show, "ram");
	struct host_range *ram = &sensor->about[i].ram;
	const json_t *part;
	size_t at;

	json_array_foreach (parts, at, part) {
		uint64_t start = figure(part, "hva");
		uint64_t bytes = figure(part, "bytes");

		if (start == POLICY_UNKNOWN || bytes == POLICY_UNKNOWN)
			return;
		if (at == 0)
			*ram = (struct host_range){ .start = start };
		ram->len += bytes;
	}
}

static bool has_no_ram(const struct sensor *sensor, size_t i)
{
	return sensor->about[i].ram.len == 0;
}

void govern_ask_ram(struct sensor *sensor)
{
	const struct question q = {
		.sensor = sensor, .verb = "show", .wanted = has_no_ram, .answer = take_ram
	};

	ask_all(q);
}
