/* SPDX-License-Identifier: Apache-2.0 */
/* Where `lodge top` has its figures from: see top_ask.h. */
#include "cmd/top_ask.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "api/protocol.h"
#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "cmd/guest.h"
#include "cmd/memory_report.h"
#include "host/fields.h"

enum {
	CONNECT_MS = 20,   /* a guest whose clients queue up is stuck */
	RETRY_MS = 10000,  /* until such a guest is tried again */
	PAGE_BYTES = 4096, /* what control groups count in */
};

struct source;

/* A connection to a guest's control socket, with at most one request under way. */
struct line {
	struct source *source;
	int fd; /* -1: none */
	struct loop_source *watch;
	bool waiting; /* for a reply */
};

/* A guest, from the round that first saw it to the one that misses it. */
struct source {
	struct top_ask *ask;
	struct line show;
	struct line stats;
	bool counted; /* the round waits for it */
	bool gone;    /* it ended; the next list of guests is without it */
	int64_t retry_ms;
	struct top_guest guest;
	bool has_sample; /* guest.sample is from an earlier answer, or this one */
	json_t *json;
};

struct top_ask {
	struct loop *loop;
	struct top_ask_options options;
	struct memory_host host;
	int timer_fd;
	struct loop_source *timer;
	bool running;
	size_t waited_for;	 /* guests that the round waits for */
	struct source **sources; /* by name */
	size_t n;

	struct top_snapshot snapshot;
	const json_t **shows; /* of the snapshot's guests; the sources' */
};

static void line_close(struct line *line)
{
	loop_remove(line->watch);
	if (line->fd >= 0)
		close(line->fd);
	line->watch = NULL;
	line->fd = -1;
	line->waiting = false;
}

static void source_free(struct source *source)
{
	line_close(&source->show);
	line_close(&source->stats);
	json_decref(source->json);
	free(source);
}

static struct source *source_new(struct top_ask *ask, const char *name)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->ask = ask;
	source->show = (struct line){ .source = source, .fd = -1 };
	source->stats = source->show;
	snprintf(source->guest.name, sizeof(source->guest.name), "%s", name);
	return source;
}

static void arm(struct top_ask *ask, int64_t ms)
{
	/* 0 would switch it off. */
	struct itimerspec when = {
		.it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 + (ms == 0) },
	};

	timerfd_settime(ask->timer_fd, 0, &when, NULL);
}

/* The round need not wait for this guest any more. */
static void settle(struct source *source)
{
	struct top_ask *ask = source->ask;

	if (!source->counted)
		return;
	source->counted = false;
	if (--ask->waited_for == 0 && ask->running)
		arm(ask, 0);
}

/* Nothing is known of it but this. */
static void set_state(struct source *source, const char *state)
{
	struct top_guest *guest = &source->guest;

	guest->known = false;
	guest->has_memory = false;
	snprintf(guest->state, sizeof(guest->state), "%s", state);
	json_decref(source->json);
	source->json = NULL;
}

/* Asking */

