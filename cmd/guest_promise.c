/* SPDX-License-Identifier: Apache-2.0 */
/* What a running guest has been promised: see guest_promise.h. */
#include "cmd/guest_promise.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/sums.h"
#include "host/cgroup.h"

/* RAM that its group is charged for. Huge pages that were set aside are no group's. */
static uint64_t charged_memory(const json_t *show)
{
	const json_t *config = json_object_get(show, "config");
	const char *backing = json_string_value(json_object_get(config, "backing"));

	if (backing && strcmp(backing, "hugetlb") == 0)
		return 0;
	return (uint64_t)json_integer_value(json_object_get(show, "memory"));
}

/* The slice that the guest's group is in, which needn't be where this user would start one. */
static int find_slice(int root_fd, const char *group, char slice[LEDGER_SLICE_MAX],
		      struct err **err)
{
	const char *end = strrchr(group, '/');
	struct host_cgroup host;

	if (host_read_cgroup(root_fd, &host, err) < 0)
		return -1;
	if (!end || !host.mounted)
		return err_set(err, ERR_FAILED, 0, "its cgroup %s isn't seen here", group);
	snprintf(slice, LEDGER_SLICE_MAX, "%s/%.*s", host.mount, (int)(end - group), group);
	return 0;
}

int guest_promise_read(int root_fd, const json_t *show, struct guest_promise *ret_promise,
		       struct err **err)
{
	const char *group = json_string_value(json_object_get(show, "cgroup"));
	const char *reason = json_string_value(json_object_get(show, "cgroup_reason"));
	struct guest_promise g = { .promise.memory = charged_memory(show) };
	struct promise *p = &g.promise;
	struct ledger_entry entry;

	if (!group)
		return err_set(err, ERR_FAILED, 0, "it has no cgroup of its own: %s",
			       reason ? reason : "no reason is known");
	if (find_slice(root_fd, group, g.slice, err) < 0)
		return -1;
	g.name = json_string_value(json_object_get(show, "name"));
	if (ledger_read_entry(root_fd, g.slice, g.name, &entry, err) < 0)
		return -1;
	if (entry.worst == UINT64_MAX || entry.in_ram == UINT64_MAX)
		return err_set(err, ERR_FAILED, 0,
			       "somebody took the limits of %s away (memory.max, memory.swap.max)",
			       group);
	p->best_effort = entry.worst == 0;
	p->overhead = rest(p->best_effort ? entry.in_ram : entry.worst, p->memory);
	p->limit = least(rest(entry.in_ram, p->overhead), p->memory);
	p->guarantee = least(rest(entry.guaranteed, p->overhead), p->memory);
	ledger_read_shares(root_fd, g.slice, g.name, &g.shares);
	*ret_promise = g;
	return 0;
}
