/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a scenario, for people: see account.h. */
#include "simulate/account.h"

#include <inttypes.h>

#include "base/size.h"
#include "simulate/run.h"

enum {
	BROKEN_SHOWN = 8, /* broken promises that are told one by one */
	PERCENT_MAX = 8,
};

char *account_time(uint64_t ms, char buf[ACCOUNT_TIME_MAX])
{
	uint64_t s = ms / 1000;
	uint64_t days = s / 86400;
	int n = 0;

	if (days > 0)
		n = snprintf(buf, ACCOUNT_TIME_MAX, "%" PRIu64 " d ", days);
	snprintf(buf + n, ACCOUNT_TIME_MAX - (size_t)n, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
		 s / 3600 % 24, s / 60 % 60, s % 60);
	return buf;
}

const char *account_policy(const struct run_result *result)
{
	return result->options.policy == RUN_LODGE ? "lodge" : "mom";
}

const char *account_because(enum scenario_what what)
{
	return what == SCENARIO_SWAP ? "swap was lost" : "others took RAM";
}

/* A part of MODEL_FULL, "12.3%". */
static char *percent(uint64_t part, char buf[PERCENT_MAX])
{
	uint64_t permille = (part + MODEL_FULL / 2000) / (MODEL_FULL / 1000);

	snprintf(buf, PERCENT_MAX, "%u.%u%%", (unsigned)(permille / 10 % 1000),
		 (unsigned)(permille % 10));
	return buf;
}

static void print_head(const struct scenario *s, const struct run_result *result, FILE *out)
{
	char ram[SIZE_TEXT_MAX];
	char limit[SIZE_TEXT_MAX];
	char swap[SIZE_TEXT_MAX];
	char bandwidth[SIZE_TEXT_MAX];
	char time[ACCOUNT_TIME_MAX];

	fprintf(out, "%s: %zu guests for %s, policy %s", s->name, result->model->n,
		account_time(s->duration_ms, time), account_policy(result));
	if (result->options.policy == RUN_LODGE)
		fprintf(out, ", idle memory taxed by %u %%", result->options.tax_percent);
	fprintf(out, "\nhost: %s of RAM, %s of it for guests; %s of swap at %s/s\n\n",
		size_format(s->host.memory, ram),
		size_format(s->host.memory - s->host.reserve, limit),
		size_format(s->host.swap, swap), size_format(s->host.swap_bandwidth, bandwidth));
}

static void print_size(figures_sum sum, uint64_t ms, FILE *out)
{
	char text[SIZE_TEXT_MAX];

	fprintf(out, " %9s", size_format(figures_average(sum, ms), text));
}

static void print_group(const struct scenario_group *group, const struct figures_group *f,
			bool has_target, FILE *out)
{
	uint64_t ms = f->mean.guest_ms;
	uint64_t waited = figures_average(f->mean.waited, ms);
	char text[PERCENT_MAX];

	fprintf(out, "%-16s %6" PRIu64, group->name, f->started);
	print_size(f->mean.resident, ms, out);
	print_size(f->least_resident, 1, out);
	print_size(f->most_resident, 1, out);
	if (has_target)
		print_size(f->mean.target, ms, out);
	else
		fprintf(out, " %9s", "-");
	print_size(f->mean.swapped, ms, out);
	print_size(f->mean.ballooned, ms, out);
	fprintf(out, " %7s", percent(MODEL_FULL - waited, text));
	fprintf(out, " %7s", percent(waited, text));
	fprintf(out, " %7s\n", percent(f->most_waited, text));
}

static void print_groups(const struct scenario *s, const struct run_result *result, FILE *out)
{
	fprintf(out, "%-16s %6s %9s %9s %9s %9s %9s %9s %7s %7s %7s\n", "GROUP", "GUESTS", "IN RAM",
		"LEAST", "MOST", "TARGET", "SWAPPED", "BALLOON", "WORKED", "WAITED", "MOST");
	for (size_t i = 0; i < s->n_groups; i++)
		print_group(&s->groups[i], &result->figures->groups[i],
			    result->options.policy == RUN_LODGE, out);
	fputc('\n', out);
}

static void print_woken(const struct scenario *s, const struct run_result *result, FILE *out)
{
	for (size_t i = 0; i < s->n_groups; i++) {
		const struct figures_woken *w = &result->figures->groups[i].woken;

		if (w->times + w->unfinished == 0)
			continue;
		fprintf(out,
			"woken: %s %" PRIu64 " times; had its working set in RAM after "
			"%" PRIu64 ".%" PRIu64 " s, %" PRIu64 ".%" PRIu64 " s at most",
			s->groups[i].name, w->times + w->unfinished,
			figures_average(w->sum_ms, w->times) / 1000,
			figures_average(w->sum_ms, w->times) / 100 % 10, w->most_ms / 1000,
			w->most_ms / 100 % 10);
		if (w->unfinished > 0)
			fprintf(out, "; %" PRIu64 " times never", w->unfinished);
		fputc('\n', out);
	}
}

static void print_states(const struct figures *f, uint64_t duration_ms, FILE *out)
{
	char text[PERCENT_MAX];

	fputs("states:", out);
	for (int i = 0; i < FIGURES_STATES; i++)
		fprintf(out, "%s %s %s", i ? "," : "", policy_state_name((enum policy_state)i),
			percent(model_part(MODEL_FULL, f->state_ms[i], duration_ms), text));
	fputc('\n', out);
}

