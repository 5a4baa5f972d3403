/* SPDX-License-Identifier: Apache-2.0 */
/* The governor's policy: see policy.h. */
#include "govern/policy.h"

#include "base/sums.h"
#include "govern/share.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum {
	HURT_PERMILLE = 20,  /* of its time waiting for memory */
	HURT_REFAULTS = 256, /* a 256th of what it has comes back from swap in a second */
	HEADROOM = 8,	     /* what a guest may want besides what it has: an 8th, and */
	BACKOFF_MAX = 8,     /* takings are halved so often before they end */
	BALLOON_PAGE = 4096,
};

#define HEADROOM_LEAST (4 * MIB)
#define STEP_LEAST     (4 * MIB)
#define RECLAIM_LEAST  (MIB / 16) /* the kernel takes by batches */

/* What a turn is decided with. */
struct turn {
	const struct policy_settings *settings;
	const struct policy_host *host;
	const struct policy_guest *guests;
	size_t n;
	struct policy_guest_memory *memories;
	struct policy_act *acts;
	struct policy_plan *plan;
	uint64_t elapsed_ms; /* since the turn before */
	size_t neediest;     /* of those who hurt, who has least of its target; POLICY_NOBODY */
	uint64_t lacking;    /* of its target */
	size_t hurt_givers;  /* who hurt, and have more of theirs */
};

const char *policy_state_name(enum policy_state state)
{
	static const char *const names[] = {
		[POLICY_HIGH] = "high",
		[POLICY_SOFT] = "soft",
		[POLICY_HARD] = "hard",
		[POLICY_LOW] = "low",
	};

	return names[state];
}

uint64_t policy_wanted_margin(uint64_t capacity)
{
	static const struct {
		uint64_t bytes;
		unsigned percent;
	} pieces[] = { { 4 * GIB, 6 }, { 8 * GIB, 4 }, { 16 * GIB, 2 }, { UINT64_MAX, 1 } };
	uint64_t wanted = 0;

	for (size_t i = 0; capacity > 0; i++) {
		uint64_t piece = least(capacity, pieces[i].bytes);

		wanted += piece / 100 * pieces[i].percent;
		capacity -= piece;
	}
	return wanted;
}

uint64_t policy_spare(const struct policy_guest *g, uint64_t memory, uint64_t available)
{
	uint64_t absent = rest(memory, g->resident + g->swapped + g->balloon);

	return absent > available / 8 ? 0 : least(available - absent, g->resident);
}

uint64_t policy_margin(const struct policy_host *host)
{
	return least(rest(host->capacity, host->used), host->available);
}

static enum policy_state state_of(uint64_t margin, uint64_t wanted)
{
	if (margin >= wanted)
		return POLICY_HIGH;
	if (margin >= wanted / 2)
		return POLICY_SOFT;
	return margin >= wanted / 5 ? POLICY_HARD : POLICY_LOW;
}

/* A worse state begins at its threshold and ends a quarter above it. */
static enum policy_state next_state(enum policy_state now, uint64_t margin, uint64_t wanted)
{
	enum policy_state worse = state_of(margin, wanted);
	enum policy_state better = state_of(margin - margin / 5, wanted);

	if (worse > now)
		return worse;
	return better < now ? better : now;
}

static uint64_t headroom(const struct policy_guest *g)
{
	return g->resident / HEADROOM + HEADROOM_LEAST;
}

static uint64_t hysteresis(uint64_t bytes)
{
	return bytes / POLICY_HYSTERESIS + MIB;
}

static bool hurts(const struct policy_guest *g, uint64_t elapsed_ms)
{
	/* Two turns that follow each other at once say nothing of a second. */
	uint64_t a_second = g->refaulted * 1000 /
			    (elapsed_ms > POLICY_FAST_MS ? elapsed_ms : POLICY_FAST_MS);

	if (g->pain_permille >= HURT_PERMILLE || a_second >= (g->resident + MIB) / HURT_REFAULTS)
		return true;
	/* Its own kernel has run short because of the balloon. */
	return g->balloon > 0 && g->spare != POLICY_UNKNOWN && g->spare < g->resident / 32;
}

