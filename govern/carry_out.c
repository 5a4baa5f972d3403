/* SPDX-License-Identifier: Apache-2.0 */
/* Act: see carry_out.h. */
#include "govern/carry_out.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "api/client.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sums.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/reclaim.h"

enum { BALLOON_MS = 200 }; /* for a VM process to take a target */

static int write_limit(int root_fd, const char *slice, const char *name, const char *file,
		       uint64_t bytes, struct err **err)
{
	char path[PATH_MAX];
	char text[32] = "max";

	if (bytes != POLICY_UNKNOWN)
		snprintf(text, sizeof(text), "%" PRIu64, bytes);
	snprintf(path, sizeof(path), "%s/%s%s%s", slice, name, *name ? "/" : "", file);
	return host_write_text(root_fd, path, text, err);
}

/* What the guests' memory.low adds up to once this is done. */
static int protect_slice(int root_fd, const char *slice, const struct sensor *sensor,
			 const struct policy_act *acts, struct err **err)
{
	char path[PATH_MAX];
	uint64_t sum = 0;
	uint64_t now;

	for (size_t i = 0; i < sensor->n; i++)
		sum += acts[i].write_low ? acts[i].low : sensor->guests[i].low;
	snprintf(path, sizeof(path), "%s/memory.low", slice);
	if (host_read_limit(root_fd, path, &now, err) < 0)
		return -1;
	return now == sum ? 0 : write_limit(root_fd, slice, "", "memory.low", sum, err);
}

static int reclaim(int root_fd, const char *group, struct policy_act *act, int64_t deadline,
		   struct err **err)
{
	int64_t left = deadline - clock_monotonic_ms();
	struct host_group_usage before;
	struct host_group_usage after;
	bool all;

	act->bytes = 0;
	if (left <= 0)
		return 0;
	if (host_read_group_usage(root_fd, group, &before, err) < 0 ||
	    host_reclaim(root_fd, group, act->reclaim, (unsigned)left, &all, err) < 0 ||
	    host_read_group_usage(root_fd, group, &after, err) < 0)
		return -1;
	act->bytes = rest(after.taken, before.taken);
	return 0;
}

static int set_balloon(const char *name, uint64_t bytes, struct err **err)
{
	json_t *request = json_pack("{s:s, s:I}", "verb", "set", "balloon", (json_int_t)bytes);
	json_t *reply = NULL;
	int rc = client_call(name, request, BALLOON_MS, &reply, err);

	json_decref(reply);
	return rc;
}

static int carry_out_one(int root_fd, const char *slice, const char *name, struct policy_act *act,
			 int64_t deadline, struct err **err)
{
	char group[PATH_MAX];

	snprintf(group, sizeof(group), "%s/%s", slice, name);
	if (act->write_low && write_limit(root_fd, slice, name, "memory.low", act->low, err) < 0)
		return -1;
	if (act->write_high && write_limit(root_fd, slice, name, "memory.high", act->high, err) < 0)
		return -1;
	/* Who doesn't answer takes time, and many of them must not take all of it. */
	if (act->write_balloon && clock_monotonic_ms() >= deadline)
		return err_set(err, ERR_TIMEOUT, 0, "there was no time left for its balloon");
	if (act->write_balloon && set_balloon(name, act->balloon, err) < 0)
		return -1;
	return act->reclaim > 0 ? reclaim(root_fd, group, act, deadline, err) : 0;
}

/* It ended meanwhile. */
static bool is_gone(const struct err *err)
{
	return err_errno(err) == ENOENT || err_errno(err) == ENODEV ||
	       err_code(err) == ERR_NOT_FOUND;
}

int carry_out(int root_fd, const char *slice, const struct sensor *sensor, struct policy_act *acts,
	      size_t first, struct err **err)
{
	int64_t deadline = clock_monotonic_ms() + CARRY_OUT_MS;
	int rc = protect_slice(root_fd, slice, sensor, acts, err);

	for (size_t turn = 0; turn < sensor->n; turn++) {
		_cleanup_err_ struct err *why = NULL;
		size_t i = (first + turn) % sensor->n;

		if (carry_out_one(root_fd, slice, sensor->about[i].name, &acts[i], deadline,
				  &why) == 0)
			continue;
		acts[i].reason = POLICY_STAYS;
		if (!is_gone(why))
			rc = err_set(err, err_code(why), 0, "guest %s: %s", sensor->about[i].name,
				     err_message(why));
	}
	return rc;
}

void carry_out_let_go(int root_fd, const char *slice, const struct sensor *sensor)
{
	for (size_t i = 0; i < sensor->n; i++) {
		char path[PATH_MAX];
		uint64_t high;

		snprintf(path, sizeof(path), "%s/%s/memory.high", slice, sensor->about[i].name);
		if (host_read_limit(root_fd, path, &high, NULL) == 0 && high != UINT64_MAX)
			host_write_text(root_fd, path, "max", NULL);
	}
}
