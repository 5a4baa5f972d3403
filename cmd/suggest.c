/* SPDX-License-Identifier: Apache-2.0 */
/* The word that somebody who mistyped may have meant: see suggest.h. */
#include "cmd/suggest.h"

#include <stdint.h>
#include <string.h>

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The distance of Damerau and Levenshtein, in its "optimal string alignment" form. */
size_t suggest_distance(const char *a, const char *b)
{
	size_t d[SUGGEST_WORD_MAX][SUGGEST_WORD_MAX];
	size_t la = strlen(a);
	size_t lb = strlen(b);

	if (la >= SUGGEST_WORD_MAX || lb >= SUGGEST_WORD_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++)
		for (size_t j = 1; j <= lb; j++) {
			size_t changed = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d[i][j] = min(changed, min(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[la][lb];
}

void suggest_offer(const char *word, const char *candidate, const char **best)
{
	size_t distance = suggest_distance(word, candidate);
	size_t near_enough = strlen(candidate) / 3;

	if (near_enough < 1)
		near_enough = 1;
	if (distance <= near_enough && (!*best || distance < suggest_distance(word, *best)))
		*best = candidate;
}