/* Targets */

/* What a guest is to be given at most: what it has and a little, so that memory which it doesn't
 * take isn't kept from others; when it hurts, what it has swapped too. */
static uint64_t useful(const struct policy_guest *g, bool hurting)
{
	return least(g->ceiling, g->resident + headroom(g) + (hurting ? g->swapped : 0));
}

/* What it uses of all that it has. What is swapped is measured when it comes back; and who waits
 * for memory isn't idle, whatever was measured before it began to. */
static uint64_t in_use(const struct policy_guest *g, bool hurting)
{
	if (hurting)
		return g->resident + g->swapped;
	return least(g->active, g->resident) + least(g->swapped, g->refaulted);
}

static struct share_claim claim_of(const struct policy_guest *g, bool hurting)
{
	uint64_t ceiling = g->best_effort ? 0 : useful(g, hurting);

	return (struct share_claim){
		.floor = least(g->floor, ceiling),
		.ceiling = ceiling,
		.active = in_use(g, hurting),
		.weight = g->best_effort ? 0 : g->weight,
	};
}

/* What guests of best effort have can't be had but through their balloons, as long as they have it.
 */
static uint64_t held_by_best_effort(const struct turn *t)
{
	uint64_t held = 0;

	for (size_t i = 0; i < t->n; i++)
		held += t->guests[i].best_effort ? t->guests[i].resident : 0;
	return held;
}

/* What of the capacity isn't divided: all the wanted margin, or of guests that hurt only what keeps
 * the host from being low. They take the rest anyway, and it's to be by weight that they do. */
static uint64_t kept_free(const struct turn *t)
{
	uint64_t wanted = t->plan->wanted;
	uint64_t given = wanted - wanted / 5;
	double hurting = 0;
	double all = 1;

	for (size_t i = 0; i < t->n; i++) {
		all += (double)t->guests[i].resident;
		hurting += t->acts[i].hurts ? (double)t->guests[i].resident : 0;
	}
	return wanted - (uint64_t)((double)given * (hurting / all));
}

static void set_targets(struct turn *t, struct share_claim *work)
{
	uint64_t capacity = rest(t->host->capacity, kept_free(t) + held_by_best_effort(t));

	for (size_t i = 0; i < t->n; i++)
		work[i] = claim_of(&t->guests[i], t->acts[i].hurts);
	share_divide(work, t->n, capacity, 0);
	for (size_t i = 0; i < t->n; i++)
		t->acts[i].untaxed = work[i].target;
	share_divide(work, t->n, capacity, t->settings->tax_percent);
	for (size_t i = 0; i < t->n; i++)
		t->acts[i].target = work[i].target;
}

/* What the kernel is to spare of a guest's target while it can take from others: all that is in
 * use, and of what is idle as much as the tax leaves. The kernel sees which pages are idle better
 * than anybody. */
static uint64_t protected(const struct turn *t, size_t i)
{
	const struct policy_guest *g = &t->guests[i];
	uint64_t target = t->acts[i].target;
	uint64_t used = in_use(g, t->acts[i].hurts) + headroom(g);
	uint64_t busy = least(target, used > g->floor ? used : g->floor);
	double untaxed = 1 - (double)least(t->settings->tax_percent, SHARE_TAX_MAX) / 100;

	return busy + (uint64_t)((double)(target - busy) * untaxed);
}

static void protect(struct turn *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct policy_act *act = &t->acts[i];
		uint64_t now = t->guests[i].low;

		act->low = protected(t, i);
		act->write_low = (act->low > now ? act->low - now : now - act->low) >
				 hysteresis(act->low);
	}
}

/* Taking */

static uint64_t idle(const struct policy_guest *g)
{
	return g->active == POLICY_UNKNOWN ? 0 : rest(g->resident, g->active);
}

