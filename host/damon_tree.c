/* SPDX-License-Identifier: Apache-2.0 */
/* DAMON's directory in sysfs: see damon_tree.h. */
#include "host/damon_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

#define KDAMONDS "sys/kernel/mm/damon/admin/kdamonds"
#define STATE	 KDAMONDS "/0/state"
#define CONTEXT	 KDAMONDS "/0/contexts/0"
/* A file that means nothing in a scheme without watermarks, as ours are, and keeps what is written
 * to it for as long as the scheme is there. */
#define MARK	   CONTEXT "/schemes/0/watermarks/interval_us"
#define MARK_VALUE "465725319013" /* "lodge", in ASCII */

enum {
	PATH_LEN = 192,
	REGIONS_LEAST = 3, /* the smallest minimum that the kernel takes */
	BUSY_TRIES = 100,  /* for a lock that the kernel holds for a moment */
	BUSY_WAIT_NS = 10000000,
	SETTLE_NS = 500000000, /* Linux looks every 100 ms whether a wait for counts has ended */
};

/* A kernel's random numbers in a stretch have 32 bits. */
static const uint64_t stretch_max = UINT64_C(1) << 31;

static size_t divide_range(const struct host_range *range, size_t pieces, uint64_t page,
			   struct host_range *stretches)
{
	uint64_t pages = range->len / page;
	size_t n = 0;

	for (size_t i = 0; i < pieces; i++) {
		uint64_t from = pages * i / pieces;
		uint64_t to = pages * (i + 1) / pieces;

		if (to - from < 2)
			continue;
		/* Without its last page, so that it has no neighbour to be merged with. */
		stretches[n++] = (struct host_range){
			.start = range->start + from * page,
			.len = (to - from - 1) * page,
		};
	}
	return n;
}

static size_t pieces_of(const struct host_range *range, uint64_t total, unsigned samples)
{
	uint64_t share = (uint64_t)((__uint128_t)range->len * samples / total);
	uint64_t least = range->len / stretch_max + 1;

	return (size_t)(share > least ? share : least);
}

int damon_divide(const struct host_range *ranges, size_t n, unsigned samples,
		 struct damon_strata *ret_strata, struct err **err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct damon_strata strata = { 0 };
	uint64_t total = 0;
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		total += ranges[i].len;
	if (total == 0)
		return err_set(err, ERR_USAGE, 0, "a guest without memory");
	for (size_t i = 0; i < n; i++)
		room += pieces_of(&ranges[i], total, samples);
	strata.stretches = calloc(room, sizeof(*strata.stretches));
	if (!strata.stretches)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "samples");
	for (size_t i = 0; i < n; i++)
		strata.n += divide_range(&ranges[i], pieces_of(&ranges[i], total, samples), page,
					 &strata.stretches[strata.n]);
	for (size_t i = 0; i < strata.n; i++)
		strata.bytes += strata.stretches[i].len;
	*ret_strata = strata;
	return 0;
}

