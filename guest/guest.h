/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that is PID 1 in test and demo guests: what its files share.
 *
 * It takes orders from the console, a line each, and answers in lines that a program can read:
 *
 *     lodge-guest: TEXT      something happened
 *     | TEXT                 a line of an answer
 *     ok ORDER RESULT        the end of an answer
 *     error ORDER: REASON    the same, if it failed
 *
 * docs/guests.md lists the orders.
 */
#ifndef LODGE_GUEST_GUEST_H
#define LODGE_GUEST_GUEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/words.h"

/* Longest line that is written; the rest of a longer one is cut off. */
enum { SAY_MAX = 1024 };

/* One line to the console. A newline is added. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of an answer for each line of text, of which len bytes are there. */
void say_body(const char *text, size_t len);
/* The end of an answer. */
void ok(const char *order, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void failed(const char *order, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Waits until everything written has left the console. */
void console_drain(void);

/* An order. args has a NULL after the last; args[0] is the order's own name. rest is the line after
 * the name, as it was. */
struct order {
	const char *name;
	const char *usage; /* the arguments */
	int min_args, max_args;
	void (*run)(int n_args, char **args, const char *rest);
};

/* Takes one line; may change it. */
void order_run(char *line);

extern const struct order memory_orders[];
extern const struct order device_orders[];
extern const struct order system_orders[];

/* Carries out the order `churn` on these regions with so many threads, and answers. */
struct regions;
void churn_order(const char *order, struct regions *regions, uint64_t seed, uint64_t ns,
		 unsigned threads);
/* Carries out the order `work` on the first pages of these regions, at least one, and answers. */
void work_order(const char *order, const struct regions *regions, uint64_t pages, uint64_t ns);

/* Loads the modules that are listed, one path a line, in a file; a missing list is an empty one. */
void modules_load(const char *list);

/* Obeys the ACPI power button in a process of its own from now on. */
void button_watch(void);
/* Ends the guest as a shutdown would. Doesn't return. */
void power_off(void) __attribute__((noreturn));

/* Reads a small file whole into buf and ends it with a NUL. Bytes read, or -1 with errno. */
long file_read(const char *path, char *buf, size_t size);

#endif