/* What a guest has beyond its target. A little too much is worth acting on only as far as it's
 * idle: what is in use would come back at once. */
static uint64_t excess(const struct turn *t, size_t i)
{
	uint64_t target = t->acts[i].target;
	uint64_t over = rest(t->guests[i].resident, target);

	return over > hysteresis(target) ? over : least(over, idle(&t->guests[i]));
}

/* How much of its target a guest has. */
static double fulfilled(const struct turn *t, size_t i)
{
	return (double)t->guests[i].resident / (double)(t->acts[i].target + 1);
}

static void find_neediest(struct turn *t)
{
	double least_of_all = 0;

	t->neediest = POLICY_NOBODY;
	for (size_t i = 0; i < t->n; i++) {
		if (!t->acts[i].hurts || t->acts[i].target == 0)
			continue;
		if (t->neediest != POLICY_NOBODY && fulfilled(t, i) >= least_of_all)
			continue;
		t->neediest = i;
		least_of_all = fulfilled(t, i);
	}
	if (t->neediest != POLICY_NOBODY)
		t->lacking = rest(t->acts[t->neediest].target, t->guests[t->neediest].resident);
}

/* Who waits for what this guest has and is more entitled to it, by more than trifles. */
static size_t whose(const struct turn *t, size_t i)
{
	if (t->neediest == POLICY_NOBODY || t->neediest == i)
		return POLICY_NOBODY;

	double enough = fulfilled(t, t->neediest) * (1 + 1.0 / POLICY_STEP);

	return fulfilled(t, i) > enough ? t->neediest : POLICY_NOBODY;
}

/* What was reclaimed is forgotten more slowly than what came back, so that another try is made some
 * time after nothing was taken. */
static bool takes_back(const struct policy_guest *g, struct policy_guest_memory *m)
{
	m->taken -= m->taken / 16;
	m->returned -= m->returned / 4;
	m->returned += g->refaulted;
	return m->taken >= MIB && m->returned > m->taken / 8;
}

/* Who hurts, or takes back what was taken, is spared more each turn, and then less again. */
static void back_off(struct turn *t)
{
	t->hurt_givers = 0;
	for (size_t i = 0; i < t->n; i++) {
		unsigned *backoff = &t->memories[i].backoff;
		bool in_vain = takes_back(&t->guests[i], &t->memories[i]);

		if (in_vain || (t->acts[i].hurts && excess(t, i) > 0))
			*backoff += *backoff < BACKOFF_MAX;
		else if (!t->acts[i].hurts)
			*backoff -= *backoff > 0;
		t->hurt_givers += t->acts[i].hurts && whose(t, i) != POLICY_NOBODY;
	}
}

static uint64_t most_in_a_turn(const struct turn *t, size_t i)
{
	uint64_t step = t->guests[i].resident / POLICY_STEP;
	unsigned backoff = t->memories[i].backoff;

	if (step < STEP_LEAST)
		step = STEP_LEAST;

	uint64_t most = backoff < BACKOFF_MAX ? step >> backoff : 0;

	/* Its part of what the other lacks. */
	if (t->acts[i].hurts && whose(t, i) != POLICY_NOBODY && most < t->lacking / t->hurt_givers)
		most = least(step, t->lacking / t->hurt_givers);
	return most;
}

static bool balloon_rests(const struct turn *t, size_t i)
{
	uint64_t since = t->memories[i].gave_back_ms;

	return since > 0 && rest(t->host->now_ms, since) < POLICY_REST_MS;
}

static uint64_t can_balloon(const struct turn *t, size_t i)
{
	const struct policy_guest *g = &t->guests[i];

	if (!g->has_balloon || g->spare == POLICY_UNKNOWN || t->acts[i].hurts ||
	    balloon_rests(t, i))
		return 0;

	/* It's to stay well above what hurts. */
	uint64_t spare = rest(g->spare, g->resident / 8) / 2;

	return least(least(excess(t, i), spare), most_in_a_turn(t, i));
}

