/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger of promises: see ledger.h. */
#include "ledger/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sums.h"
#include "host/cgroup.h"
#include "host/fields.h"
#include "host/file.h"
#include "host/meminfo.h"
#include "ledger/above.h"

enum { NUMBER_MAX = 32 };

/* A file of a group, which is the slice itself if name is NULL. */
static const char *file_of(const char *slice, const char *name, const char *file,
			   char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s%s%s/%s", slice, name ? "/" : "", name ? name : "", file);
	return path;
}

int ledger_lock(int root_fd, const char *slice, int *ret_fd, struct err **err)
{
	_cleanup_close_ int fd = openat(root_fd, slice,
					O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_set(err, err_code_from_errno(errno), errno, "/%s", slice);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(err, ERR_FAILED, errno, "lock /%s", slice);
	*ret_fd = take_fd(fd);
	return 0;
}

static int read_limit(int root_fd, const char *slice, const char *name, const char *file,
		      uint64_t *ret_bytes, struct err **err)
{
	char path[PATH_MAX];

	if (host_read_limit(root_fd, file_of(slice, name, file, path), ret_bytes, err) < 0)
		return -1;
	if (*ret_bytes > LEDGER_LIMIT_MAX)
		*ret_bytes = UINT64_MAX;
	return 0;
}

static int write_number(int root_fd, const char *slice, const char *name, const char *file,
			uint64_t number, struct err **err)
{
	char path[PATH_MAX];
	char text[NUMBER_MAX];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return host_write_text(root_fd, file_of(slice, name, file, path), text, err);
}

/* Whether there's a process in it. A group that has just gone has none. */
static int read_populated(int root_fd, const char *slice, const char *name, bool *ret_populated,
			  struct err **err)
{
	_cleanup_free_ char *events = NULL;
	_cleanup_err_ struct err *why = NULL;
	char path[PATH_MAX];

	*ret_populated = false;
	if (host_read_text(root_fd, file_of(slice, name, "cgroup.events", path), &events, &why) ==
	    0)
		*ret_populated = strstr(events, "populated 1") != NULL;
	else if (err_errno(why) != ENOENT && err_errno(why) != ENODEV)
		return err_set(err, err_code(why), 0, "%s", err_message(why));
	return 0;
}

/* Without huge pages that are set aside, which no group is charged for. */
static uint64_t plain_ram(const struct host_meminfo *m)
{
	uint64_t huge = 0;

	if (m->hugetlb_pages != HOST_UNKNOWN && m->hugetlb_size != HOST_UNKNOWN)
		huge = m->hugetlb_pages * m->hugetlb_size;
	return m->total > huge ? m->total - huge : 0;
}

int ledger_limit_slice(int root_fd, const char *slice, struct err **err)
{
	struct host_meminfo meminfo;
	uint64_t limit;

	if (read_limit(root_fd, slice, NULL, "memory.max", &limit, err) < 0)
		return -1;
	if (limit != UINT64_MAX)
		return 0;
	if (host_read_meminfo(root_fd, &meminfo, err) < 0)
		return -1;

	uint64_t ram = plain_ram(&meminfo);

	return write_number(root_fd, slice, NULL, "memory.max", ram - promise_reserve(ram), err);
}

/* How a ledger is read. */
struct reading {
	int root_fd;
	const char *slice;
	bool there;	     /* the slice is */
	bool quick;	     /* ledger_read_quickly() */
	const char *without; /* a guest, or NULL */
};

static int read_ram(const struct reading *r, struct promise_capital *capital, struct err **err)
{
	struct host_meminfo meminfo;
	uint64_t guests = 0;

	if (host_read_meminfo(r->root_fd, &meminfo, err) < 0)
		return -1;
	capital->ram = plain_ram(&meminfo);
	capital->limit = UINT64_MAX;
	if (r->there &&
	    read_limit(r->root_fd, r->slice, NULL, "memory.max", &capital->limit, err) < 0)
		return -1;
	if (capital->limit == UINT64_MAX)
		capital->limit = capital->ram - promise_reserve(capital->ram);

	uint64_t in_use = rest(capital->ram, meminfo.available);

	bool matters = !r->quick || in_use > rest(capital->ram, capital->limit);

	if (r->there && matters && ledger_read_used(r->root_fd, r->slice, &guests, err) < 0)
		return -1;
	capital->others = rest(in_use, guests);
	return 0;
}

static int read_swap(const struct reading *r, struct promise_capital *capital, struct err **err)
{
	struct host_swap swap;
	uint64_t guests = 0;
	char path[PATH_MAX];

	if (host_read_swap(r->root_fd, &swap, err) < 0)
		return -1;
	/* A kernel without swap has no such file. */
	if (r->there && swap.disk_used > 0)
		host_read_number(r->root_fd, file_of(r->slice, NULL, "memory.swap.current", path),
				 &guests, NULL);
	capital->swap = swap.disk;
	/* What is on zram may be the guests'. */
	capital->swap_other = rest(swap.disk_used, rest(guests, swap.zram_used));
	return 0;
}

int ledger_read_entry(int root_fd, const char *slice, const char *name,
		      struct ledger_entry *ret_entry, struct err **err)
{
	struct ledger_entry entry = { 0 };

	if (read_limit(root_fd, slice, name, "memory.min", &entry.guaranteed, err) < 0 ||
	    read_limit(root_fd, slice, name, "memory.max", &entry.in_ram, err) < 0 ||
	    read_limit(root_fd, slice, name, "memory.swap.max", &entry.worst, err) < 0)
		return -1;
	*ret_entry = entry;
	return 0;
}

/* RAM that a guest needs for itself, as far as its group says. One whose protection the groups
 * above didn't have has an overhead all the same, which isn't less than that of 1 vCPU. */
static uint64_t least_in_ram(const struct ledger_entry *entry)
{
	uint64_t most = promise_overhead(1, entry->worst, false);
	uint64_t overhead = promise_overhead(1, rest(entry->worst, most), false);

	return entry->guaranteed > overhead ? entry->guaranteed : overhead;
}

static void add_entry(struct ledger *ledger, const char *name, const struct ledger_entry *entry)
{
	struct promise promise = {
		.memory = entry->worst,
		.limit = entry->in_ram < entry->worst ? entry->in_ram : entry->worst,
		.guarantee = entry->guaranteed,
		.best_effort = entry->worst == 0,
	};

	if (entry->worst == UINT64_MAX || entry->in_ram == UINT64_MAX ||
	    entry->guaranteed == UINT64_MAX) {
		snprintf(ledger->unlimited, sizeof(ledger->unlimited), "%s", name);
		return;
	}
	promise_add(&ledger->sum, &promise);
	if (!promise.best_effort)
		ledger->sum.guaranteed += least_in_ram(entry) - entry->guaranteed;
}

static int open_dir(int root_fd, const char *slice, DIR **ret_dir, struct err **err)
{
	int fd = openat(root_fd, slice, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		err_set(err, err_code_from_errno(errno), errno, "/%s", slice);
		cleanup_close(&fd);
		return -1;
	}
	*ret_dir = dir;
	return 0;
}

/* The next group in a slice; NULL after the last. */
static const char *next_group(DIR *dir)
{
	const struct dirent *e;

	while ((e = readdir(dir)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			return e->d_name;
	return NULL;
}

/* One group of a slice, if there's a process in it. */
static int visit(int root_fd, const char *slice, const char *name, ledger_fn fn, void *arg,
		 struct err **err)
{
	_cleanup_err_ struct err *why = NULL;
	struct ledger_entry entry;
	bool populated;

	if (read_populated(root_fd, slice, name, &populated, err) < 0)
		return -1;
	if (!populated)
		return 0;
	if (ledger_read_entry(root_fd, slice, name, &entry, &why) == 0)
		return fn(arg, name, &entry, err);
	/* It may have gone in between. */
	if (err_errno(why) == ENOENT || err_errno(why) == ENODEV)
		return 0;
	return err_set(err, err_code(why), 0, "%s", err_message(why));
}

int ledger_each(int root_fd, const char *slice, ledger_fn fn, void *arg, struct err **err)
{
	const char *name;
	DIR *dir;
	int rc = 0;

	if (open_dir(root_fd, slice, &dir, err) < 0)
		return -1;
	while (rc == 0 && (name = next_group(dir)))
		rc = visit(root_fd, slice, name, fn, arg, err);
	closedir(dir);
	return rc;
}

struct adding {
	const struct reading *reading;
	struct ledger *ledger;
};

static int add_group(void *arg, const char *name, const struct ledger_entry *entry,
		     struct err **err)
{
	struct adding *adding = arg;
	const char *without = adding->reading->without;

	(void)err;
	if (!without || strcmp(name, without) != 0)
		add_entry(adding->ledger, name, entry);
	return 0;
}

static int add_groups(const struct reading *r, struct ledger *ledger, struct err **err)
{
	struct adding adding = { .reading = r, .ledger = ledger };

	return ledger_each(r->root_fd, r->slice, add_group, &adding, err);
}

static int read_ledger(struct reading r, struct ledger *ret_ledger, struct err **err)
{
	struct ledger ledger = { 0 };
	char path[PATH_MAX];

	r.there = host_exists(r.root_fd, file_of(r.slice, NULL, "memory.max", path));
	if (read_ram(&r, &ledger.capital, err) < 0 || read_swap(&r, &ledger.capital, err) < 0 ||
	    (r.there && add_groups(&r, &ledger, err) < 0) ||
	    above_read(r.root_fd, r.slice, r.there, &ledger, err) < 0)
		return -1;
	snprintf(ledger.slice, sizeof(ledger.slice), "%s", r.slice);
	*ret_ledger = ledger;
	return 0;
}

int ledger_read(int root_fd, const char *slice, struct ledger *ret_ledger, struct err **err)
{
	const struct reading reading = { .root_fd = root_fd, .slice = slice };

	return read_ledger(reading, ret_ledger, err);
}

int ledger_read_quickly(int root_fd, const char *slice, struct ledger *ret_ledger, struct err **err)
{
	const struct reading reading = { .root_fd = root_fd, .slice = slice, .quick = true };

	return read_ledger(reading, ret_ledger, err);
}

int ledger_read_without(int root_fd, const char *slice, const char *name, struct ledger *ret_ledger,
			struct err **err)
{
	const struct reading reading = { .root_fd = root_fd, .slice = slice, .without = name };

	return read_ledger(reading, ret_ledger, err);
}

int ledger_check(const struct ledger *ledger, const struct promise *promise,
		 const struct promise *instead_of, struct err **err)
{
	if (*ledger->unlimited && !promise->best_effort)
		return err_set(err, ERR_REFUSED, 0,
			       "nothing can be promised beside " LEDGER_SLICE "/%s, which has no "
			       "limit: set its memory.max and memory.swap.max, or end what is in "
			       "it",
			       ledger->unlimited);
	if (promise_check(&ledger->capital, &ledger->sum, promise, instead_of, err) < 0)
		return -1;

	char remedy[LEDGER_REMEDY_MAX];

	ledger_describe_remedy(
	    ledger, ledger->sum.protection + promise->guarantee + promise->overhead, remedy);
	return promise_check_protection(&ledger->capital, &ledger->sum, promise, instead_of, remedy,
					err);
}

/* Protection reaches a group only as far as the groups above it have some to give: the slice comes
 * first when it grows, and last when it shrinks. */
static int write_protection(int root_fd, const char *slice, const char *name, uint64_t of_slice,
			    uint64_t of_guest, struct err **err)
{
	uint64_t now;

	if (read_limit(root_fd, slice, NULL, "memory.min", &now, err) < 0)
		return -1;

	bool grows = of_slice > now;

	if ((grows && write_number(root_fd, slice, NULL, "memory.min", of_slice, err) < 0) ||
	    write_number(root_fd, slice, name, "memory.min", of_guest, err) < 0)
		return -1;
	return grows ? 0 : write_number(root_fd, slice, NULL, "memory.min", of_slice, err);
}

int ledger_write(int root_fd, const char *slice, const char *name, const struct ledger *ledger,
		 const struct promise *p, struct err **err)
{
	uint64_t worst = p->best_effort ? 0 : p->memory + p->overhead;
	uint64_t protection = promise_protect(&ledger->capital, &ledger->sum, p);

	if (write_number(root_fd, slice, name, "memory.swap.max", worst, err) < 0 ||
	    write_number(root_fd, slice, name, "memory.max", p->limit + p->overhead, err) < 0 ||
	    write_number(root_fd, slice, name, "memory.oom.group", 1, err) < 0)
		return -1;
	return write_protection(root_fd, slice, name, ledger->sum.protection + protection,
				protection, err);
}

void ledger_sweep(int root_fd, const char *slice)
{
	const char *name;
	bool populated;
	DIR *dir;

	if (open_dir(root_fd, slice, &dir, NULL) < 0)
		return;
	while ((name = next_group(dir)))
		if (read_populated(root_fd, slice, name, &populated, NULL) == 0 && !populated)
			unlinkat(dirfd(dir), name, AT_REMOVEDIR);
	closedir(dir);
}

void ledger_unprotect(int min_fd, uint64_t protection)
{
	char text[NUMBER_MAX] = "";
	ssize_t n = pread(min_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return;

	uint64_t now = strtoull(text, NULL, 10);

	n = snprintf(text, sizeof(text), "%" PRIu64, rest(now, protection));
	/* Too much protection does no harm until the next guest comes, and it's set anew. */
	(void)!pwrite(min_fd, text, (size_t)n, 0);
}
