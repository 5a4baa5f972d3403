/* SPDX-License-Identifier: Apache-2.0 */
/* Why a guest has the memory that it has, for people: see explain_text.h. */
#include "cmd/explain_text.h"

#include <inttypes.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "base/sums.h"
#include "cmd/uptime.h"
#include "host/fields.h"

enum {
	LABEL = 12,	/* a row's first column */
	AMOUNT = 8,	/* of a sum */
	TRIFLE = 65536, /* what isn't worth a line of a sum, bytes */
};

static void label(FILE *out, const char *word)
{
	fprintf(out, "  %-*s", LABEL, word);
}

/* What others say may have control characters in it. */
static void put_text(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++)
		putc((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p, out);
}

static const char *size_or(uint64_t bytes, const char *word, char buf[SIZE_TEXT_MAX])
{
	return bytes == UINT64_MAX ? word : size_format(bytes, buf);
}

static uint64_t age(const struct explain *e, uint64_t time_ms)
{
	return rest(e->now_ms, time_ms);
}

static void print_memory(const struct explain *e, FILE *out)
{
	const struct memory_parts *p = e->memory;
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];
	char c[SIZE_TEXT_MAX];

	fputs(e->name, out);
	if (!p) {
		fputs(": where its memory is can't be read: ", out);
		put_text(out, e->memory_reason);
		putc('\n', out);
		return;
	}
	fprintf(out, " has %s in RAM and %s in swap, of %s", size_format(p->resident, a),
		p->swapped > 0 ? size_format(p->swapped, b) : "none", size_format(p->guest, c));
	if (p->ballooned > 0)
		fprintf(out, "; %s are in its balloon", size_format(p->ballooned, a));
	putc('\n', out);
}

static void print_promise(const struct explain *e, FILE *out)
{
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];
	char c[SIZE_TEXT_MAX];

	label(out, "promised");
	if (!e->promise) {
		fputs("nothing: ", out);
		put_text(out, e->promise_reason);
		putc('\n', out);
		return;
	}

	const struct promise *p = &e->promise->promise;

	if (p->best_effort)
		fputs("nothing (best effort): it has what nobody else wants", out);
	else if (p->memory == 0)
		fputs("all of it: huge pages are set aside", out);
	else
		fprintf(out,
			"%s always in RAM (guarantee), at most %s (limit), %s beside (overhead)",
			p->guarantee > 0 ? size_format(p->guarantee, a) : "none of it",
			size_format(p->limit, b), size_format(p->overhead, c));
	if (e->promise->shares.weight > 0)
		fprintf(out, "; weight %u", e->promise->shares.weight);
	putc('\n', out);
}

/* The governor */

/* "was short of memory (hard)" */
static const char *state_of_host(enum policy_state state)
{
	static const char *const words[] = {
		[POLICY_HIGH] = "had memory enough (high)",
		[POLICY_SOFT] = "was getting short of memory (soft)",
		[POLICY_HARD] = "was short of memory (hard)",
		[POLICY_LOW] = "had hardly any memory left (low)",
	};

	return words[state];
}

static void print_governor(const struct explain *e, FILE *out)
{
	const struct govern_record *r = e->record;
	char text[UPTIME_TEXT_MAX];
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];

	label(out, "governor");
	if (!e->governed)
		fputs("none runs (lodged): beyond guarantees only the kernel itself moves memory",
		      out);
	else if (e->record_reason)
		fputs("lodged runs, but what it wrote down can't be read: ", out);
	else if (!r)
		fputs("lodged runs, and has decided nothing about memory yet", out);
	else if (!e->guest)
		fputs("lodged runs, and hasn't seen this guest yet", out);
	else
		fprintf(out, "lodged looked %s ago: the host %s, %s free of the %s wanted",
			uptime_format(age(e, r->time_ms), text), state_of_host(r->state),
			size_or(r->margin, "?", a), size_or(r->wanted, "?", b));
	if (e->governed && e->record_reason)
		put_text(out, e->record_reason);
	putc('\n', out);
}

/* "    +42M  for its weight" */
static void amount(FILE *out, int64_t bytes, const char *sign)
{
	char size[SIZE_TEXT_MAX];
	char text[SIZE_TEXT_MAX + 1];

	snprintf(text, sizeof(text), "%s%s", bytes < 0 ? "-" : sign,
		 size_format((uint64_t)(bytes < 0 ? -bytes : bytes), size));
	label(out, "");
	fprintf(out, "%*s  ", AMOUNT, text);
}

