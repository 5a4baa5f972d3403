/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of promises: see promise.h. What is refused is explained in refuse.c. */
#include "ledger/promise.h"

#include "base/sums.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* Sums are shown in MiB, so what isn't a guest's own figure is made whole. */
static uint64_t whole_up(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB * MIB;
}

static uint64_t whole_down(uint64_t bytes)
{
	return bytes / MIB * MIB;
}

uint64_t promise_ram(const struct promise_capital *capital)
{
	uint64_t ram = least(capital->limit, rest(capital->ram, capital->others));

	return whole_down(capital->bound.there ? least(ram, capital->bound.ram) : ram);
}

uint64_t promise_swap(const struct promise_capital *capital)
{
	uint64_t swap = rest(capital->swap, capital->swap_other);

	return whole_down(capital->bound.there ? least(swap, capital->bound.swap) : swap);
}

uint64_t promise_protection(const struct promise_capital *capital)
{
	return capital->bound.there ? capital->bound.protection : UINT64_MAX;
}

uint64_t promise_protect(const struct promise_capital *capital, const struct promise_sum *sum,
			 const struct promise *promise)
{
	if (promise->best_effort)
		return 0;
	if (promise->guarantee > 0)
		return promise->guarantee + promise->overhead;
	/* More than there is would take from those that have a guarantee. */
	return least(promise->overhead, rest(promise_protection(capital), sum->protection));
}

uint64_t promise_slack(uint64_t ram)
{
	return whole_up(16 * MIB + ram / 64);
}

uint64_t promise_reserve(uint64_t ram)
{
	uint64_t reserve = 256 * MIB + least(ram, 64 * GIB) / 32 + rest(ram, 64 * GIB) / 128;

	return whole_up(least(reserve, ram / 4));
}

uint64_t promise_overhead(unsigned cpus, uint64_t memory, bool merge)
{
	/* Page tables, the host's and KVM's: 8 bytes a page each. */
	uint64_t overhead = 2 * MIB + cpus * 256 * KIB + memory / 256;

	/* KSM keeps a description of each page that it has looked at, of 64 bytes. */
	return whole_up(overhead + (merge ? memory / 64 : 0));
}

void promise_add(struct promise_sum *sum, const struct promise *promise)
{
	if (promise->best_effort) {
		sum->n_best_effort++;
		return;
	}
	sum->n++;
	sum->guaranteed += promise->guarantee + promise->overhead;
	sum->worst += promise->memory + promise->overhead;
	sum->beyond += promise->memory - promise->limit;
	if (promise->guarantee > 0)
		sum->protection += promise->guarantee + promise->overhead;
}

struct promise_lack promise_lack(const struct promise_capital *capital,
				 const struct promise_sum *sum)
{
	uint64_t ram = promise_ram(capital);
	uint64_t swap = promise_swap(capital);

	/* Without guests there's nothing to make room for. */
	if (sum->n == 0)
		return (struct promise_lack){ 0 };
	return (struct promise_lack){
		.ram = rest(sum->guaranteed + promise_slack(ram), ram),
		.total = rest(sum->worst, ram + swap),
		.swap = rest(sum->beyond, swap),
		.protection = rest(sum->protection, promise_protection(capital)),
	};
}

/* How often need goes into what is left of have. */
static size_t times(uint64_t have, uint64_t used, uint64_t need)
{
	return need == 0 ? SIZE_MAX : (size_t)(rest(have, used) / need);
}

size_t promise_fits(const struct promise_capital *capital, const struct promise_sum *sum,
		    const struct promise *promise)
{
	uint64_t ram = promise_ram(capital);
	uint64_t swap = promise_swap(capital);

	if (promise->best_effort)
		return SIZE_MAX;

	size_t fit = times(ram, sum->guaranteed + promise_slack(ram),
			   promise->guarantee + promise->overhead);

	fit = least(fit, times(ram + swap, sum->worst, promise->memory + promise->overhead));
	if (promise->guarantee > 0)
		fit = least(fit, times(promise_protection(capital), sum->protection,
				       promise->guarantee + promise->overhead));
	/* What is lacking now lacks for each further guest too. */
	if (sum->beyond > swap && promise->memory > promise->limit)
		return 0;
	return least(fit, times(swap, sum->beyond, promise->memory - promise->limit));
}
