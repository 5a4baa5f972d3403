/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else has changed in the ledger's files: see changes.h. */
#include "ledger/changes.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/size.h"
#include "base/sums.h"
#include "host/cgroup.h"
#include "host/fields.h"
#include "host/file.h"
#include "host/meminfo.h"
#include "ledger/above.h"

static void add(struct ledger_change changes[LEDGER_CHANGES_MAX], size_t *n, const char *file,
		uint64_t written, uint64_t now)
{
	changes[(*n)++] = (struct ledger_change){ file, written, now };
}

size_t ledger_compare(const struct ledger_entry *now, const struct promise *promise,
		      struct ledger_change ret_changes[LEDGER_CHANGES_MAX])
{
	uint64_t guaranteed = promise->best_effort ? 0 : promise->guarantee + promise->overhead;
	uint64_t worst = promise->best_effort ? 0 : promise->memory + promise->overhead;
	uint64_t in_ram = promise->limit + promise->overhead;
	bool less_is_fine = promise->guarantee == 0;
	size_t n = 0;

	if (now->guaranteed > guaranteed || (now->guaranteed < guaranteed && !less_is_fine))
		add(ret_changes, &n, "memory.min", guaranteed, now->guaranteed);
	if (now->in_ram != in_ram)
		add(ret_changes, &n, "memory.max", in_ram, now->in_ram);
	if (now->worst != worst)
		add(ret_changes, &n, "memory.swap.max", worst, now->worst);
	return n;
}

/* The file's limit; UINT64_MAX for none, and where the kernel has no such file. */
static int read_slice(int root_fd, const char *slice, const char *file, uint64_t *ret_limit,
		      struct err **err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", slice, file);
	*ret_limit = UINT64_MAX;
	if (!host_exists(root_fd, path))
		return 0;
	if (host_read_limit(root_fd, path, ret_limit, err) < 0)
		return -1;
	if (*ret_limit > LEDGER_LIMIT_MAX)
		*ret_limit = UINT64_MAX;
	return 0;
}

/* Whether lodge would have written that limit, however many huge pages were set aside then. */
static bool is_lodges(const struct host_meminfo *m, uint64_t limit)
{
	uint64_t step = m->hugetlb_size;

	if (step == 0 || step == HOST_UNKNOWN)
		return limit == m->total - promise_reserve(m->total);
	for (uint64_t huge = 0; huge <= m->total; huge += step)
		if (limit == m->total - huge - promise_reserve(m->total - huge))
			return true;
	return false;
}

int ledger_compare_slice(int root_fd, const struct ledger *ledger,
			 struct ledger_change ret_changes[LEDGER_CHANGES_MAX], size_t *ret_n,
			 struct err **err)
{
	struct host_meminfo meminfo;
	uint64_t protection;
	uint64_t limit;
	uint64_t swap;

	*ret_n = 0;
	if (ledger->sum.n + ledger->sum.n_best_effort == 0)
		return 0;
	if (host_read_meminfo(root_fd, &meminfo, err) < 0 ||
	    read_slice(root_fd, ledger->slice, "memory.min", &protection, err) < 0 ||
	    read_slice(root_fd, ledger->slice, "memory.max", &limit, err) < 0 ||
	    read_slice(root_fd, ledger->slice, "memory.swap.max", &swap, err) < 0)
		return -1;
	/* Too much of it is what guests that were killed leave. */
	if (protection < ledger->sum.protection)
		add(ret_changes, ret_n, "memory.min", ledger->sum.protection, protection);
	if (limit == UINT64_MAX || !is_lodges(&meminfo, limit))
		add(ret_changes, ret_n, "memory.max",
		    ledger->capital.ram - promise_reserve(ledger->capital.ram), limit);
	if (swap != UINT64_MAX)
		add(ret_changes, ret_n, "memory.swap.max", UINT64_MAX, swap);
	return 0;
}

static const char *size_or_max(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
	return bytes == UINT64_MAX ? "max" : size_format(bytes, text);
}

char *ledger_describe_change(const struct ledger_change *change, char text[LEDGER_CHANGE_TEXT_MAX])
{
	char sizes[2][SIZE_TEXT_MAX];

	snprintf(text, LEDGER_CHANGE_TEXT_MAX, "%s is %s, lodge wrote %s", change->file,
		 size_or_max(change->now, sizes[0]), size_or_max(change->written, sizes[1]));
	return text;
}
