/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge set NAME reclaim=SIZE: has the kernel take memory from the guest's control group, and says
 * by the kernel's own counters how much it took, and what the guest has in RAM and in swap now.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/guest.h"
#include "cmd/report.h"
#include "cmd/set.h"
#include "host/file.h"
#include "host/meminfo.h"
#include "host/reclaim.h"

enum { LIMIT_MS = 60000, REASON_MAX = 128 };

/* Swap counts as full with less than this left: the kernel takes it in clusters. */
static const uint64_t swap_rest = UINT64_C(1) << 20;

int set_check_reclaim(const struct set_guest *guest, uint64_t value, struct err **err)
{
	char group[PATH_MAX];

	(void)value;
	if (set_find_group(guest, group, err) < 0)
		return -1;
	return host_check_reclaim(guest->root_fd, group, err);
}

/* How much the guest's group may have in swap; UINT64_MAX if there's no limit. */
static uint64_t swap_limit(const struct set_guest *guest, const char *group)
{
	char path[PATH_MAX];
	uint64_t limit;

	snprintf(path, sizeof(path), "%.*s/memory.swap.max", PATH_MAX - 32, group);
	/* "max" is no number. */
	return host_read_number(guest->root_fd, path, &limit, NULL) < 0 ? UINT64_MAX : limit;
}

/* Why the kernel got less than it was asked for, as far as that can be told from here. */
static void explain(const struct set_guest *guest, const char *group, uint64_t swapped,
		    char reason[REASON_MAX])
{
	const json_t *config = json_object_get(guest->show, "config");
	uint64_t limit = swap_limit(guest, group);
	struct host_swap swap = { 0 };
	char used[SIZE_TEXT_MAX];
	char size[SIZE_TEXT_MAX];

	host_read_swap(guest->root_fd, &swap, NULL);

	uint64_t total = swap.disk + swap.zram;
	uint64_t in_use = swap.disk_used + swap.zram_used;

	size_format(in_use, used);
	size_format(total, size);
	if (json_is_true(json_object_get(config, "lock")))
		snprintf(reason, REASON_MAX, "the guest's memory is locked");
	else if (total == 0)
		snprintf(reason, REASON_MAX, "this host has no swap");
	else if (limit != UINT64_MAX && swapped + swap_rest > limit)
		snprintf(reason, REASON_MAX, "its cgroup may swap no more than %s",
			 size_format(limit, size));
	else if (total - in_use < swap_rest)
		snprintf(reason, REASON_MAX, "this host's swap is full (%s)", size);
	else
		snprintf(reason, REASON_MAX, "%s of %s of swap are used", used, size);
}

static int reclaim(const struct set_guest *guest, const char *group, uint64_t bytes,
		   struct err **err)
{
	struct host_group_usage before;
	struct host_group_usage after;
	int64_t start_ms = clock_monotonic_ms();
	bool all;

	if (host_read_group_usage(guest->root_fd, group, &before, err) < 0 ||
	    host_reclaim(guest->root_fd, group, bytes, LIMIT_MS, &all, err) < 0 ||
	    host_read_group_usage(guest->root_fd, group, &after, err) < 0)
		return -1;

	int64_t ms = clock_monotonic_ms() - start_ms;
	uint64_t taken = after.taken - before.taken;
	char sizes[6][SIZE_TEXT_MAX];
	char pace[SET_PACE_TEXT_MAX];
	char line[256];

	snprintf(line, sizeof(line),
		 "%s of %s asked%s; in RAM %s (before: %s), swapped %s (before: %s)",
		 size_format(taken, sizes[0]), size_format(bytes, sizes[1]),
		 set_format_pace(taken, ms, pace), size_format(after.current, sizes[2]),
		 size_format(before.current, sizes[3]), size_format(after.swap, sizes[4]),
		 size_format(before.swap, sizes[5]));
	if (all) {
		printf("reclaim: %s\n", line);
		return 0;
	}

	char reason[REASON_MAX];

	if (ms >= LIMIT_MS)
		snprintf(reason, sizeof(reason), "it took longer than %d s", LIMIT_MS / 1000);
	else
		explain(guest, group, after.swap, reason);
	return err_set(err, ERR_TIMEOUT, 0, "the kernel took only %s: %s", line, reason);
}

int set_apply_reclaim(const struct set_guest *guest, uint64_t value)
{
	char group[PATH_MAX];
	struct err *err = NULL;

	if (set_find_group(guest, group, &err) == 0 && reclaim(guest, group, value, &err) == 0)
		return 0;
	err_wrap(&err, "guest %s: reclaim", guest->name);
	return report_err(&err);
}
