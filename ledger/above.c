/* SPDX-License-Identifier: Apache-2.0 */
/* The groups above the slice: see above.h. */
#include "ledger/above.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sums.h"
#include "host/cgroup.h"
#include "host/cgroup_memory.h"
#include "host/fields.h"
#include "host/file.h"

#define MIB (UINT64_C(1) << 20)

static const char *file_of(const char *group, const char *file, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", group, file);
	return path;
}

int ledger_read_used(int root_fd, const char *group, uint64_t *ret_bytes, struct err **err)
{
	struct host_cgroup_memory memory;

	if (host_read_cgroup_memory(root_fd, "", group, &memory, err) < 0)
		return -1;

	uint64_t dropped = memory.file;

	if (memory.shmem != HOST_UNKNOWN)
		dropped = rest(dropped, memory.shmem);
	*ret_bytes = rest(memory.current, dropped);
	return 0;
}

/* UINT64_MAX for none. Without swap a kernel may lack the file. */
static uint64_t read_limit(int root_fd, const char *group, const char *file)
{
	char path[PATH_MAX];
	uint64_t limit;

	if (host_read_limit(root_fd, file_of(group, file, path), &limit, NULL) < 0 ||
	    limit > LEDGER_LIMIT_MAX)
		return UINT64_MAX;
	return limit;
}

/* What is being looked at: a group above the slice. */
struct level {
	int root_fd;
	const char *slice;
	bool there; /* the slice is */
	char group[LEDGER_SLICE_MAX];
	char below[LEDGER_NAME_MAX]; /* of group, the one that guests are in */
};

/* One level up; false at the end. */
static bool climb(struct level *level)
{
	char path[PATH_MAX];
	char *end = strrchr(level->group, '/');

	if (!end)
		return false;
	snprintf(level->below, sizeof(level->below), "%s", end + 1);
	*end = '\0';
	return host_exists(level->root_fd, file_of(level->group, "memory.max", path));
}

static int bound_ram(const struct level *level, struct promise_bound *bound, struct err **err)
{
	uint64_t limit = read_limit(level->root_fd, level->group, "memory.max");
	uint64_t guests = 0;
	uint64_t all;

	if (limit == UINT64_MAX)
		return 0;
	if (ledger_read_used(level->root_fd, level->group, &all, err) < 0 ||
	    (level->there && ledger_read_used(level->root_fd, level->slice, &guests, err) < 0))
		return -1;
	bound->ram = least(bound->ram, rest(limit, rest(all, guests)));
	return 0;
}

static void bound_swap(const struct level *level, struct promise_bound *bound)
{
	uint64_t limit = read_limit(level->root_fd, level->group, "memory.swap.max");
	uint64_t guests = 0;
	uint64_t all = 0;
	char path[PATH_MAX];

	if (limit == UINT64_MAX)
		return;
	host_read_number(level->root_fd, file_of(level->group, "memory.swap.current", path), &all,
			 NULL);
	if (level->there)
		host_read_number(level->root_fd, file_of(level->slice, "memory.swap.current", path),
				 &guests, NULL);
	bound->swap = least(bound->swap, rest(limit, rest(all, guests)));
}

static uint64_t read_protection(int root_fd, const char *group)
{
	char path[PATH_MAX];
	uint64_t protection;

	/* A group that has just gone protects nothing. */
	if (host_read_limit(root_fd, file_of(group, "memory.min", path), &protection, NULL) < 0)
		return 0;
	return protection;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* What others in a group ask for of its protection. */
static int read_lent(const struct level *level, uint64_t *ret_lent, struct err **err)
{
	int fd = openat(level->root_fd, level->group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint64_t lent = 0;

	if (!dir) {
		err_set(err, err_code_from_errno(errno), errno, "/%s", level->group);
		cleanup_close(&fd);
		return -1;
	}
	while ((e = readdir(dir)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
		    strcmp(e->d_name, level->below) != 0)
			lent = add(lent, read_protection(dirfd(dir), e->d_name));
	closedir(dir);
	*ret_lent = lent;
	return 0;
}

static int bound_protection(const struct level *level, struct ledger *ledger, struct err **err)
{
	struct promise_bound *bound = &ledger->capital.bound;
	struct ledger_above above = {
		.protection = read_protection(level->root_fd, level->group),
	};

	if (read_lent(level, &above.lent, err) < 0)
		return -1;
	if (above.protection != UINT64_MAX)
		bound->protection = least(bound->protection, rest(above.protection, above.lent));
	if (ledger->n_above < LEDGER_ABOVE_MAX)
		ledger->above[ledger->n_above++] = above;
	return 0;
}

int above_read(int root_fd, const char *slice, bool there, struct ledger *ledger, struct err **err)
{
	struct promise_bound *bound = &ledger->capital.bound;
	struct level level = { .root_fd = root_fd, .slice = slice, .there = there };

	*bound = (struct promise_bound){
		.ram = UINT64_MAX,
		/* Guests' own is all that is in the slice. */
		.swap = there ? read_limit(root_fd, slice, "memory.swap.max") : UINT64_MAX,
		.protection = UINT64_MAX,
	};
	snprintf(level.group, sizeof(level.group), "%s", slice);
	while (climb(&level)) {
		bound->there = true;
		if (bound_ram(&level, bound, err) < 0 || bound_protection(&level, ledger, err) < 0)
			return -1;
		bound_swap(&level, bound);
	}
	bound->there |= bound->swap != UINT64_MAX;
	return 0;
}

/* The path of the nth group above the slice. */
static void find_above(const struct ledger *ledger, size_t n, char group[LEDGER_SLICE_MAX])
{
	memcpy(group, ledger->slice, LEDGER_SLICE_MAX);
	for (size_t i = 0; i <= n; i++)
		*strrchr(group, '/') = '\0';
}

static bool is_unit(const char *name)
{
	static const char *const suffixes[] = { ".slice", ".service", ".scope" };
	const char *suffix = strrchr(name, '.');

	for (size_t i = 0; suffix && i < ARRAY_SIZE(suffixes); i++)
		if (strcmp(suffix, suffixes[i]) == 0)
			return true;
	return false;
}

__attribute__((format(printf, 2, 3))) static void append(char text[LEDGER_REMEDY_MAX],
							 const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + used, LEDGER_REMEDY_MAX - used, fmt, args);
	va_end(args);
}

char *ledger_describe_remedy(const struct ledger *ledger, uint64_t protection,
			     char text[LEDGER_REMEDY_MAX])
{
	char group[LEDGER_SLICE_MAX];

	text[0] = '\0';
	for (size_t n = ledger->n_above; n-- > 0;) {
		const struct ledger_above *above = &ledger->above[n];
		uint64_t needed = (add(add(protection, above->lent), MIB - 1)) / MIB;

		if (above->protection >= add(protection, above->lent))
			continue;
		find_above(ledger, n, group);

		const char *name = strrchr(group, '/') + 1;

		append(text, "%s", *text ? " && " : "as root: ");
		if (is_unit(name))
			append(text, "systemctl set-property %s MemoryMin=%" PRIu64 "M", name,
			       needed);
		else
			append(text, "echo %" PRIu64 "M > /%s/memory.min", needed, group);
	}
	return text;
}
