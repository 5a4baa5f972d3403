/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest/guest.h"
#include "guest/regions.h"

enum { PAGE = 4096, AVAILABLE_TRIES = 50 };

/* What `free` gives back. */
static struct regions regions;

/* A value of /proc/meminfo in KiB, or 0. */
static uint64_t meminfo(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10);
	}
	return 0;
}

static void run_meminfo(int n_args, char **args, const char *rest)
{
	char text[8192];
	long len = file_read("/proc/meminfo", text, sizeof(text));

	(void)n_args;
	(void)rest;
	if (len < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}
	say_body(text, (size_t)len);
	ok(args[0], "MemTotal=%" PRIu64 " MemFree=%" PRIu64 " MemAvailable=%" PRIu64,
	   meminfo(text, "MemTotal"), meminfo(text, "MemFree"), meminfo(text, "MemAvailable"));
}

/* The lines of /proc/vmstat whose names have a part in them. */
static void run_vmstat(int n_args, char **args, const char *rest)
{
	static char text[65536];
	const char *part = n_args > 1 ? args[1] : "";
	int n = 0;

	(void)rest;
	if (file_read("/proc/vmstat", text, sizeof(text)) < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strstr(line, part))
			continue;
		say("| %s", line);
		n++;
	}
	ok(args[0], "%d", n);
}

/* Waits for a moment until so much is available: what the kernel is just reporting to the host as
 * free isn't, which may be 64 MiB, and the host may be busy. */
static bool wait_available(uint64_t kib, uint64_t *ret_available)
{
	static const struct timespec pause = { .tv_nsec = 100000000 };
	char text[8192];

	for (int tries = 0; tries < AVAILABLE_TRIES; tries++) {
		if (tries > 0)
			nanosleep(&pause, NULL);
		if (file_read("/proc/meminfo", text, sizeof(text)) <= 0)
			return true;
		*ret_available = meminfo(text, "MemAvailable");
		if (kib <= *ret_available)
			return true;
	}
	return false;
}

/* New untouched memory, or NULL after saying why. More than the guest has would end in a panic,
 * since PID 1 is all that the OOM killer could kill; force is for those who want to see it try. */
static struct region *take(char **args, bool filled, bool force)
{
	uint64_t available = 0;
	uint64_t size;

	if (!word_size(args[1], &size) || size == 0 || size > UINT64_MAX - PAGE) {
		failed(args[0], "%s isn't a size", args[1]);
		return NULL;
	}
	if (regions.n == REGIONS_MAX) {
		failed(args[0], "too many regions: free them first");
		return NULL;
	}
	if (!force && !wait_available(size / 1024, &available)) {
		failed(args[0], "only %" PRIu64 " KiB are available", available);
		return NULL;
	}

	struct region *region = regions_add(&regions, size, filled);

	if (!region)
		failed(args[0], "%s", strerror(errno));
	return region;
}

/* The word `force` after the arguments that an order needs. */
static bool forced(int n_args, char **args, int needed)
{
	return n_args > needed && !strcmp(args[needed], "force");
}

/* The seed of an order about what was filled. False after saying what is wrong. */
static bool seed_of_filled(char **args, const char *word, uint64_t *ret_seed)
{
	if (!word_number(word, ret_seed)) {
		failed(args[0], "%s isn't a seed", word);
		return false;
	}
	if (regions.filled == 0) {
		failed(args[0], "nothing is filled");
		return false;
	}
	return true;
}

static void run_fill(int n_args, char **args, const char *rest)
{
	uint64_t seed;

	(void)rest;
	if (!word_number(args[2], &seed)) {
		failed(args[0], "%s isn't a seed", args[2]);
		return;
	}

	struct region *region = take(args, true, forced(n_args, args, 3));

	if (!region)
		return;
	region_fill(region, seed);
	ok(args[0], "%zu bytes, %" PRIu64 " in all", region->len, regions.filled);
}

