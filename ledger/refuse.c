/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a promise can be kept, and the sum that shows why not: see promise.h. */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "ledger/ledger.h"
#include "ledger/promise.h"

#define MIB (UINT64_C(1) << 20)

enum { TEXT_MAX = 160 };

/* What is asked, beside what was promised before. */
struct question {
	const struct promise_capital *capital;
	const struct promise_sum *sum;
	const struct promise *promise;
};

/* Sizes in a sum, so that it can be checked with a pencil. */
static uint64_t mib(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

/* "3712M of RAM (4096M less 384M kept for the host)" */
static void describe_ram(const struct promise_capital *capital, char text[TEXT_MAX])
{
	uint64_t ram = promise_ram(capital);
	bool bound = capital->bound.there && ram + MIB > capital->bound.ram;
	bool limited = ram + MIB > capital->limit;

	snprintf(text, TEXT_MAX, "%" PRIu64 "M of RAM (%" PRIu64 "M less %" PRIu64 "M %s)",
		 mib(ram), mib(capital->ram), mib(capital->ram) - mib(ram),
		 bound	   ? "by the limits of groups above and what others use of them"
		 : limited ? "kept for the host"
			   : "that others use");
}

/* "1447M of swap (2047M less 600M that others use)" */
static void describe_swap(const struct promise_capital *capital, char text[TEXT_MAX])
{
	uint64_t swap = promise_swap(capital);

	if (capital->swap == 0)
		snprintf(text, TEXT_MAX, "no swap on a disk");
	else if (capital->bound.there && swap + MIB > capital->bound.swap)
		snprintf(text, TEXT_MAX,
			 "%" PRIu64 "M of swap (%" PRIu64 "M less %" PRIu64
			 "M by limits of groups)",
			 swap / MIB, capital->swap / MIB, (capital->swap - swap) / MIB);
	else if (capital->swap_other < MIB)
		snprintf(text, TEXT_MAX, "%" PRIu64 "M of swap", swap / MIB);
	else
		snprintf(text, TEXT_MAX,
			 "%" PRIu64 "M of swap (%" PRIu64 "M less %" PRIu64 "M that others use)",
			 swap / MIB, capital->swap / MIB, (capital->swap - swap) / MIB);
}

/* "1230M for 3 guests + ", or nothing if there are none. */
static void describe_guests(size_t n, uint64_t bytes, char text[TEXT_MAX])
{
	text[0] = '\0';
	if (n > 0)
		snprintf(text, TEXT_MAX, "%" PRIu64 "M for %zu guest%s + ", mib(bytes), n,
			 n == 1 ? "" : "s");
}

/* ", or a guarantee of 200M" if the guest could have less of something, and still some of it. */
static void describe_less(const char *what, uint64_t asked, uint64_t lack, char text[TEXT_MAX])
{
	text[0] = '\0';
	if (asked / MIB > mib(lack))
		snprintf(text, TEXT_MAX, ", or %s of %" PRIu64 "M", what, asked / MIB - mib(lack));
}

static int refuse_guarantee(const struct question *q, uint64_t lack, struct err **err)
{
	uint64_t slack = promise_slack(promise_ram(q->capital));
	char guests[TEXT_MAX];
	char have[TEXT_MAX];
	char less[TEXT_MAX];

	describe_guests(q->sum->n, q->sum->guaranteed, guests);
	describe_ram(q->capital, have);
	describe_less("a guarantee", q->promise->guarantee, lack, less);
	return err_set(
	    err, ERR_REFUSED, 0,
	    "its guarantee can't be promised: %s%" PRIu64 "M guarantee + %" PRIu64
	    "M overhead + %" PRIu64 "M to swap through = %" PRIu64 "M, of %s; %" PRIu64
	    "M more RAM would do%s",
	    guests, mib(q->promise->guarantee), mib(q->promise->overhead), mib(slack),
	    mib(q->sum->guaranteed + q->promise->guarantee + q->promise->overhead + slack), have,
	    mib(lack), less);
}

static int refuse_memory(const struct question *q, uint64_t lack, struct err **err)
{
	char guests[TEXT_MAX];
	char ram[TEXT_MAX];
	char swap[TEXT_MAX];
	char less[TEXT_MAX];

	describe_guests(q->sum->n, q->sum->worst, guests);
	describe_ram(q->capital, ram);
	describe_swap(q->capital, swap);
	describe_less("a memory", q->promise->memory, lack, less);
	return err_set(err, ERR_REFUSED, 0,
		       "its memory can't be promised: %s%" PRIu64 "M memory + %" PRIu64
		       "M overhead = %" PRIu64 "M, of %s and %s; %" PRIu64
		       "M more swap or RAM would do%s",
		       guests, mib(q->promise->memory), mib(q->promise->overhead),
		       mib(q->sum->worst + q->promise->memory + q->promise->overhead), ram, swap,
		       mib(lack), less);
}

static int refuse_limit(const struct question *q, uint64_t lack, struct err **err)
{
	uint64_t beyond = q->promise->memory - q->promise->limit;
	char guests[TEXT_MAX];
	char swap[TEXT_MAX];

	describe_guests(q->sum->n, q->sum->beyond, guests);
	describe_swap(q->capital, swap);
	return err_set(err, ERR_REFUSED, 0,
		       "its memory beyond its limit can't be promised: %s%" PRIu64 "M = %" PRIu64
		       "M, of %s; %" PRIu64 "M more swap would do, or a limit of %" PRIu64 "M",
		       guests, mib(beyond), mib(q->sum->beyond + beyond), swap, mib(lack),
		       mib(q->promise->limit + lack));
}

int promise_check(const struct promise_capital *capital, const struct promise_sum *sum,
		  const struct promise *promise, const struct promise *instead_of, struct err **err)
{
	const struct question question = { capital, sum, promise };
	struct promise_sum before = { 0 };
	struct promise_sum alone = { 0 };
	struct promise_sum with = *sum;

	if (promise->best_effort)
		return 0;
	if (instead_of)
		promise_add(&before, instead_of);
	promise_add(&alone, promise);
	promise_add(&with, promise);

	struct promise_lack lack = promise_lack(capital, &with);

	if (lack.ram > 0 && alone.guaranteed > before.guaranteed)
		return refuse_guarantee(&question, lack.ram, err);
	if (lack.total > 0 && alone.worst > before.worst)
		return refuse_memory(&question, lack.total, err);
	if (lack.swap > 0 && alone.beyond > before.beyond)
		return refuse_limit(&question, lack.swap, err);
	return 0;
}

int promise_check_protection(const struct promise_capital *capital, const struct promise_sum *sum,
			     const struct promise *promise, const struct promise *instead_of,
			     const char *remedy, struct err **err)
{
	struct promise_sum before = { 0 };
	struct promise_sum alone = { 0 };
	struct promise_sum with = *sum;
	char guests[TEXT_MAX];

	if (promise->best_effort)
		return 0;
	if (instead_of)
		promise_add(&before, instead_of);
	promise_add(&alone, promise);
	promise_add(&with, promise);
	if (promise_lack(capital, &with).protection == 0 || alone.protection <= before.protection)
		return 0;
	describe_guests(sum->n, sum->protection, guests);
	return err_set(err, ERR_REFUSED, 0,
		       "its guarantee can't be promised: %s%" PRIu64 "M guarantee + %" PRIu64
		       "M overhead = %" PRIu64 "M, of %" PRIu64
		       "M that the groups above " LEDGER_SLICE " protect (memory.min); %s",
		       guests, mib(promise->guarantee), mib(promise->overhead),
		       mib(with.protection), promise_protection(capital) / MIB, remedy);
}
