/* SPDX-License-Identifier: Apache-2.0 */
/* The word that somebody who mistyped may have meant. */
#ifndef LODGE_CMD_SUGGEST_H
#define LODGE_CMD_SUGGEST_H

#include <stddef.h>

/* How many letters must be added, taken out, changed or swapped with the next to make b of a. Words
 * of SUGGEST_WORD_MAX letters and more count as wholly different (SIZE_MAX). */
enum { SUGGEST_WORD_MAX = 32 };
size_t suggest_distance(const char *a, const char *b);

/* Offers a candidate: *best becomes it if it's nearer to word than *best is, and near enough to be
 * worth saying (a third of its letters, but at least one). *best starts as NULL. */
void suggest_offer(const char *word, const char *candidate, const char **best);

#endif
