/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else has changed: see by_hand.h. */
#include "govern/by_hand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/promise_record.h"
#include "base/log.h"
#include "ledger/changes.h"

enum { LINE_MAX_BYTES = 384 };

/* line is a whole one, with its newline. */
static bool was_said(const struct by_hand *by_hand, const char *line)
{
	const char *at = by_hand->said;

	while (at && (at = strstr(at, line)) && at != by_hand->said && at[-1] != '\n')
		at++;
	return at;
}

/* Adds lines; tells those that are new. */
static void take(const struct by_hand *by_hand, const char *whose,
		 const struct ledger_change *changes, size_t n, FILE *lines)
{
	for (size_t i = 0; i < n; i++) {
		char change[LEDGER_CHANGE_TEXT_MAX];
		char line[LINE_MAX_BYTES];

		snprintf(line, sizeof(line), "%s: %s\n", whose,
			 ledger_describe_change(&changes[i], change));
		if (!was_said(by_hand, line))
			log_line("%s: %s: somebody else has changed it, and so what is promised",
				 whose, change);
		fputs(line, lines);
	}
}

void by_hand_tell(struct by_hand *by_hand, int root_fd, const struct govern_view *view)
{
	struct ledger_change changes[LEDGER_CHANGES_MAX];
	char *text = NULL;
	size_t len;
	FILE *lines = open_memstream(&text, &len);
	size_t n;

	if (!lines)
		return;
	if (view->has_ledger &&
	    ledger_compare_slice(root_fd, &view->ledger, changes, &n, NULL) == 0)
		take(by_hand, LEDGER_SLICE, changes, n, lines);
	for (size_t i = 0; i < view->n_guests; i++)
		if (promise_record_compare(root_fd, view->guests[i].name, changes, &n, NULL) == 0)
			take(by_hand, view->guests[i].name, changes, n, lines);
	fclose(lines);
	by_hand_clear(by_hand);
	by_hand->said = text;
}

void by_hand_clear(struct by_hand *by_hand)
{
	free(by_hand->said);
	by_hand->said = NULL;
}