/* One of best effort has no swap to go to. */
static uint64_t can_reclaim(const struct turn *t, size_t i)
{
	if (t->guests[i].best_effort || t->acts[i].bytes > 0)
		return 0;
	return least(excess(t, i), most_in_a_turn(t, i));
}

static void take_balloon(struct turn *t, size_t i, uint64_t bytes)
{
	struct policy_act *act = &t->acts[i];

	bytes = bytes / BALLOON_PAGE * BALLOON_PAGE;
	if (bytes == 0)
		return;
	act->write_balloon = true;
	act->balloon = t->guests[i].balloon + bytes;
	act->reason = POLICY_TAKES_BALLOON;
	act->bytes = bytes;
	act->whom = whose(t, i);
}

static void take_reclaim(struct turn *t, size_t i, uint64_t bytes)
{
	struct policy_act *act = &t->acts[i];

	if (bytes < RECLAIM_LEAST)
		return;

	act->reclaim = bytes;
	act->reason = POLICY_TAKES_RECLAIM;
	act->bytes = bytes;
	act->whom = whose(t, i);
}

/* Takes need from all who can give by that means, in proportion to what they can. Returns how much
 * of it. */
static uint64_t take(struct turn *t, uint64_t need, uint64_t (*can)(const struct turn *t, size_t i),
		     void (*from)(struct turn *t, size_t i, uint64_t bytes))
{
	uint64_t all = 0;

	for (size_t i = 0; i < t->n; i++)
		all += can(t, i);
	if (all == 0 || need == 0)
		return 0;

	double part = need < all ? (double)need / (double)all : 1;

	for (size_t i = 0; i < t->n; i++) {
		uint64_t bytes = (uint64_t)((double)can(t, i) * part);

		if (bytes > 0)
			from(t, i, bytes);
	}
	return least(need, all);
}

static void take_what_lacks(struct turn *t)
{
	uint64_t wanted = t->plan->wanted;
	uint64_t need = rest(wanted + wanted / 4, t->plan->margin);

	if (t->plan->state == POLICY_HIGH)
		return;
	need -= take(t, need, can_balloon, take_balloon);
	if (t->plan->state >= POLICY_HARD)
		take(t, need, can_reclaim, take_reclaim);
}

/* Throttling: beyond memory.high a guest's processes are made to reclaim from it themselves, so
 * that it pays for its own growth. */

/* A guest is entitled to what it would have without a tax, as soon as it uses it. */
static uint64_t entitled(const struct turn *t, size_t i)
{
	uint64_t part = t->acts[i].target;

	if (part < t->acts[i].untaxed)
		part = t->acts[i].untaxed;
	return part > t->guests[i].floor ? part : t->guests[i].floor;
}

/* A throttle is a brake, until others have had the time to give what they have too much; it isn't
 * to hold a guest down. Who waits for memory already isn't throttled: it would wait for its own
 * pages all the more. */
static bool throttles(const struct turn *t, size_t i, uint64_t part)
{
	uint64_t since = t->memories[i].throttled_ms;

	return t->plan->state == POLICY_LOW && !t->acts[i].hurts &&
	       t->guests[i].resident > part + hysteresis(part) &&
	       (since == 0 || rest(t->host->now_ms, since) >= POLICY_REST_MS);
}

static bool lets_go(const struct turn *t, size_t i)
{
	return t->plan->state <= POLICY_SOFT || t->acts[i].hurts ||
	       rest(t->host->now_ms, t->memories[i].throttled_ms) >= POLICY_BRAKE_MS;
}

/* It's told of a guest that nothing else is done to. */
static void say_throttle(struct policy_act *act, enum policy_reason reason, uint64_t bytes,
			 size_t whom)
{
	if (act->reason != POLICY_STAYS)
		return;
	act->reason = reason;
	act->bytes = bytes;
	act->whom = whom;
}

