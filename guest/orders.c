/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and runs orders, and writes their answers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "guest/guest.h"

/* Arguments of an order that are told apart; sh and echo take the line as it is. */
enum { WORDS_MAX = 8 };

/* Room for "error ORDER: " and the newline. */
enum { LINE_MAX_BYTES = SAY_MAX + 1 };

static void write_all(const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* there is nobody to tell */
		data += n;
		len -= (size_t)n;
	}
}

/* One write a line, so that the kernel's messages don't come in between. */
static void say_line(const char *prefix, const char *middle, const char *fmt, va_list args)
{
	char line[LINE_MAX_BYTES];
	int n = snprintf(line, SAY_MAX, "%s%s", prefix, middle);
	size_t used = n < SAY_MAX ? (size_t)n : SAY_MAX - 1;

	n = vsnprintf(line + used, SAY_MAX - used, fmt, args);
	if (n > 0)
		used = used + (size_t)n < SAY_MAX ? used + (size_t)n : SAY_MAX - 1;
	line[used++] = '\n';
	write_all(line, used);
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_line("", "", fmt, args);
	va_end(args);
}

void ok(const char *order, const char *fmt, ...)
{
	va_list args;
	char middle[64];

	snprintf(middle, sizeof(middle), "%.60s ", order);
	va_start(args, fmt);
	say_line("ok ", middle, fmt, args);
	va_end(args);
}

void failed(const char *order, const char *fmt, ...)
{
	va_list args;
	char middle[64];

	snprintf(middle, sizeof(middle), "%.60s: ", order);
	va_start(args, fmt);
	say_line("error ", middle, fmt, args);
	va_end(args);
}

void say_body(const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		say("| %.*s", (int)line, text);
		line += end != NULL;
		text += line;
		len -= line;
	}
}

void console_drain(void)
{
	tcdrain(STDOUT_FILENO);
}

static const struct order *find(const char *name)
{
	static const struct order *const tables[] = { memory_orders, device_orders, system_orders };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct order *o = tables[i]; o->name; o++) {
			if (!strcmp(o->name, name))
				return o;
		}
	}
	return NULL;
}

static void help(void)
{
	static const struct order *const tables[] = { memory_orders, device_orders, system_orders };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct order *o = tables[i]; o->name; o++)
			say("| %s %s", o->name, o->usage);
	}
	ok("help", "%s", "");
}

/* Makes an unknown order fit to be said back. */
static void printable(char *word)
{
	for (; *word; word++) {
		if (*word < ' ' || *word > '~')
			*word = '?';
	}
}

void order_run(char *line)
{
	char copy[4096];
	char *words[WORDS_MAX + 1];
	const char *rest;
	int n;

	line += strspn(line, " \t");
	rest = line + strcspn(line, " \t\r");
	rest += strspn(rest, " \t\r");
	snprintf(copy, sizeof(copy), "%s", line);
	n = words_split(copy, words, WORDS_MAX);
	if (n == 0)
		return;
	if (!strcmp(words[0], "help")) {
		help();
		return;
	}

	const struct order *order = find(words[0]);

	if (!order) {
		printable(words[0]);
		failed(words[0], "no such order: help lists them");
	} else if (n - 1 < order->min_args || (order->max_args >= 0 && n - 1 > order->max_args)) {
		failed(words[0], "usage: %s %s", order->name, order->usage);
	} else {
		order->run(n, words, rest);
	}
}
