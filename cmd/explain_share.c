/* SPDX-License-Identifier: Apache-2.0 */
/* How a guest's part comes about, from what the governor wrote down: see explain_text.h. */
#include "base/sums.h"
#include "cmd/explain_text.h"
#include "govern/decisions.h"

/* The policy lets a guest keep its floor as far as it has a use for it, which its target is never
 * below. */
static uint64_t kept(const struct govern_record_guest *guest)
{
	return least(guest->seen.floor, guest->target);
}

/* Those of best effort have no part in it. */
static unsigned weight(const struct govern_record_guest *guest)
{
	return guest->seen.best_effort ? 0 : guest->seen.weight;
}

void explain_divide(const struct govern_record *record, const struct govern_record_guest *guest,
		    struct explain_share *ret_share)
{
	struct explain_share s = { .margin = record->wanted, .kept = kept(guest) };

	for (size_t i = 0; i < record->n_guests; i++) {
		s.kept_all += kept(&record->guests[i]);
		s.weights += weight(&record->guests[i]);
	}
	s.divided = rest(rest(record->host.capacity, s.margin), s.kept_all);
	if (s.weights > 0)
		s.by_weight = (uint64_t)((unsigned __int128)s.divided * weight(guest) / s.weights);
	s.others = (int64_t)(guest->untaxed - s.kept - s.by_weight);
	s.tax = (int64_t)(guest->target - guest->untaxed);
	*ret_share = s;
}

/* One is kept with its guest when newer ones of others have taken its place in the list. */
static const struct govern_decision *find_last(const struct govern_record *record,
					       const struct govern_record_guest *guest,
					       const char *name)
{
	if (guest && guest->last.time_ms > 0)
		return &guest->last;
	return govern_decisions_last(record, name);
}

void explain_find(struct explain *explain, uint64_t started_ms)
{
	const struct govern_record *record = explain->record;
	const struct govern_record_guest *guest = govern_record_find(record, explain->name);
	const struct govern_decision *last = find_last(record, guest, explain->name);

	explain->guest = record->time_ms >= started_ms ? guest : NULL;
	explain->last = last && last->time_ms >= started_ms ? last : NULL;
}
