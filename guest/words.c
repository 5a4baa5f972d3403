/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the kernel command line and of orders: see words.h. */
#include "guest/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Blanks of the kernel command line and of orders. */
static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The end of the word that starts at p: the first blank outside quotes. */
static const char *word_end(const char *p)
{
	bool quoted = false;

	for (; *p && (quoted || !blank(*p)); p++) {
		if (*p == '"')
			quoted = !quoted;
	}
	return p;
}

/* Copies a value without its quotes. False if it doesn't fit. */
static bool copy_value(const char *from, const char *end, char *buf, size_t size)
{
	size_t len = 0;

	for (const char *p = from; p < end; p++)
		len += *p != '"';
	if (len >= size)
		return false;
	for (; from < end; from++) {
		if (*from != '"')
			*buf++ = *from;
	}
	*buf = '\0';
	return true;
}

bool cmdline_word(const char *cmdline, const char *name, char *buf, size_t size)
{
	size_t name_len = strlen(name);
	bool found = false;

	for (const char *p = cmdline; *p;) {
		if (blank(*p)) {
			p++;
			continue;
		}

		const char *end = word_end(p);

		if (*p == '"')
			p++;
		if (!strncmp(p, name, name_len)) {
			const char *value = p + name_len;

			if (value == end || *value == '"')
				found = copy_value(end, end, buf, size);
			else if (*value == '=')
				found = copy_value(value + 1, end, buf, size);
		}
		p = end;
	}
	return found;
}

int words_split(char *line, char **words, int max)
{
	int n = 0;

	for (;;) {
		while (blank(*line))
			*line++ = '\0';
		if (*line == '\0')
			break;
		if (n == max) {
			n++;
			break;
		}
		words[n++] = line;
		while (*line && !blank(*line))
			line++;
	}
	words[n > max ? max : n] = NULL;
	return n;
}

/* A number at the start of a word, and what follows it. */
static bool number(const char *word, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (*word < '0' || *word > '9')
		return false;
	errno = 0;

	unsigned long long value = strtoull(word, &end, 0);

	if (errno)
		return false;
	*ret = value;
	*ret_end = end;
	return true;
}

bool word_number(const char *word, uint64_t *ret)
{
	uint64_t value;
	const char *end;

	if (!number(word, &value, &end) || *end)
		return false;
	*ret = value;
	return true;
}

bool word_size(const char *word, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	uint64_t value;
	const char *end;

	if (!number(word, &value, &end))
		return false;
	if (*end) {
		const char *unit = strchr(units, *end);
		unsigned shift;

		if (!unit || end[1])
			return false;
		shift = 10 * (unsigned)(unit - units + 1);
		if (value > UINT64_MAX >> shift)
			return false;
		value <<= shift;
	}
	*ret_bytes = value;
	return true;
}

bool word_seconds(const char *word, uint64_t *ret_ns)
{
	uint64_t ns = 0;
	uint64_t seconds = 0;
	uint64_t unit = 1000000000;

	if (*word < '0' || *word > '9')
		return false;
	for (; *word >= '0' && *word <= '9'; word++) {
		seconds = seconds * 10 + (uint64_t)(*word - '0');
		if (seconds > 1000000000)
			return false;
	}
	if (*word == '.') {
		for (word++; *word >= '0' && *word <= '9'; word++) {
			unit /= 10;
			ns += unit * (uint64_t)(*word - '0');
		}
	}
	if (*word)
		return false;
	*ret_ns = seconds * 1000000000 + ns;
	return true;
}
