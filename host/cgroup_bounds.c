/* SPDX-License-Identifier: Apache-2.0 */
/* What bounds a control group's memory: see cgroup_bounds.h. */
#include "host/cgroup_bounds.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/cgroup.h"
#include "host/fields.h"
#include "host/file.h"

static int read_bound(int root_fd, const char *group, const char *file, uint64_t *ret_bound,
		      struct err **err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	return host_read_limit(root_fd, path, ret_bound, err);
}

int host_read_cgroup_bounds(int root_fd, const char *group, struct host_cgroup_bounds *ret_bounds,
			    struct err **err)
{
	struct host_cgroup_bounds bounds;

	if (read_bound(root_fd, group, "memory.min", &bounds.min, err) < 0 ||
	    read_bound(root_fd, group, "memory.low", &bounds.low, err) < 0 ||
	    read_bound(root_fd, group, "memory.high", &bounds.high, err) < 0 ||
	    read_bound(root_fd, group, "memory.max", &bounds.max, err) < 0)
		return -1;
	*ret_bounds = bounds;
	return 0;
}

#define FIELD(name, member)                                          \
	{                                                            \
		name, offsetof(struct host_cgroup_events, member), 0 \
	}

int host_read_cgroup_events(int root_fd, const char *group, struct host_cgroup_events *ret_events,
			    struct err **err)
{
	static const struct host_field fields[] = {
		FIELD("low", low), FIELD("high", high),		FIELD("max", max),
		FIELD("oom", oom), FIELD("oom_kill", oom_kill),
	};
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/memory.events", group);
	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;
	host_fields_clear(fields, ARRAY_SIZE(fields), ret_events);
	host_fields_take(text, fields, ARRAY_SIZE(fields), ret_events);
	return 0;
}
