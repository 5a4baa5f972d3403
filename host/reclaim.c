/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the kernel to take memory from a control group: see reclaim.h. */
#include "host/reclaim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

enum { GROUP_PATH_MAX = 512 };

/* What is asked for at once: little enough for a slow disk to swap in a second or two. */
static const uint64_t piece_max = UINT64_C(32) << 20;

static char *group_file(const char *group, const char *file, char path[GROUP_PATH_MAX])
{
	snprintf(path, GROUP_PATH_MAX, "%s/%s", group, file);
	return path;
}

int host_check_reclaim(int root_fd, const char *group, struct err **err)
{
	char path[GROUP_PATH_MAX];

	if (!host_exists(root_fd, group_file(group, "memory.current", path)))
		return err_set(err, ERR_FAILED, 0,
			       "/%s has no memory controller (lodge doctor says how to mend it)",
			       group);
	if (!host_exists(root_fd, group_file(group, "memory.reclaim", path)))
		return err_set(err, ERR_FAILED, 0,
			       "this kernel has no memory.reclaim: it takes Linux 5.19 or newer");
	if (!host_writable(root_fd, path))
		return err_set(err, ERR_DENIED, 0, "this user may not write to /%s", path);
	return 0;
}

int host_read_group_usage(int root_fd, const char *group, struct host_group_usage *ret_usage,
			  struct err **err)
{
	_cleanup_free_ char *stat = NULL;
	static const struct host_field pgsteal[] = { { "pgsteal", 0, 0 } };
	struct host_group_usage usage = { 0 };
	uint64_t pages;
	char path[GROUP_PATH_MAX];

	if (host_read_number(root_fd, group_file(group, "memory.current", path), &usage.current,
			     err) < 0 ||
	    host_read_text(root_fd, group_file(group, "memory.stat", path), &stat, err) < 0)
		return -1;
	host_fields_clear(pgsteal, ARRAY_SIZE(pgsteal), &pages);
	host_fields_take(stat, pgsteal, ARRAY_SIZE(pgsteal), &pages);
	if (pages != HOST_UNKNOWN)
		usage.taken = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	/* Not there on a kernel without swap. */
	host_read_number(root_fd, group_file(group, "memory.swap.current", path), &usage.swap,
			 NULL);
	*ret_usage = usage;
	return 0;
}

/* Asks for one piece and says how much of what is left it was: what the kernel took, which may be
 * more, and at least what it says it got. */
static int take_piece(int root_fd, const char *group, uint64_t piece, uint64_t *ret_taken,
		      struct err **err)
{
	struct host_group_usage before;
	struct host_group_usage after;
	char path[GROUP_PATH_MAX];
	char number[32];

	snprintf(number, sizeof(number), "%" PRIu64, piece);
	if (host_read_group_usage(root_fd, group, &before, err) < 0 ||
	    host_write_text(root_fd, group_file(group, "memory.reclaim", path), number, err) < 0 ||
	    host_read_group_usage(root_fd, group, &after, err) < 0)
		return -1;

	uint64_t taken = after.taken - before.taken;

	*ret_taken = taken > piece ? taken : piece;
	return 0;
}

int host_reclaim(int root_fd, const char *group, uint64_t bytes, unsigned limit_ms, bool *ret_all,
		 struct err **err)
{
	int64_t deadline = clock_monotonic_ms() + limit_ms;
	uint64_t left = bytes;

	while (left > 0 && clock_monotonic_ms() < deadline) {
		struct err *why = NULL;
		uint64_t taken;

		if (take_piece(root_fd, group, left < piece_max ? left : piece_max, &taken, &why) <
		    0) {
			bool less = err_errno(why) == EAGAIN;

			if (!less)
				err_set(err, err_code(why), err_errno(why), "%s", err_message(why));
			err_free(why);
			if (!less)
				return -1;
			break;
		}
		left -= taken < left ? taken : left;
	}
	*ret_all = left == 0;
	return 0;
}