static void throttle(struct turn *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct policy_act *act = &t->acts[i];
		uint64_t has = t->guests[i].resident;
		uint64_t now = t->guests[i].high;
		uint64_t part = entitled(t, i);
		uint64_t high = part > has ? part : has;

		if (now == POLICY_UNKNOWN) {
			if (!throttles(t, i, part))
				continue;
			say_throttle(act, POLICY_TAKES_THROTTLE, has - part, whose(t, i));
		} else if (lets_go(t, i)) {
			high = POLICY_UNKNOWN;
			say_throttle(act, POLICY_GIVES_THROTTLE, 0, POLICY_NOBODY);
		} else if (high <= now + hysteresis(now)) {
			continue;
		}
		act->write_high = true;
		act->high = high;
	}
}

/* Giving: only balloons have to be let go of, all else a guest takes by itself. */
static void give_back(struct turn *t)
{
	uint64_t left = t->plan->state == POLICY_HIGH ? rest(t->plan->margin, t->plan->wanted) : 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct policy_guest *g = &t->guests[i];
		struct policy_act *act = &t->acts[i];
		uint64_t step = g->balloon / 4 > STEP_LEAST ? g->balloon / 4 : STEP_LEAST;

		step = least(step, g->balloon) / BALLOON_PAGE * BALLOON_PAGE;
		if (!g->has_balloon || step == 0 || act->write_balloon ||
		    !(act->hurts || left >= 2 * step))
			continue;
		/* One means at a time: what it gets here isn't taken there. */
		left = rest(left, step);
		act->reclaim = 0;
		act->whom = POLICY_NOBODY;
		act->write_balloon = true;
		act->balloon = g->balloon - step;
		act->reason = POLICY_GIVES_BALLOON;
		act->bytes = step;
	}
}

static unsigned next_turn(const struct turn *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->acts[i].reason != POLICY_STAYS || t->acts[i].hurts)
			return least(POLICY_FAST_MS, t->settings->interval_ms);
	return t->settings->interval_ms;
}

void policy_decide(const struct policy_settings *settings, const struct policy_host *host,
		   const struct policy_guest *guests, size_t n, struct policy_memory *memory,
		   struct policy_guest_memory *memories, struct share_claim *work,
		   struct policy_act *acts, struct policy_plan *ret_plan)
{
	struct turn turn = {
		.settings = settings,
		.host = host,
		.guests = guests,
		.n = n,
		.memories = memories,
		.acts = acts,
		.plan = ret_plan,
		.elapsed_ms = memory->time_ms > 0 ? rest(host->now_ms, memory->time_ms)
						  : settings->interval_ms,
	};

	*ret_plan = (struct policy_plan){
		.margin = policy_margin(host),
		.wanted = policy_wanted_margin(host->capacity),
	};
	ret_plan->state = next_state(memory->state, ret_plan->margin, ret_plan->wanted);
	*memory = (struct policy_memory){ .state = ret_plan->state, .time_ms = host->now_ms };
	for (size_t i = 0; i < n; i++)
		acts[i] = (struct policy_act){ .hurts = hurts(&guests[i], turn.elapsed_ms),
					       .whom = POLICY_NOBODY };
	set_targets(&turn, work);
	protect(&turn);
	find_neediest(&turn);
	back_off(&turn);
	take_what_lacks(&turn);
	throttle(&turn);
	give_back(&turn);
	ret_plan->next_ms = next_turn(&turn);
	for (size_t i = 0; i < n; i++) {
		memories[i].taken += acts[i].reclaim;
		if (acts[i].write_balloon) {
			memories[i].balloon_before = guests[i].balloon;
			memories[i].balloon = acts[i].balloon;
		}
		if (acts[i].reason == POLICY_GIVES_BALLOON && acts[i].hurts)
			memories[i].gave_back_ms = host->now_ms;
		if (acts[i].write_high && guests[i].high == POLICY_UNKNOWN)
			memories[i].throttled_ms = host->now_ms;
	}
}