static bool is_trifle(int64_t bytes)
{
	return bytes > -TRIFLE && bytes < TRIFLE;
}

static void print_sum(const struct explain *e, const struct explain_share *s, FILE *out)
{
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];
	char c[SIZE_TEXT_MAX];
	char d[SIZE_TEXT_MAX];

	amount(out, (int64_t)s->kept, "");
	fputs("that it keeps in any case (guarantee and overhead)\n", out);
	amount(out, (int64_t)s->by_weight, "+");
	fprintf(out, "for its weight: %u of %" PRIu64 ", of the %s that are divided\n",
		e->guest->seen.weight, s->weights, size_format(s->divided, a));
	if (!is_trifle(s->others)) {
		amount(out, s->others, "+");
		fputs(s->others < 0 ? "that it has no use for now\n"
				    : "that others don't use now\n",
		      out);
	}
	if (!is_trifle(s->tax)) {
		amount(out, s->tax, "+");
		fprintf(out,
			s->tax < 0 ? "for what of it is idle: the tax on that is %u%%\n"
				   : "of what others have idle: the tax on that is %u%%\n",
			e->record->settings.tax_percent);
	}
	label(out, "");
	fprintf(out,
		"(%s are divided: %s for guests, less %s to stay free, less %s that guests keep)\n",
		size_format(s->divided, a), size_or(e->record->host.capacity, "?", b),
		size_or(s->margin, "?", c), size_format(s->kept_all, d));
}

/* What follows from what it has and what its part is. */
static void print_balance(const struct govern_record_guest *guest, FILE *out)
{
	uint64_t has = guest->seen.resident;
	uint64_t little = guest->target / POLICY_HYSTERESIS;
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];

	label(out, "it has");
	if (has > guest->target + little)
		fprintf(out, "%s, %s more than that: when the host is short, it's taken from\n",
			size_format(has, a), size_format(has - guest->target, b));
	else if (has + little < guest->target)
		fprintf(out, "%s, %s less than that: it may take more, at others' cost\n",
			size_format(has, a), size_format(guest->target - has, b));
	else
		fprintf(out, "%s, which is about that\n", size_format(has, a));
	if (!guest->hurts)
		return;
	label(out, "");
	fputs("it hurts: it waits for memory, or needs again what was taken; so less is taken\n",
	      out);
}

static void print_part(const struct explain *e, FILE *out)
{
	struct explain_share share;
	char size[SIZE_TEXT_MAX];

	label(out, "its part");
	if (e->guest->seen.best_effort) {
		fputs("none: it's of best effort\n", out);
		return;
	}
	fprintf(out, "%s of the host's RAM, its VM process included:\n",
		size_format(e->guest->target, size));
	explain_divide(e->record, e->guest, &share);
	print_sum(e, &share, out);
	print_balance(e->guest, out);
}

static void print_use(const struct govern_record_guest *guest, FILE *out)
{
	static const char *const says[] = {
		[GOVERN_SOURCE_NONE] = "by what the kernel says",
		[GOVERN_SOURCE_DAMON] = "as the kernel saw it (DAMON)",
		[GOVERN_SOURCE_GUEST] = "as the guest says (its statistics)",
	};
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];

	label(out, "it uses");
	if (guest->seen.active == POLICY_UNKNOWN)
		fputs(
		    "nobody knows yet (neither DAMON nor its statistics), so all counts as used\n",
		    out);
	else
		fprintf(out, "%s of its %s lately, %s\n", size_format(guest->seen.active, a),
			size_format(guest->seen.resident, b), says[guest->source]);
}

/* "12M taken by reclaim: it had more than its part" */
static void put_decision(FILE *out, const struct govern_decision *d)
{
	static const struct {
		const char *before; /* the size */
		const char *after;
	} words[POLICY_REASONS] = {
		[POLICY_STAYS] = { "", " stay with it" },
		[POLICY_TAKES_BALLOON] = { "",
					   " taken by its balloon, as its kernel can spare them" },
		[POLICY_TAKES_RECLAIM] = { "", " taken by reclaim, as it had more than its part" },
		[POLICY_TAKES_THROTTLE] = { "throttled, as it had ", " more than its part" },
		[POLICY_GIVES_BALLOON] = { "", " given back from its balloon" },
	};
	char size[SIZE_TEXT_MAX];

	if (d->reason == POLICY_GIVES_THROTTLE)
		fputs("throttled no more", out);
	else
		fprintf(out, "%s%s%s", words[d->reason].before, size_format(d->bytes, size),
			words[d->reason].after);
}