/* Writes a word to a file below the context. */
static int set(int root_fd, struct err **err, const char *value, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int set(int root_fd, struct err **err, const char *value, const char *fmt, ...)
{
	char path[PATH_LEN];
	size_t len = strlen(CONTEXT "/");
	va_list args;

	memcpy(path, CONTEXT "/", len);
	va_start(args, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, args);
	va_end(args);
	return host_write_text(root_fd, path, value, err);
}

static const char *decimal(uint64_t value, char text[24])
{
	snprintf(text, 24, "%" PRIu64, value);
	return text;
}

int damon_tree_owner(int root_fd, enum damon_owner *ret_owner, struct err **err)
{
	uint64_t kdamonds;
	uint64_t contexts = 0;
	_cleanup_free_ char *mark = NULL;

	if (host_read_number(root_fd, KDAMONDS "/nr_kdamonds", &kdamonds, err) < 0)
		return -1;
	if (kdamonds == 0) {
		*ret_owner = DAMON_NOBODYS;
	} else if (kdamonds > 1) {
		*ret_owner = DAMON_OTHERS;
	} else if (host_read_text(root_fd, MARK, &mark, NULL) == 0) {
		*ret_owner = strcmp(mark, MARK_VALUE) == 0 ? DAMON_OURS : DAMON_OTHERS;
	} else {
		/* One that was never described can't have been started: who was killed before the
		 * mark was made leaves that. */
		host_read_number(root_fd, KDAMONDS "/0/contexts/nr_contexts", &contexts, NULL);
		*ret_owner = contexts == 0 ? DAMON_OURS : DAMON_OTHERS;
	}
	return 0;
}

/* The directories of kdamond, context and schemes, and the mark. */
static int claim(int root_fd, size_t n, struct err **err)
{
	char text[24];

	if (host_write_text(root_fd, KDAMONDS "/nr_kdamonds", "1", err) < 0 ||
	    host_write_text(root_fd, KDAMONDS "/0/contexts/nr_contexts", "1", err) < 0 ||
	    set(root_fd, err, decimal(n + 1, text), "schemes/nr_schemes") < 0)
		return -1;
	return host_write_text(root_fd, MARK, MARK_VALUE, err);
}

static int describe_sampling(int root_fd, unsigned period_ms, size_t stretches, struct err **err)
{
	char period[24];
	char most[24];

	decimal((uint64_t)period_ms * 1000, period);
	/* With as many as there may be, none is ever split. */
	decimal(stretches > REGIONS_LEAST ? stretches : REGIONS_LEAST, most);
	if (set(root_fd, err, "fvaddr", "operations") < 0 ||
	    set(root_fd, err, period, "monitoring_attrs/intervals/sample_us") < 0 ||
	    set(root_fd, err, period, "monitoring_attrs/intervals/aggr_us") < 0 ||
	    set(root_fd, err, "3", "monitoring_attrs/nr_regions/min") < 0)
		return -1;
	return set(root_fd, err, most, "monitoring_attrs/nr_regions/max");
}

static int describe_target(int root_fd, size_t i, pid_t pid, const struct damon_strata *strata,
			   struct err **err)
{
	char text[24];

	if (set(root_fd, err, decimal((uint64_t)pid, text), "targets/%zu/pid_target", i) < 0 ||
	    set(root_fd, err, decimal(strata->n, text), "targets/%zu/regions/nr_regions", i) < 0)
		return -1;
	for (size_t k = 0; k < strata->n; k++) {
		const struct host_range *stretch = &strata->stretches[k];

		if (set(root_fd, err, decimal(stretch->start, text),
			"targets/%zu/regions/%zu/start", i, k) < 0 ||
		    set(root_fd, err, decimal(stretch->start + stretch->len, text),
			"targets/%zu/regions/%zu/end", i, k) < 0)
			return -1;
	}
	return 0;
}

/* One that counts what is as large, as old and as often touched as may be, from least times on. */
static int describe_scheme(int root_fd, size_t i, const char *least, struct err **err)
{
	static const char *const limits[] = { "sz", "age", "nr_accesses" };

	for (size_t k = 0; k < ARRAY_SIZE(limits); k++)
		if (set(root_fd, err, "4294967295", "schemes/%zu/access_pattern/%s/max", i,
			limits[k]) < 0)
			return -1;
	if (set(root_fd, err, "stat", "schemes/%zu/action", i) < 0)
		return -1;
	return set(root_fd, err, least, "schemes/%zu/access_pattern/nr_accesses/min", i);
}

/* The filter leaves out what doesn't match. */
static int describe_filter(int root_fd, size_t scheme, size_t target, struct err **err)
{
	struct err *why = NULL;
	char text[24];

	if (set(root_fd, &why, "1", "schemes/%zu/filters/nr_filters", scheme) == 0 &&
	    set(root_fd, &why, "target", "schemes/%zu/filters/0/type", scheme) == 0 &&
	    set(root_fd, &why, "N", "schemes/%zu/filters/0/matching", scheme) == 0 &&
	    set(root_fd, &why, decimal(target, text), "schemes/%zu/filters/0/damon_target_idx",
		scheme) == 0)
		return 0;
	err_set(err, err_code(why), 0,
		"DAMON can't tell guests apart here, which takes Linux 6.6: %s", err_message(why));
	err_free(why);
	return -1;
}

static int switch_on(int root_fd, struct err **err)
{
	struct err *why = NULL;

	if (host_write_text(root_fd, STATE, "on", &why) == 0)
		return 0;
	if (err_errno(why) == EBUSY)
		err_set(err, ERR_EXISTS, 0,
			"the kernel uses DAMON itself (damon_reclaim or damon_lru_sort)");
	else
		err_set(err, err_code(why), err_errno(why), "DAMON doesn't start: write on to /%s",
			STATE);
	err_free(why);
	return -1;
}

int damon_tree_build(int root_fd, const struct host_damon_target *targets,
		     const struct damon_strata *strata, size_t n, unsigned period_ms,
		     struct err **err)
{
	char text[24];
	size_t stretches = 0;

	for (size_t i = 0; i < n; i++)
		stretches += strata[i].n;
	if (claim(root_fd, n, err) < 0 ||
	    describe_sampling(root_fd, period_ms, stretches, err) < 0 ||
	    set(root_fd, err, decimal(n, text), "targets/nr_targets") < 0 ||
	    describe_scheme(root_fd, 0, "0", err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (describe_target(root_fd, i, targets[i].pid, &strata[i], err) < 0 ||
		    describe_scheme(root_fd, i + 1, "1", err) < 0 ||
		    describe_filter(root_fd, i + 1, i, err) < 0)
			return -1;
	return switch_on(root_fd, err);
}

/* The kernel holds a lock of DAMON's files now and then, and refuses who comes meanwhile. */
static int write_patiently(int root_fd, const char *path, const char *text, struct err **err)
{
	static const struct timespec moment = { .tv_nsec = BUSY_WAIT_NS };

	for (int i = 0;; i++) {
		struct err *why = NULL;

		if (host_write_text(root_fd, path, text, &why) == 0)
			return 0;

		bool again = err_errno(why) == EBUSY && i < BUSY_TRIES;

		if (!again)
			err_set(err, err_code(why), err_errno(why), "write %s to /%s", text, path);
		err_free(why);
		if (!again)
			return -1;
		nanosleep(&moment, NULL);
	}
}

int damon_tree_count(int root_fd, size_t n, uint64_t *ret_looks, uint64_t *touched,
		     struct err **err)
{
	if (write_patiently(root_fd, STATE, "update_schemes_stats", err) < 0 ||
	    host_read_number(root_fd, CONTEXT "/schemes/0/stats/nr_tried", ret_looks, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char path[PATH_LEN];

		snprintf(path, sizeof(path), CONTEXT "/schemes/%zu/stats/sz_tried", i + 1);
		if (host_read_number(root_fd, path, &touched[i], err) < 0)
			return -1;
	}
	return 0;
}

void damon_tree_off(int root_fd)
{
	/* An error if it doesn't run any more, which is as well: what does run can't be removed. */
	write_patiently(root_fd, STATE, "off", NULL);
}

int damon_tree_remove(int root_fd, struct err **err)
{
	return write_patiently(root_fd, KDAMONDS "/nr_kdamonds", "0", err);
}

int damon_tree_remove_left(int root_fd, struct err **err)
{
	static const struct timespec settle = { .tv_nsec = SETTLE_NS };

	damon_tree_off(root_fd);
	nanosleep(&settle, NULL);
	return damon_tree_remove(root_fd, err);
}
