/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order `churn`: memory that comes and goes at random.
 *
 * Each CPU has a thread, and each thread its share of the filled regions, by groups of blocks.
 * Until time is up it picks some blocks of one of its groups, checks them, gives them back to the
 * kernel, looks at times whether they really are zero then, and fills them in their next
 * generation. What was filled stays filled, so `verify` works afterwards as before.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>

#include "guest/chance.h"
#include "guest/guest.h"
#include "guest/regions.h"

/* Blocks of one thread that lie side by side. */
enum { GROUP = 16, THREADS_MAX = 64 };

struct churner {
	pthread_t thread;
	struct regions *regions;
	uint64_t seed;
	uint64_t end; /* of the monotonic clock, ns */
	unsigned index, of;
	uint64_t random;
	uint64_t pieces, bytes;
	const char *wrong; /* what was, or NULL */
	uint64_t wrong_at;
};

/* Some blocks of this thread's in a region of its choice. False if it has none in that region. */
static bool pick(struct churner *c, struct region **ret_region, size_t *ret_first, size_t *ret_n)
{
	struct region *region = &c->regions->all[chance_below(&c->random, c->regions->n)];
	size_t blocks = region_blocks(region);
	size_t groups = (blocks + GROUP - 1) / GROUP;

	if (!region->generations || groups <= c->index)
		return false;

	size_t mine = (groups - c->index + c->of - 1) / c->of;
	size_t start = (chance_below(&c->random, mine) * c->of + c->index) * GROUP;
	size_t end = start + GROUP < blocks ? start + GROUP : blocks;

	*ret_region = region;
	*ret_first = start + chance_below(&c->random, end - start);
	*ret_n = 1 + chance_below(&c->random, end - *ret_first);
	return true;
}

static void churn_once(struct churner *c)
{
	struct region *region;
	size_t first;
	size_t n;

	if (!pick(c, &region, &first, &n))
		return;
	if (!region_check(region, first, n, c->seed, &c->wrong_at)) {
		c->wrong = "wrong";
		return;
	}
	region_drop(region, first, n);
	if (chance_below(&c->random, 4) == 0 && !region_is_zero(region, first, n, &c->wrong_at)) {
		c->wrong = "not zero after it was given back";
		return;
	}
	region_renew(region, first, n, c->seed);
	c->pieces++;
	c->bytes += n * REGION_BLOCK;
}

static void *churn(void *opaque)
{
	struct churner *c = opaque;
	cpu_set_t cpus;

	/* On a CPU of its own as long as there is one; another will do. */
	CPU_ZERO(&cpus);
	CPU_SET(c->index, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (!c->wrong && clock_now() < c->end)
		churn_once(c);
	return NULL;
}

/* Starts the threads and waits for them. False if not all could be started. */
static bool churn_all(struct churner *churners, unsigned n)
{
	unsigned started = 0;

	while (started < n &&
	       pthread_create(&churners[started].thread, NULL, churn, &churners[started]) == 0)
		started++;
	for (unsigned i = 0; i < started; i++)
		pthread_join(churners[i].thread, NULL);
	return started == n;
}

void churn_order(const char *order, struct regions *regions, uint64_t seed, uint64_t ns,
		 unsigned threads)
{
	static struct churner churners[THREADS_MAX];
	uint64_t pieces = 0;
	uint64_t bytes = 0;

	if (threads == 0 || threads > THREADS_MAX) {
		failed(order, "from 1 to %d CPUs", THREADS_MAX);
		return;
	}
	for (unsigned i = 0; i < threads; i++) {
		churners[i] = (struct churner){
			.regions = regions,
			.seed = seed,
			.end = clock_now() + ns,
			.index = i,
			.of = threads,
			.random = chance_start(seed + i),
		};
	}
	if (!churn_all(churners, threads)) {
		failed(order, "no memory for %u threads", threads);
		return;
	}
	for (unsigned i = 0; i < threads; i++) {
		if (churners[i].wrong) {
			failed(order, "%s at offset %" PRIu64, churners[i].wrong,
			       churners[i].wrong_at);
			return;
		}
		pieces += churners[i].pieces;
		bytes += churners[i].bytes;
	}
	ok(order, "%" PRIu64 " bytes in %" PRIu64 " pieces", bytes, pieces);
}