static void run_refill(int n_args, char **args, const char *rest)
{
	uint64_t seed;

	(void)n_args;
	(void)rest;
	if (!seed_of_filled(args, args[1], &seed))
		return;
	for (size_t i = 0; i < regions.n; i++) {
		if (regions.all[i].generations)
			region_fill(&regions.all[i], seed);
	}
	ok(args[0], "%" PRIu64 " bytes", regions.filled);
}

static void run_verify(int n_args, char **args, const char *rest)
{
	uint64_t seed;

	(void)n_args;
	(void)rest;
	if (!seed_of_filled(args, args[1], &seed))
		return;
	for (size_t i = 0; i < regions.n; i++) {
		const struct region *r = &regions.all[i];
		uint64_t wrong;

		if (r->generations && !region_check(r, 0, region_blocks(r), seed, &wrong)) {
			failed(args[0], "wrong at offset %" PRIu64, wrong);
			return;
		}
	}
	ok(args[0], "%" PRIu64 " bytes", regions.filled);
}

static void run_churn(int n_args, char **args, const char *rest)
{
	uint64_t seed;
	uint64_t ns;
	uint64_t cpus = 1;

	(void)rest;
	if (!word_seconds(args[1], &ns)) {
		failed(args[0], "%s isn't a time in seconds", args[1]);
		return;
	}
	if (n_args > 3 && (!word_number(args[3], &cpus) || cpus > UINT32_MAX)) {
		failed(args[0], "%s isn't a number of CPUs", args[3]);
		return;
	}
	if (seed_of_filled(args, args[2], &seed))
		churn_order(args[0], &regions, seed, ns, (unsigned)cpus);
}

static void run_alloc(int n_args, char **args, const char *rest)
{
	struct region *region = take(args, false, forced(n_args, args, 2));

	(void)rest;
	if (!region)
		return;
	/* A word a page that is different in each, so that they aren't the host's to merge. */
	for (size_t at = 0; at < region->len; at += PAGE) {
		uint64_t word = (uintptr_t)region->base + at;

		memcpy(region->base + at, &word, sizeof(word));
	}
	ok(args[0], "%zu bytes", region->len);
}

static void run_touch(int n_args, char **args, const char *rest)
{
	uint64_t bytes = 0;

	(void)n_args;
	(void)rest;
	for (size_t i = 0; i < regions.n; i++) {
		for (size_t page = 0; page < region_pages(&regions.all[i]); page++)
			region_touch(&regions.all[i], page);
		bytes += regions.all[i].len;
	}
	ok(args[0], "%" PRIu64 " bytes", bytes);
}

static void run_work(int n_args, char **args, const char *rest)
{
	uint64_t ns;
	uint64_t size = UINT64_MAX;
	uint64_t pages = 0;

	(void)rest;
	if (!word_seconds(args[1], &ns)) {
		failed(args[0], "%s isn't a time in seconds", args[1]);
		return;
	}
	if (n_args > 2 && (!word_size(args[2], &size) || size < PAGE)) {
		failed(args[0], "%s isn't a size of a page or more", args[2]);
		return;
	}
	for (size_t i = 0; i < regions.n; i++)
		pages += region_pages(&regions.all[i]);
	if (pages == 0) {
		failed(args[0], "no memory is taken");
		return;
	}
	work_order(args[0], &regions, size / PAGE < pages ? size / PAGE : pages, ns);
}

static void run_free(int n_args, char **args, const char *rest)
{
	(void)n_args;
	(void)rest;
	ok(args[0], "%" PRIu64 " bytes", regions_clear(&regions));
}

const struct order memory_orders[] = {
	{ "meminfo", "", 0, 0, run_meminfo },
	{ "vmstat", "[PART]", 0, 1, run_vmstat },
	{ "fill", "SIZE SEED [force]", 2, 3, run_fill },
	{ "refill", "SEED", 1, 1, run_refill },
	{ "verify", "SEED", 1, 1, run_verify },
	{ "churn", "SECONDS SEED [CPUS]", 2, 3, run_churn },
	{ "alloc", "SIZE [force]", 1, 2, run_alloc },
	{ "touch", "", 0, 0, run_touch },
	{ "work", "SECONDS [SIZE]", 1, 2, run_work },
	{ "free", "", 0, 0, run_free },
	{ NULL },
};
