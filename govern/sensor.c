/* SPDX-License-Identifier: Apache-2.0 */
/* Sense: see sensor.h. */
#include "govern/sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sums.h"
#include "host/cgroup.h"
#include "host/cgroup_memory.h"
#include "host/fields.h"
#include "host/file.h"
#include "host/meminfo.h"
#include "host/psi.h"

/* Guests that are being read. */
struct reading {
	int root_fd;
	const char *slice;
	const struct sensor *before;
	struct sensor *now;
	size_t room; /* of now's arrays */
};

void sensor_clear(struct sensor *sensor)
{
	free(sensor->about);
	free(sensor->guests);
	free(sensor->memories);
	*sensor = (struct sensor){ 0 };
}

static int grow(struct reading *r, struct err **err)
{
	size_t room = r->room ? 2 * r->room : 16;
	struct sensor *now = r->now;
	void *about = reallocarray(now->about, room, sizeof(*now->about));

	now->about = about ? about : now->about;

	void *guests = reallocarray(now->guests, room, sizeof(*now->guests));

	now->guests = guests ? guests : now->guests;
	if (!about || !guests)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
	r->room = room;
	return 0;
}

/* What was known of the same guest before, or NULL. */
static const struct sensed *find(const struct sensor *sensor, const char *name, uint64_t group)
{
	size_t low = 0;
	size_t high = sensor->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(sensor->about[middle].name, name);

		if (order == 0)
			return sensor->about[middle].group == group ? &sensor->about[middle] : NULL;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static uint64_t known(uint64_t value)
{
	return value == HOST_UNKNOWN ? 0 : value;
}

static pid_t read_pid(int group_fd)
{
	uint64_t pid;

	/* One process and a newline. */
	return host_read_number(group_fd, "cgroup.procs", &pid, NULL) == 0 ? (pid_t)pid : 0;
}

static uint64_t read_limit(int group_fd, const char *file)
{
	uint64_t limit;

	return host_read_limit(group_fd, file, &limit, NULL) == 0 ? limit : POLICY_UNKNOWN;
}

/* The one that the guest's share of processors has too; where those aren't shared by groups, all
 * guests are equal. */
static unsigned read_weight(int group_fd)
{
	uint64_t weight;

	if (host_read_number(group_fd, "cpu.weight", &weight, NULL) < 0 ||
	    weight < PROMISE_WEIGHT_MIN || weight > PROMISE_WEIGHT_MAX)
		return PROMISE_WEIGHT_DEFAULT;
	return (unsigned)weight;
}

/* What happened since the turn before. A guest that is seen for the first time has no before. */
static void take_differences(const struct sensed *before, const struct sensed *now,
			     struct policy_guest *guest)
{
	if (!before || before->read_ms == 0 || now->read_ms <= before->read_ms)
		return;

	uint64_t elapsed_us = (now->read_ms - before->read_ms) * 1000;
	uint64_t stalled_us = rest(now->stalled_us, before->stalled_us);

	guest->refaulted = rest(now->refaults, before->refaults) * (uint64_t)sysconf(_SC_PAGESIZE);
	guest->pain_permille = (unsigned)(least(stalled_us, elapsed_us) * 1000 / elapsed_us);
}

/* False if it has just gone. */
static bool read_guest(const struct reading *r, const char *group, const struct ledger_entry *entry,
		       struct sensed *about, struct policy_guest *guest)
{
	_cleanup_close_ int group_fd = openat(r->root_fd, group, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct host_cgroup_memory memory;
	struct host_psi psi = { 0 };
	struct stat status;

	if (group_fd < 0 || fstat(group_fd, &status) < 0 ||
	    host_read_cgroup_memory(r->root_fd, "", group, &memory, NULL) < 0)
		return false;
	host_read_group_psi(r->root_fd, group, "memory", &psi, NULL);
	about->group = (uint64_t)status.st_ino;
	about->pid = read_pid(group_fd);
	about->refaults = known(memory.refault_anon) + known(memory.refault_file);
	about->stalled_us = psi.some_us;
	about->read_ms = clock_boot_ms();
	*guest = (struct policy_guest){
		.floor = entry->guaranteed,
		.ceiling = entry->in_ram,
		.weight = read_weight(group_fd),
		.best_effort = entry->worst == 0,
		.resident = memory.current,
		.swapped = known(memory.swap),
		.active = POLICY_UNKNOWN,
		.spare = POLICY_UNKNOWN,
		.low = read_limit(group_fd, "memory.low"),
		.high = read_limit(group_fd, "memory.high"),
	};
	return true;
}

static int add_guest(void *arg, const char *name, const struct ledger_entry *entry,
		     struct err **err)
{
	struct reading *r = arg;
	struct sensed about = { 0 };
	struct policy_guest guest;
	char group[PATH_MAX];

	if (entry->in_ram == UINT64_MAX || entry->worst == UINT64_MAX ||
	    strlen(name) >= sizeof(about.name))
		return 0;
	snprintf(about.name, sizeof(about.name), "%s", name);
	snprintf(group, sizeof(group), "%s/%s", r->slice, name);
	if (!read_guest(r, group, entry, &about, &guest))
		return 0;
	take_differences(find(r->before, name, about.group), &about, &guest);
	if (r->now->n == r->room && grow(r, err) < 0)
		return -1;
	r->now->about[r->now->n] = about;
	r->now->guests[r->now->n++] = guest;
	return 0;
}

/* Sorting the two arrays as one. */
struct pair {
	struct sensed about;
	struct policy_guest guest;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->about.name, ((const struct pair *)b)->about.name);
}

static int sort(struct sensor *sensor, struct err **err)
{
	struct pair *pairs = calloc(sensor->n + 1, sizeof(*pairs));

	if (!pairs)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
	for (size_t i = 0; i < sensor->n; i++)
		pairs[i] = (struct pair){ sensor->about[i], sensor->guests[i] };
	qsort(pairs, sensor->n, sizeof(*pairs), compare);
	for (size_t i = 0; i < sensor->n; i++) {
		sensor->about[i] = pairs[i].about;
		sensor->guests[i] = pairs[i].guest;
	}
	free(pairs);
	return 0;
}

/* What the policy remembers of guests goes with them. */
static int take_memories(struct sensor *now, const struct sensor *before, struct err **err)
{
	now->memories = calloc(now->n + 1, sizeof(*now->memories));
	if (!now->memories)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
	for (size_t i = 0; i < now->n; i++) {
		const struct sensed *old = find(before, now->about[i].name, now->about[i].group);

		if (!old)
			continue;
		now->memories[i] = before->memories[old - before->about];
		now->about[i].ram = old->ram;
	}
	return 0;
}

static int read_host(int root_fd, const char *slice, const struct ledger *ledger,
		     struct policy_host *ret_host, struct err **err)
{
	struct host_meminfo meminfo;
	uint64_t used;

	if (host_read_meminfo(root_fd, &meminfo, err) < 0 ||
	    ledger_read_used(root_fd, slice, &used, err) < 0)
		return -1;
	*ret_host = (struct policy_host){
		.now_ms = clock_boot_ms(),
		.capacity = promise_ram(&ledger->capital),
		.used = used,
		.available = meminfo.available,
	};
	return 0;
}

int sensor_read(struct sensor *sensor, int root_fd, const char *slice, const struct ledger *ledger,
		struct err **err)
{
	struct sensor now = { 0 };
	struct reading reading = {
		.root_fd = root_fd, .slice = slice, .before = sensor, .now = &now
	};

	if (ledger_each(root_fd, slice, add_guest, &reading, err) < 0 || sort(&now, err) < 0 ||
	    take_memories(&now, sensor, err) < 0 ||
	    read_host(root_fd, slice, ledger, &now.host, err) < 0) {
		sensor_clear(&now);
		return -1;
	}
	sensor_clear(sensor);
	*sensor = now;
	return 0;
}
