/* SPDX-License-Identifier: Apache-2.0 */
/* The escape key of a console: see escape.h. */
#include "cmd/escape.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

enum { CONTROL = 0x40 }; /* ASCII: Ctrl-X is X with this bit flipped */

int escape_parse(const char *text, int *ret_key, struct err **err)
{
	if (strcmp(text, "none") == 0) {
		*ret_key = ESCAPE_OFF;
		return 0;
	}

	int letter = text[0] == '^' && strlen(text) == 2 ? text[1] : 0;

	if (letter >= 'a' && letter <= 'z')
		letter -= 'a' - 'A';
	if (letter != '?' && (letter <= '@' || letter > '_'))
		return err_set(err, ERR_USAGE, 0,
			       "--escape: \"%s\" is no key: write ^A to ^Z, ^[ ^\\ ^] ^^ ^_ ^?, "
			       "or none",
			       text);
	*ret_key = letter ^ CONTROL;
	return 0;
}

enum escape_action escape_take(struct escape *escape, uint8_t byte)
{
	if (!escape->pending) {
		escape->pending = byte == escape->key;
		return escape->pending ? ESCAPE_NOTHING : ESCAPE_SEND;
	}
	escape->pending = false;
	if (byte == escape->key)
		return ESCAPE_SEND;
	switch (byte) {
	case 'd':
		return ESCAPE_DETACH;
	case 's':
		return ESCAPE_POWER;
	case 'k':
		return ESCAPE_KILL;
	default:
		return ESCAPE_HELP;
	}
}

char *escape_name(int key, char buf[ESCAPE_NAME_MAX])
{
	snprintf(buf, ESCAPE_NAME_MAX, "Ctrl-%c", (key ^ CONTROL) & 0x7f);
	return buf;
}
