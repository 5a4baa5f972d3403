/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/guest.h"
#include "guest/pattern.h"

enum { REGIONS_MAX = 64, PAGE = 4096 };

/* Memory that an order took and that `free` gives back. */
static struct region {
	uint8_t *base;
	size_t len;
	uint64_t offset; /* in the pattern */
	bool filled;
} regions[REGIONS_MAX];
static size_t n_regions;
static uint64_t filled_bytes;

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

/* New untouched memory, or NULL after saying why. More than the guest has would end in a panic,
 * since PID 1 is all that the OOM killer could kill; force is for those who want to see it try. */
static struct region *take(char **args, bool force)
{
	char text[8192];
	uint64_t size;

	if (!word_size(args[1], &size) || size == 0 || size > UINT64_MAX - PAGE) {
		failed(args[0], "%s isn't a size", args[1]);
		return NULL;
	}
	size = (size + PAGE - 1) / PAGE * PAGE;
	if (n_regions == REGIONS_MAX) {
		failed(args[0], "too many regions: free them first");
		return NULL;
	}
	if (!force && file_read("/proc/meminfo", text, sizeof(text)) > 0 &&
	    size / 1024 > meminfo(text, "MemAvailable")) {
		failed(args[0], "only %" PRIu64 " KiB are available",
		       meminfo(text, "MemAvailable"));
		return NULL;
	}

	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED) {
		failed(args[0], "%s", strerror(errno));
		return NULL;
	}
	regions[n_regions] = (struct region){ .base = base, .len = size };
	return &regions[n_regions++];
}

/* The word `force` after the arguments that an order needs. */
static bool forced(int n_args, char **args, int needed)
{
	return n_args > needed && !strcmp(args[needed], "force");
}

static void run_fill(int n_args, char **args, const char *rest)
{
	uint64_t seed;

	(void)rest;
	if (!word_number(args[2], &seed)) {
		failed(args[0], "%s isn't a seed", args[2]);
		return;
	}

	struct region *region = take(args, forced(n_args, args, 3));

	if (!region)
		return;
	region->offset = filled_bytes;
	region->filled = true;
	filled_bytes += region->len;
	pattern_fill(region->base, region->offset, region->len, seed);
	ok(args[0], "%zu bytes, %" PRIu64 " in all", region->len, filled_bytes);
}

static void run_verify(int n_args, char **args, const char *rest)
{
	uint64_t seed;

	(void)n_args;
	(void)rest;
	if (!word_number(args[1], &seed)) {
		failed(args[0], "%s isn't a seed", args[1]);
		return;
	}
	if (filled_bytes == 0) {
		failed(args[0], "nothing is filled");
		return;
	}
	for (size_t i = 0; i < n_regions; i++) {
		const struct region *r = &regions[i];
		size_t right;

		if (!r->filled)
			continue;
		right = pattern_check(r->base, r->offset, r->len, seed);
		if (right != r->len) {
			failed(args[0], "wrong at offset %" PRIu64, r->offset + right);
			return;
		}
	}
	ok(args[0], "%" PRIu64 " bytes", filled_bytes);
}

static void run_alloc(int n_args, char **args, const char *rest)
{
	struct region *region = take(args, forced(n_args, args, 2));

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

static void run_free(int n_args, char **args, const char *rest)
{
	uint64_t bytes = 0;

	(void)n_args;
	(void)rest;
	for (size_t i = 0; i < n_regions; i++) {
		bytes += regions[i].len;
		munmap(regions[i].base, regions[i].len);
	}
	n_regions = 0;
	filled_bytes = 0;
	ok(args[0], "%" PRIu64 " bytes", bytes);
}

const struct order memory_orders[] = {
	{ "meminfo", "", 0, 0, run_meminfo },	{ "fill", "SIZE SEED [force]", 2, 3, run_fill },
	{ "verify", "SEED", 1, 1, run_verify }, { "alloc", "SIZE [force]", 1, 2, run_alloc },
	{ "free", "", 0, 0, run_free },		{ NULL },
};
