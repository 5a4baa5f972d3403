/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The escape key of a console: what is typed after it is for lodge, everything else for the guest.
 *
 * A plain state machine that takes one byte at a time.
 */
#ifndef LODGE_CMD_ESCAPE_H
#define LODGE_CMD_ESCAPE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum {
	ESCAPE_OFF = -1,      /* no key: every byte is the guest's */
	ESCAPE_DEFAULT = 0x1d /* Ctrl-] */
};

struct escape {
	int key; /* the byte, or ESCAPE_OFF */
	bool pending;
};

enum escape_action {
	ESCAPE_NOTHING, /* so far */
	ESCAPE_SEND,	/* the byte is for the guest */
	ESCAPE_HELP,
	ESCAPE_DETACH,
	ESCAPE_POWER,
	ESCAPE_KILL,
};

/* "^A", "^]" and so on, or "none"; ERR_USAGE otherwise. */
int escape_parse(const char *text, int *ret_key, struct err **err);

/* What a typed byte means. After the key: '?' help, 'd' detach, 's' power button, 'k' kill, the key
 * itself is sent once, and anything else is help too. */
enum escape_action escape_take(struct escape *escape, uint8_t byte);

enum { ESCAPE_NAME_MAX = 8 };

/* "Ctrl-]" */
char *escape_name(int key, char buf[ESCAPE_NAME_MAX]);

#endif
