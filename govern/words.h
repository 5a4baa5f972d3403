/* SPDX-License-Identifier: Apache-2.0 */
/* The words for what the policy decides (policy.h), as JSON and people have them. */
#ifndef LODGE_GOVERN_WORDS_H
#define LODGE_GOVERN_WORDS_H

#include <stdbool.h>

#include "govern/policy.h"
#include "govern/record.h"

/* "stays", "takes-balloon", "takes-reclaim", "takes-throttle", "gives-balloon", "gives-throttle".
 * The words for states are policy_state_name()'s. */
const char *policy_reason_name(enum policy_reason reason);
/* "none", "damon", "guest" */
const char *govern_source_name(enum govern_source source);

/* False if there is no such word. */
bool policy_state_find(const char *word, enum policy_state *ret_state);
bool policy_reason_find(const char *word, enum policy_reason *ret_reason);
bool govern_source_find(const char *word, enum govern_source *ret_source);

#endif