/* Sends a verb, unless the last one is still to be answered. */
static int line_send(struct line *line, const char *verb, loop_fn fn, struct err **err)
{
	char request[64];
	int n = snprintf(request, sizeof(request), "{\"verb\": \"%s\"}", verb);

	if (line->waiting)
		return 0;
	if (line->fd < 0) {
		if (rundir_connect(line->source->guest.name, RUNDIR_CONTROL, SOCK_SEQPACKET,
				   CONNECT_MS, &line->fd, err) < 0)
			return -1;
		if (loop_add(line->source->ask->loop, line->fd, EPOLLIN, fn, line, &line->watch,
			     err) < 0) {
			line_close(line);
			return -1;
		}
	}
	/* A server that turned this client away has said why and closed: that is read later. */
	if (send(line->fd, request, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EAGAIN)
		return err_set(err, ERR_TIMEOUT, 0, "guest %s doesn't answer",
			       line->source->guest.name);
	line->waiting = true;
	return 0;
}

/* 0 with the result, -1 with the error that the guest answered, or 1 if it hung up. */
static int line_receive(struct line *line, json_t **ret_result, struct err **err)
{
	_cleanup_free_ char *bytes = malloc(PROTOCOL_MESSAGE_MAX);
	json_t *reply = NULL;
	ssize_t len = -1;

	for (int tries = 0; bytes && len < 0 && tries < 2; tries++) {
		len = recv(line->fd, bytes, PROTOCOL_MESSAGE_MAX, MSG_TRUNC | MSG_DONTWAIT);
		/* After a reset comes what was said before it. */
		if (len < 0 && errno != ECONNRESET)
			break;
	}
	line->waiting = false;
	if (len <= 0) {
		line_close(line);
		return 1;
	}
	if (protocol_decode(bytes, (size_t)len, &reply, err) < 0)
		return -1;

	int rc = protocol_reply(reply, ret_result, err);

	json_decref(reply);
	return rc;
}

static void on_stats(void *arg, uint32_t events)
{
	struct line *line = arg;
	json_t *result = NULL;

	(void)events;
	/* What it says comes with the next "show". */
	line_receive(line, &result, NULL);
	json_decref(result);
}

static uint64_t pages_to_bytes(uint64_t pages)
{
	return pages == HOST_UNKNOWN ? HOST_UNKNOWN : pages * PAGE_BYTES;
}

static void take_sample(struct source *source, const struct memory_view *view)
{
	struct top_guest *guest = &source->guest;
	struct top_sample sample = {
		.time_ms = clock_monotonic_ms(),
		.swapped = view->parts.swapped + view->parts.vmm_swapped,
		.swapped_in = HOST_UNKNOWN,
		.swapped_out = HOST_UNKNOWN,
	};

	if (host_read_process_activity(source->ask->options.root_fd, guest->pid, &sample.activity,
				       NULL) < 0) {
		source->has_sample = false;
		return;
	}
	if (view->has_cgroup) {
		sample.swapped_in = pages_to_bytes(view->cgroup.swapped_in);
		sample.swapped_out = pages_to_bytes(view->cgroup.swapped_out);
	}
	if (source->has_sample)
		top_rates_of_guest(&guest->sample, &sample, &guest->rates);
	guest->sample = sample;
	source->has_sample = true;
}

static void take_memory(struct source *source, json_t *show)
{
	_cleanup_(memory_view_clear) struct memory_view view = { 0 };
	struct top_guest *guest = &source->guest;

	top_rates_clear(&guest->rates);
	guest->has_memory = memory_view_read(&source->ask->host, show, &view, NULL) == 0;
	guest->parts = view.parts;
	guest->balloon = view.balloon;
	if (!guest->has_memory) {
		source->has_sample = false;
		return;
	}
	take_sample(source, &view);
	if (source->ask->options.keep_show)
		memory_report_add(&view, show);
}

/* show is taken over. */
static void take_show(struct source *source, json_t *show)
{
	struct top_guest *guest = &source->guest;
	const char *state = json_string_value(json_object_get(show, "state"));

	set_state(source, state ? state : "?");
	guest->known = true;
	guest->pid = (pid_t)json_integer_value(json_object_get(show, "pid"));
	guest->cpus = (unsigned)json_integer_value(json_object_get(show, "cpus"));
	guest->uptime_ms = (uint64_t)json_integer_value(json_object_get(show, "uptime_ms"));
	take_memory(source, show);
	if (guest_sends_stats(json_object_get(show, "balloon")))
		line_send(&source->stats, "stats", on_stats, NULL);
	if (source->ask->options.keep_show)
		source->json = json_incref(show);
	json_decref(show);
}

static void take_error(struct source *source, const struct err *err)
{
	set_state(source, err_code(err) == ERR_STATE ? "starting" : "unresponsive");
	if (err_code(err) == ERR_TIMEOUT)
		source->retry_ms = clock_monotonic_ms() + RETRY_MS;
	source->gone = err_code(err) == ERR_NOT_FOUND;
}

static void on_show(void *arg, uint32_t events)
{
	struct line *line = arg;
	struct source *source = line->source;
	_cleanup_err_ struct err *err = NULL;
	json_t *show = NULL;
	bool asked = line->waiting;
	int rc = line_receive(line, &show, &err);

	(void)events;
	if (rc == 0)
		take_show(source, show);
	else if (rc < 0)
		take_error(source, err);
	else if (asked) /* else it has had its say, such as that it has too many clients */
		source->gone = true;
	settle(source);
}

static void ask_guest(struct source *source)
{
	_cleanup_err_ struct err *err = NULL;

	if (source->show.waiting || source->retry_ms > clock_monotonic_ms())
		return;
	if (line_send(&source->show, "show", on_show, &err) < 0) {
		take_error(source, err);
		return;
	}
	source->counted = true;
	source->ask->waited_for++;
}

/* Rounds */

/* Keeps the sources that are listed, adds the new ones and drops the others; both are sorted. */
static int follow_list(struct top_ask *ask, char **names, size_t n, struct err **err)
{
	struct source **sources = calloc(n + 1, sizeof(struct source *));
	size_t old = 0;

	if (!sources)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
	for (size_t i = 0; i < n; i++) {
		while (old < ask->n && strcmp(ask->sources[old]->guest.name, names[i]) < 0)
			source_free(ask->sources[old++]);
		if (old < ask->n && strcmp(ask->sources[old]->guest.name, names[i]) == 0)
			sources[i] = ask->sources[old++];
		else
			sources[i] = source_new(ask, names[i]);
	}
	while (old < ask->n)
		source_free(ask->sources[old++]);
	free(ask->sources);
	ask->sources = sources;
	ask->n = 0;
	/* Without memory for all of them, some are left out. */
	for (size_t i = 0; i < n; i++)
		if (sources[i])
			sources[ask->n++] = sources[i];
	return 0;
}

int top_ask_start(struct top_ask *ask, struct err **err)
{
	char **names;
	size_t n;

	if (ask->running)
		return 0;
	if (rundir_list(&names, &n, err) < 0)
		return -1;

	int rc = follow_list(ask, names, n, err);

	rundir_list_free(names, n);
	if (rc < 0)
		return -1;
	ask->running = true;
	for (size_t i = 0; i < ask->n; i++) {
		ask->sources[i]->gone = false;
		ask_guest(ask->sources[i]);
	}
	arm(ask, ask->waited_for > 0 ? ask->options.answer_ms : 0);
	return 0;
}

static void look_at_host(struct top_ask *ask)
{
	struct top_host *host = &ask->snapshot.host;
	struct top_host now = { .time_ms = clock_monotonic_ms() };
	int root_fd = ask->options.root_fd;

	top_rates_clear(&now.rates);
	now.known = host_read_view(root_fd, &now.view, NULL) == 0 &&
		    host_read_activity(root_fd, &now.activity, NULL) == 0;
	if (now.known && host->known)
		top_rates_of_host(host, &now, &now.rates);
	*host = now;
}

static void make_snapshot(struct top_ask *ask)
{
	struct top_guest *guests = calloc(ask->n + 1, sizeof(*guests));
	const json_t **shows = calloc(ask->n + 1, sizeof(const json_t *));
	size_t n = 0;

	look_at_host(ask);
	top_governor_look(&ask->snapshot.governor);
	if (!guests || !shows) {
		free(guests);
		free(shows);
		return;
	}
	for (size_t i = 0; i < ask->n; i++) {
		struct source *source = ask->sources[i];

		if (source->counted || source->show.waiting)
			set_state(source, "unresponsive");
		source->counted = false;
		if (source->gone)
			continue;
		shows[n] = source->json;
		guests[n++] = source->guest;
	}
	free(ask->snapshot.guests);
	free(ask->shows);
	ask->snapshot.guests = guests;
	ask->snapshot.n = n;
	ask->shows = shows;
}

static void on_timer(void *arg, uint32_t events)
{
	struct top_ask *ask = arg;
	uint64_t expirations;

	(void)events;
	if (read(ask->timer_fd, &expirations, sizeof(expirations)) < 0 || !ask->running)
		return;
	make_snapshot(ask);
	ask->waited_for = 0;
	ask->running = false;
	ask->options.done(ask->options.opaque);
}

/* Two connections a guest: with many guests that's more than what is usual. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int top_ask_new(struct loop *loop, const struct top_ask_options *options, struct top_ask **ret_ask,
		struct err **err)
{
	struct top_ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
	ask->loop = loop;
	ask->options = *options;
	memory_host_find(options->root_fd, &ask->host);
	allow_descriptors();
	ask->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ask->timer_fd < 0)
		err_set(err, ERR_FAILED, errno, "timer");
	if (ask->timer_fd < 0 ||
	    loop_add(loop, ask->timer_fd, EPOLLIN, on_timer, ask, &ask->timer, err) < 0) {
		top_ask_free(ask);
		return -1;
	}
	*ret_ask = ask;
	return 0;
}

void top_ask_free(struct top_ask *ask)
{
	if (!ask)
		return;
	for (size_t i = 0; i < ask->n; i++)
		source_free(ask->sources[i]);
	free(ask->sources);
	loop_remove(ask->timer);
	if (ask->timer_fd >= 0)
		close(ask->timer_fd);
	free(ask->snapshot.guests);
	free(ask->shows);
	free(ask);
}

const struct top_snapshot *top_ask_snapshot(const struct top_ask *ask)
{
	return &ask->snapshot;
}

const json_t *top_ask_show(const struct top_ask *ask, size_t i)
{
	return ask->shows[i];
}
