/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions in words: see decisions.h. */
#include "govern/decisions.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

static const char *means(enum policy_reason reason)
{
	switch (reason) {
	case POLICY_TAKES_BALLOON:
	case POLICY_GIVES_BALLOON:
		return "by its balloon";
	case POLICY_TAKES_RECLAIM:
		return "by reclaim";
	default:
		return "by a limit";
	}
}

void govern_decision_describe(struct govern_decision *d, uint64_t margin, uint64_t wanted)
{
	char sizes[3][SIZE_TEXT_MAX];
	char what[96] = "";

	size_format(d->bytes, sizes[0]);
	if (d->reason == POLICY_TAKES_THROTTLE)
		snprintf(what, sizeof(what), "growth stopped, %s above its part", sizes[0]);
	else if (d->reason == POLICY_GIVES_THROTTLE)
		snprintf(what, sizeof(what), "may grow again");
	else
		snprintf(what, sizeof(what), "%s %s %s", sizes[0],
			 d->reason == POLICY_GIVES_BALLOON ? "given back" : "taken",
			 means(d->reason));
	snprintf(d->text, sizeof(d->text), "%s%s%s; the host was %s (margin %s of %s)", what,
		 *d->whom ? " for " : "", d->whom, policy_state_name(d->state),
		 size_format(margin, sizes[1]), size_format(wanted, sizes[2]));
}

static size_t find_last(const struct govern_record *record, const char *guest)
{
	for (size_t i = record->n_decisions; i > 0; i--)
		if (strcmp(record->decisions[i - 1].guest, guest) == 0)
			return i - 1;
	return SIZE_MAX;
}

const struct govern_decision *govern_decisions_last(const struct govern_record *record,
						    const char *guest)
{
	size_t i = find_last(record, guest);

	return i == SIZE_MAX ? NULL : &record->decisions[i];
}

static bool goes_on(const struct govern_decision *before, const struct govern_decision *now)
{
	return before->reason == now->reason && strcmp(before->whom, now->whom) == 0 &&
	       now->time_ms - before->time_ms < GOVERN_DECISION_GOES_ON_MS;
}

static void drop(struct govern_record *record, size_t i)
{
	record->n_decisions--;
	memmove(&record->decisions[i], &record->decisions[i + 1],
		(record->n_decisions - i) * sizeof(record->decisions[0]));
}

bool govern_decisions_add(struct govern_record *record, const struct govern_decision *decision,
			  uint64_t margin, uint64_t wanted)
{
	size_t i = find_last(record, decision->guest);
	struct govern_decision added = *decision;
	bool is_new = i == SIZE_MAX || !goes_on(&record->decisions[i], decision);

	if (!is_new) {
		if (added.reason != POLICY_TAKES_THROTTLE)
			added.bytes += record->decisions[i].bytes;
		drop(record, i);
	} else if (record->n_decisions == GOVERN_DECISIONS_MAX) {
		drop(record, 0);
	}
	govern_decision_describe(&added, margin, wanted);
	record->decisions[record->n_decisions++] = added;
	return is_new;
}
