/* SPDX-License-Identifier: Apache-2.0 */
/* What `lodge top` shows: see top_data.h. */
#include "cmd/top_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/fields.h"

void top_rates_clear(struct top_rates *rates)
{
	*rates = (struct top_rates){
		.cpu = HOST_UNKNOWN,
		.vcpu = HOST_UNKNOWN,
		.swap_in = HOST_UNKNOWN,
		.swap_out = HOST_UNKNOWN,
		.major_faults = HOST_UNKNOWN,
	};
}

/* What a counter grew by, as so many in unit_ms. */
static uint64_t rate(uint64_t before, uint64_t now, uint64_t unit_ms, int64_t ms)
{
	if (before == HOST_UNKNOWN || now == HOST_UNKNOWN || now < before || ms <= 0)
		return HOST_UNKNOWN;
	return (uint64_t)((unsigned __int128)(now - before) * unit_ms / (uint64_t)ms);
}

static uint64_t growth(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

enum { SECOND = 1000, /* ms */ WHOLE_CPU = 1000 /* tenths of a percent */ };

void top_rates_of_guest(const struct top_sample *before, const struct top_sample *now,
			struct top_rates *ret_rates)
{
	const struct host_process_activity *a = &before->activity;
	const struct host_process_activity *b = &now->activity;
	int64_t ms = now->time_ms - before->time_ms;
	struct top_rates rates;

	top_rates_clear(ret_rates);
	/* Another process that got the same pid. */
	if (a->started != b->started)
		return;
	rates = (struct top_rates){
		.cpu = rate(a->cpu_ms, b->cpu_ms, WHOLE_CPU, ms),
		.vcpu = rate(a->guest_ms, b->guest_ms, WHOLE_CPU, ms),
		.swap_in = rate(before->swapped_in, now->swapped_in, SECOND, ms),
		.swap_out = rate(before->swapped_out, now->swapped_out, SECOND, ms),
		.major_faults = rate(a->major_faults, b->major_faults, SECOND, ms),
	};
	/* The kernel counts guests' time by ticks, and scales the whole to what it measured. */
	if (rates.vcpu > rates.cpu)
		rates.vcpu = rates.cpu;
	if (rates.swap_in == HOST_UNKNOWN)
		rates.swap_in = rate(0, growth(now->swapped, before->swapped), SECOND, ms);
	if (rates.swap_out == HOST_UNKNOWN)
		rates.swap_out = rate(0, growth(before->swapped, now->swapped), SECOND, ms);
	*ret_rates = rates;
}

/* A share of all the time that the CPUs had, by their own count: so it's never more than that. */
static uint64_t share(uint64_t before, uint64_t now, uint64_t had, unsigned cpus)
{
	if (now < before || had == 0)
		return HOST_UNKNOWN;
	return (now - before) * WHOLE_CPU * cpus / had;
}

void top_rates_of_host(const struct top_host *before, const struct top_host *now,
		       struct top_rates *ret_rates)
{
	const struct host_activity *a = &before->activity;
	const struct host_activity *b = &now->activity;
	int64_t ms = now->time_ms - before->time_ms;
	uint64_t had = growth(a->busy_ms, b->busy_ms) + growth(a->idle_ms, b->idle_ms);

	*ret_rates = (struct top_rates){
		.cpu = share(a->busy_ms, b->busy_ms, had, b->cpus),
		.vcpu = share(a->guests_ms, b->guests_ms, had, b->cpus),
		.swap_in = rate(a->swapped_in, b->swapped_in, SECOND, ms),
		.swap_out = rate(a->swapped_out, b->swapped_out, SECOND, ms),
		.major_faults = rate(a->major_faults, b->major_faults, SECOND, ms),
	};
}

static const char *const words[TOP_KEYS] = {
	[TOP_NAME] = "name",	       [TOP_STATE] = "state",	    [TOP_CPU] = "cpu",
	[TOP_VCPU] = "vcpu",	       [TOP_SIZE] = "size",	    [TOP_RESIDENT] = "resident",
	[TOP_PRIVATE] = "private",     [TOP_CACHE] = "cache",	    [TOP_MERGED] = "merged",
	[TOP_SWAPPED] = "swapped",     [TOP_BALLOON] = "balloon",   [TOP_REPORTED] = "reported",
	[TOP_UNTOUCHED] = "untouched", [TOP_OVERHEAD] = "overhead", [TOP_SWAP_IN] = "swap-in",
	[TOP_SWAP_OUT] = "swap-out",   [TOP_FAULTS] = "faults",	    [TOP_FREE] = "free",
	[TOP_AVAILABLE] = "available", [TOP_AGE] = "age",
};

const char *top_key_word(enum top_key key)
{
	return words[key];
}

bool top_key_find(const char *word, enum top_key *ret_key)
{
	for (int key = 0; key < TOP_KEYS; key++)
		if (strcmp(words[key], word) == 0) {
			*ret_key = (enum top_key)key;
			return true;
		}
	return false;
}

/* What the guest costs beside its RAM. */
static uint64_t overhead(const struct memory_parts *p)
{
	uint64_t sum = p->vmm;

	if (p->page_tables != HOST_UNKNOWN)
		sum += p->page_tables;
	if (p->kvm_page_tables != HOST_UNKNOWN)
		sum += p->kvm_page_tables;
	if (p->kernel_other != HOST_UNKNOWN)
		sum += p->kernel_other;
	return sum;
}

static uint64_t rate_value(enum top_key key, const struct top_rates *rates)
{
	switch (key) {
	case TOP_CPU:
		return rates->cpu;
	case TOP_VCPU:
		return rates->vcpu;
	case TOP_SWAP_IN:
		return rates->swap_in;
	case TOP_SWAP_OUT:
		return rates->swap_out;
	case TOP_FAULTS:
		return rates->major_faults;
	default:
		return HOST_UNKNOWN;
	}
}

static uint64_t part_value(enum top_key key, const struct memory_parts *parts)
{
	switch (key) {
	case TOP_SIZE:
		return parts->guest;
	case TOP_RESIDENT:
		return parts->resident;
	case TOP_PRIVATE:
		return parts->private;
	case TOP_CACHE:
		return parts->page_cache;
	case TOP_MERGED:
		return parts->merged;
	case TOP_SWAPPED:
		return parts->swapped;
	case TOP_BALLOON:
		return parts->ballooned;
	case TOP_REPORTED:
		return parts->reported_free;
	case TOP_UNTOUCHED:
		return parts->untouched;
	case TOP_OVERHEAD:
		return overhead(parts);
	default:
		return HOST_UNKNOWN;
	}
}

static uint64_t view_value(enum top_key key, const struct memory_balloon *balloon)
{
	switch (key) {
	case TOP_FREE:
		return balloon->free;
	case TOP_AVAILABLE:
		return balloon->available;
	case TOP_AGE:
		return balloon->stats_age_ms;
	default:
		return HOST_UNKNOWN;
	}
}

uint64_t top_key_value(enum top_key key, const struct top_guest *guest)
{
	if (!guest->known)
		return HOST_UNKNOWN;
	if (key == TOP_FREE || key == TOP_AVAILABLE || key == TOP_AGE)
		return guest->balloon.has_stats ? view_value(key, &guest->balloon) : HOST_UNKNOWN;
	if (!guest->has_memory)
		return HOST_UNKNOWN;

	uint64_t value = rate_value(key, &guest->rates);

	return value != HOST_UNKNOWN ? value : part_value(key, &guest->parts);
}

struct sorting {
	const struct top_snapshot *snapshot;
	enum top_key key;
	bool reverse;
};

static int compare(const void *a, const void *b, void *opaque)
{
	const struct sorting *sorting = opaque;
	const struct top_guest *x = &sorting->snapshot->guests[*(const size_t *)a];
	const struct top_guest *y = &sorting->snapshot->guests[*(const size_t *)b];
	int by_name = strcmp(x->name, y->name);
	int order = 0;

	if (sorting->key == TOP_NAME)
		return sorting->reverse ? -by_name : by_name;
	if (sorting->key == TOP_STATE) {
		order = strcmp(x->state, y->state);
	} else {
		uint64_t v = top_key_value(sorting->key, x);
		uint64_t w = top_key_value(sorting->key, y);

		if ((v == HOST_UNKNOWN) != (w == HOST_UNKNOWN))
			return v == HOST_UNKNOWN ? 1 : -1;
		order = v == w ? 0 : v > w ? -1 : 1;
	}
	if (order == 0)
		return by_name;
	return sorting->reverse ? -order : order;
}

void top_sort(const struct top_snapshot *snapshot, enum top_key key, bool reverse, size_t *order)
{
	struct sorting sorting = { .snapshot = snapshot, .key = key, .reverse = reverse };

	for (size_t i = 0; i < snapshot->n; i++)
		order[i] = i;
	if (snapshot->n > 0)
		qsort_r(order, snapshot->n, sizeof(*order), compare, &sorting);
}
