/* SPDX-License-Identifier: Apache-2.0 */
/* What guests use of their memory: see working_sets.h. */
#include "govern/working_sets.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sums.h"
#include "govern/ask.h"
#include "host/damon.h"
#include "host/fields.h"

/* A guest that DAMON looks at. */
struct watched {
	uint64_t group;
	pid_t pid;
	struct host_range ram;
	uint64_t active; /* bytes, or POLICY_UNKNOWN */
};

struct working_sets {
	int root_fd;
	struct host_damon *damon; /* NULL: it isn't on */
	struct watched *watched;  /* in the order of their groups, as the targets */
	size_t n;
	uint64_t wanted_ms;  /* when somebody last wanted to know */
	uint64_t started_ms; /* when DAMON was last started */
	uint64_t refused_ms; /* when it couldn't be; 0: it could */
	bool said;	     /* why it can't be used */
};

struct working_sets *working_sets_new(int root_fd)
{
	struct working_sets *sets = calloc(1, sizeof(*sets));

	if (sets)
		sets->root_fd = root_fd;
	/* One that was killed left it on. */
	host_damon_clean_up(root_fd, NULL);
	return sets;
}

static void stop(struct working_sets *sets)
{
	host_damon_stop(sets->damon);
	sets->damon = NULL;
	free(sets->watched);
	sets->watched = NULL;
	sets->n = 0;
}

void working_sets_free(struct working_sets *sets)
{
	if (!sets)
		return;
	stop(sets);
	free(sets);
}

static int compare(const void *a, const void *b)
{
	const struct watched *x = a;
	const struct watched *y = b;

	return x->group < y->group ? -1 : x->group > y->group;
}

/* NULL if DAMON doesn't look at that guest. */
static const struct watched *find(const struct working_sets *sets, uint64_t group)
{
	const struct watched key = { .group = group };

	return sets->n ? bsearch(&key, sets->watched, sets->n, sizeof(key), compare) : NULL;
}

static bool can_be_watched(const struct sensed *about)
{
	return about->ram.len > 0 && about->pid > 0;
}

/* The guests that DAMON can look at are those that it looks at. */
static bool is_current(const struct working_sets *sets, const struct sensor *sensor)
{
	size_t n = 0;

	for (size_t i = 0; i < sensor->n; i++) {
		if (!can_be_watched(&sensor->about[i]))
			continue;

		const struct watched *watched = find(sets, sensor->about[i].group);

		if (!watched || watched->pid != sensor->about[i].pid)
			return false;
		n++;
	}
	return n == sets->n;
}

static uint64_t active_of(const struct working_sets *sets, uint64_t group)
{
	const struct watched *watched = find(sets, group);

	return watched ? watched->active : POLICY_UNKNOWN;
}

/* Those that can be watched, in the order of their groups. */
static size_t choose(const struct working_sets *sets, const struct sensor *sensor,
		     struct watched *watched)
{
	size_t n = 0;

	for (size_t i = 0; i < sensor->n; i++) {
		const struct sensed *about = &sensor->about[i];

		if (can_be_watched(about))
			watched[n++] = (struct watched){
				.group = about->group,
				.pid = about->pid,
				.ram = about->ram,
				.active = active_of(sets, about->group),
			};
	}
	qsort(watched, n, sizeof(*watched), compare);
	return n;
}

/* Those that are there now; what was known of them stays known. */
static void start(struct working_sets *sets, const struct sensor *sensor)
{
	const struct host_damon_sampling sampling = { .period_ms = HOST_DAMON_PERIOD_MS,
						      .samples = HOST_DAMON_SAMPLES };
	_cleanup_free_ struct host_damon_target *targets = calloc(sensor->n + 1, sizeof(*targets));
	struct watched *watched = calloc(sensor->n + 1, sizeof(*watched));
	_cleanup_err_ struct err *err = NULL;
	size_t n;

	if (!targets || !watched) {
		free(watched);
		return;
	}
	n = choose(sets, sensor, watched);
	for (size_t i = 0; i < n; i++)
		targets[i] = (struct host_damon_target){ .pid = watched[i].pid,
							 .ram = &watched[i].ram,
							 .n_ram = 1 };
	stop(sets);
	sets->watched = watched;
	sets->n = n;
	sets->started_ms = sensor->host.now_ms;
	if (n == 0 ||
	    host_damon_start(sets->root_fd, targets, n, &sampling, &sets->damon, &err) == 0)
		return;
	if (!sets->said)
		log_line("what guests use isn't measured: %s; their own statistics have to do",
			 err_message(err));
	sets->said = true;
	sets->refused_ms = sensor->host.now_ms;
}

static void take(struct working_sets *sets, struct sensor *sensor)
{
	_cleanup_free_ uint64_t *active = calloc(sets->n + 1, sizeof(*active));
	_cleanup_err_ struct err *err = NULL;

	if (active && host_damon_read(sets->damon, active, &err) == 0) {
		for (size_t i = 0; i < sets->n; i++)
			if (active[i] != HOST_UNKNOWN)
				sets->watched[i].active = active[i];
	} else {
		stop(sets);
	}
	for (size_t i = 0; i < sensor->n; i++) {
		uint64_t bytes = active_of(sets, sensor->about[i].group);

		if (bytes == POLICY_UNKNOWN)
			continue;
		sensor->guests[i].active = least(bytes, sensor->guests[i].resident);
		sensor->about[i].source = GOVERN_SOURCE_DAMON;
	}
}

/* Each start begins a new period: guests that come and go all the time must not keep DAMON from
 * ever ending one. */
static bool is_due(const struct working_sets *sets, const struct sensor *sensor)
{
	if (!sets->damon)
		return true;
	return !is_current(sets, sensor) &&
	       sensor->host.now_ms - sets->started_ms >= WORKING_SETS_RENEW_MS;
}

void working_sets_read(struct working_sets *sets, struct sensor *sensor, bool wanted)
{
	uint64_t now_ms = sensor->host.now_ms;

	if (wanted)
		sets->wanted_ms = now_ms;
	if (sets->wanted_ms == 0 ||
	    (sets->refused_ms > 0 && now_ms - sets->refused_ms < WORKING_SETS_RETRY_MS))
		return;
	if (now_ms - sets->wanted_ms > WORKING_SETS_STAY_MS) {
		stop(sets);
		return;
	}
	sets->refused_ms = 0;
	govern_ask_ram(sensor);
	if (is_due(sets, sensor))
		start(sets, sensor);
	if (sets->damon)
		take(sets, sensor);
}
