/* SPDX-License-Identifier: Apache-2.0 */
/* The words for what the policy decides: see words.h. */
#include "govern/words.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const reasons[] = {
	[POLICY_STAYS] = "stays",
	[POLICY_TAKES_BALLOON] = "takes-balloon",
	[POLICY_TAKES_RECLAIM] = "takes-reclaim",
	[POLICY_TAKES_THROTTLE] = "takes-throttle",
	[POLICY_GIVES_BALLOON] = "gives-balloon",
	[POLICY_GIVES_THROTTLE] = "gives-throttle",
};

static const char *const sources[] = {
	[GOVERN_SOURCE_NONE] = "none",
	[GOVERN_SOURCE_DAMON] = "damon",
	[GOVERN_SOURCE_GUEST] = "guest",
};

/* The word's number, or n. */
static size_t find(const char *word, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(words[i], word) != 0)
		i++;
	return i;
}

const char *policy_reason_name(enum policy_reason reason)
{
	return reasons[reason];
}

const char *govern_source_name(enum govern_source source)
{
	return sources[source];
}

bool policy_state_find(const char *word, enum policy_state *ret_state)
{
	for (int state = POLICY_HIGH; state <= POLICY_LOW; state++) {
		if (strcmp(policy_state_name((enum policy_state)state), word) != 0)
			continue;
		*ret_state = (enum policy_state)state;
		return true;
	}
	return false;
}

bool policy_reason_find(const char *word, enum policy_reason *ret_reason)
{
	size_t i = find(word, reasons, ARRAY_SIZE(reasons));

	if (i < ARRAY_SIZE(reasons))
		*ret_reason = (enum policy_reason)i;
	return i < ARRAY_SIZE(reasons);
}

bool govern_source_find(const char *word, enum govern_source *ret_source)
{
	size_t i = find(word, sources, ARRAY_SIZE(sources));

	if (i < ARRAY_SIZE(sources))
		*ret_source = (enum govern_source)i;
	return i < ARRAY_SIZE(sources);
}