static bool takes(enum policy_reason reason)
{
	return reason == POLICY_TAKES_BALLOON || reason == POLICY_TAKES_RECLAIM ||
	       reason == POLICY_TAKES_THROTTLE;
}

static void print_last(const struct explain *e, FILE *out)
{
	const struct govern_decision *d = e->last;
	char text[UPTIME_TEXT_MAX];

	label(out, "last");
	if (!d) {
		fputs("nothing was taken from it or given back to it\n", out);
		return;
	}
	fprintf(out, "%s ago: ", uptime_format(age(e, d->time_ms), text));
	put_decision(out, d);
	if (takes(d->reason))
		fprintf(out, ", for %s", d->whom[0] ? d->whom : "the host's margin");
	fprintf(out, "; the host %s\n", state_of_host(d->state));
}

/* The kernel */

static void print_psi(const struct explain_kernel *k, FILE *out)
{
	label(out, "it waits");
	if (!k->has_psi)
		fputs("nobody knows how long: the kernel counts no pressure (psi=1 makes it)\n",
		      out);
	else
		fprintf(out, "for memory %u.%02u%% of the last 10 s, all of it at once %u.%02u%%\n",
			k->psi.some_avg10 / 100, k->psi.some_avg10 % 100, k->psi.full_avg10 / 100,
			k->psi.full_avg10 % 100);
}

static void put_pages(FILE *out, uint64_t pages)
{
	if (pages == HOST_UNKNOWN)
		fputs("?", out);
	else
		fprintf(out, "%" PRIu64, pages);
}

static void print_refaults(const struct explain_kernel *k, FILE *out)
{
	label(out, "came back");
	put_pages(out, k->refault_anon);
	fputs(" pages from swap and ", out);
	put_pages(out, k->refault_file);
	fputs(" of files, since it started\n", out);
}

/* A bound that isn't there bounds nothing, so what it's for isn't said. */
static void put_bound(FILE *out, const char *name, uint64_t bytes, uint64_t none,
		      const char *meaning)
{
	char size[SIZE_TEXT_MAX];

	if (bytes == none)
		fprintf(out, "%s none", name);
	else
		fprintf(out, "%s %s (%s)", name, size_or(bytes, "all", size), meaning);
}

static void print_bounds(const struct host_cgroup_bounds *b, FILE *out)
{
	label(out, "kernel");
	put_bound(out, "memory.min", b->min, 0, "never taken");
	put_bound(out, ", low", b->low, 0, "taken last");
	put_bound(out, ", high", b->high, UINT64_MAX, "throttled beyond");
	put_bound(out, ", max", b->max, UINT64_MAX, "never more");
	putc('\n', out);
}

static void print_events(const struct host_cgroup_events *events, FILE *out)
{
	const struct {
		uint64_t n;
		const char *what;
	} rows[] = {
		{ events->low, "taken from below low" }, { events->high, "throttled at high" },
		{ events->max, "held back at max" },	 { events->oom, "out of memory" },
		{ events->oom_kill, "killed for that" },
	};
	bool any = false;

	label(out, "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].n == 0 || rows[i].n == HOST_UNKNOWN)
			continue;
		fprintf(out, "%s%s %" PRIu64 "x", any ? ", " : "", rows[i].what, rows[i].n);
		any = true;
	}
	fprintf(out, "%s\n", any ? " since it started" : "it never came to any of them");
}

static void print_kernel(const struct explain *e, FILE *out)
{
	const struct explain_kernel *k = e->kernel;

	if (!k) {
		label(out, "kernel");
		fputs("counts nothing for it alone: ", out);
		put_text(out, e->kernel_reason);
		putc('\n', out);
		return;
	}
	print_psi(k, out);
	print_refaults(k, out);
	print_bounds(&k->bounds, out);
	print_events(&k->events, out);
}

void explain_print(const struct explain *e, FILE *out)
{
	print_memory(e, out);
	print_promise(e, out);
	print_governor(e, out);
	/* Parts are of a governor that runs; what one did that is gone is still so. */
	if (e->governed && e->guest) {
		print_part(e, out);
		print_use(e->guest, out);
	}
	if (e->last || (e->governed && e->guest))
		print_last(e, out);
	print_kernel(e, out);
}