static void print_host(const struct scenario *s, const struct run_result *result, FILE *out)
{
	const struct figures *f = result->figures;
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];
	char time[ACCOUNT_TIME_MAX];

	fprintf(out, "margin: at least %s (at %s), wanted %s\n", size_format(f->least_margin, a),
		account_time(f->least_margin_ms, time),
		size_format(policy_wanted_margin(s->host.memory - s->host.reserve), b));
	if (result->options.policy == RUN_LODGE)
		print_states(f, s->duration_ms, out);
	fprintf(out, "swap: %s read, %s written\n", size_format(f->read, a),
		size_format(f->written, b));
	fprintf(
	    out,
	    "turns: %" PRIu64 "; acts: %" PRIu64 " memory.low, %" PRIu64 " memory.high, %" PRIu64
	    " memory.reclaim, balloons %" PRIu64 " up, %" PRIu64 " down\n",
	    f->turns, f->acts.low, f->acts.high, f->acts.reclaim, f->acts.inflate, f->acts.deflate);
}

static void print_refused(const struct scenario *s, const struct run_result *result, FILE *out)
{
	for (size_t i = 0; i < s->n_groups; i++)
		if (result->figures->groups[i].refused > 0)
			fprintf(out, "refused: %" PRIu64 " guests of %s\n",
				result->figures->groups[i].refused, s->groups[i].name);
	if (result->kept->refused[0])
		fprintf(out, "refused: the first, as %s\n", result->kept->refused);
}

static void print_dangers(const struct kept *kept, FILE *out)
{
	char text[SIZE_TEXT_MAX];
	char time[ACCOUNT_TIME_MAX];

	for (size_t i = 0; i < kept->n_dangers; i++) {
		const struct kept_danger *d = &kept->dangers[i];

		fprintf(out, "in danger since %s", account_time(d->since_ms, time));
		if (d->until_ms != UINT64_MAX)
			fprintf(out, " until %s", account_time(d->until_ms, time));
		fprintf(out, ", because %s:", account_because(d->because));
		if (d->worst.ram > 0)
			fprintf(out, " %s of RAM for guarantees", size_format(d->worst.ram, text));
		if (d->worst.total > 0)
			fprintf(out, " %s of RAM or swap", size_format(d->worst.total, text));
		if (d->worst.swap > 0)
			fprintf(out, " %s of swap for limits", size_format(d->worst.swap, text));
		fputs(" missing\n", out);
	}
}

static void print_broken_guest(const struct model_guest *g, const struct kept_guest *k,
			       enum kept_when when, FILE *out)
{
	const struct kept_below *below = &k->below[when];
	char a[SIZE_TEXT_MAX];
	char time[ACCOUNT_TIME_MAX];

	if (below->times > 0)
		fprintf(out,
			"  %s-%zu: up to %s of its guarantee were in swap, %" PRIu64
			" times, %" PRIu64 " s together, first at %s\n",
			g->group->name, g->number, size_format(below->worst, a), below->times,
			below->ms / 1000, account_time(below->first_ms, time));
	if (k->ended && k->ended_when == when)
		fprintf(out, "  %s-%zu: ended at %s, as the host was out of memory for %s\n",
			g->group->name, g->number, account_time(k->ended_ms, time),
			size_format(k->lacking, a));
	if (k->beyond && when == KEPT_SAFE)
		fprintf(out, "  %s-%zu: let in beyond what the host can promise\n", g->group->name,
			g->number);
}

static bool is_broken(const struct kept_guest *k, enum kept_when when)
{
	return k->below[when].times > 0 || (k->ended && k->ended_when == when) ||
	       (k->beyond && when == KEPT_SAFE);
}

static void print_kept(const struct run_result *result, enum kept_when when, FILE *out)
{
	struct kept_count count = kept_count(result->kept, result->model, when);
	size_t shown = 0;

	if (count.guarantees + count.out_of_memory + count.beyond == 0)
		return;
	fprintf(out,
		"%s: guarantees %" PRIu64 " times, out of memory %" PRIu64
		" guests, let in beyond the sums %" PRIu64 " guests\n",
		when == KEPT_SAFE ? "BROKEN" : "lost while in danger", count.guarantees,
		count.out_of_memory, count.beyond);
	for (size_t i = 0; i < result->kept->n && shown < BROKEN_SHOWN; i++) {
		if (!is_broken(&result->kept->guests[i], when))
			continue;
		print_broken_guest(&result->model->guests[i], &result->kept->guests[i], when, out);
		shown++;
	}
}

static void print_ended(const struct scenario *s, const struct run_result *result, FILE *out)
{
	for (size_t i = 0; i < s->n_groups; i++)
		if (s->groups[i].promise.best_effort && result->figures->groups[i].ended > 0)
			fprintf(out, "ended: %" PRIu64 " guests of %s, of best effort\n",
				result->figures->groups[i].ended, s->groups[i].name);
}

void account_print(const struct scenario *s, const struct run_result *result, FILE *out)
{
	print_head(s, result, out);
	print_groups(s, result, out);
	print_host(s, result, out);
	print_woken(s, result, out);
	print_refused(s, result, out);
	print_ended(s, result, out);
	print_dangers(result->kept, out);
	print_kept(result, KEPT_IN_DANGER, out);
	print_kept(result, KEPT_SAFE, out);
	if (run_breaches(result) == 0)
		fputs("promises: every one was kept that the host could keep\n", out);
}
