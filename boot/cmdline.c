/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's command line: see cmdline.h. */
#include "boot/cmdline.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Whether a word of the kernel's part names a console. Quotes keep spaces within a word, and what
 * follows "--" is for init: Linux, lib/cmdline.c and kernel/params.c. */
static bool names_console(const char *words)
{
	static const char key[] = "console=";
	bool quoted = false, starts = true;

	for (const char *p = words; *p; p++) {
		if (starts && strncmp(p, key, strlen(key)) == 0)
			return true;
		if (starts && strncmp(p, "--", 2) == 0 && (p[2] == ' ' || p[2] == '\0'))
			return false;
		starts = *p == ' ' && !quoted;
		if (*p == '"')
			quoted = !quoted;
	}
	return false;
}

int cmdline_build(const char *append, size_t max, char **ret_cmdline, struct err **err)
{
	const char *words = append ? append : "";
	char *line = NULL;
	int n;

	for (const char *p = words; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, ERR_USAGE, 0,
				       "command line: a control character (0x%02x) at byte %zu",
				       (unsigned char)*p, (size_t)(p - words) + 1);
	if (names_console(words))
		n = asprintf(&line, "%s", words);
	else
		n = asprintf(&line, "%s%s%s", CMDLINE_CONSOLE, *words ? " " : "", words);
	if (n < 0)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "command line");
	if ((size_t)n > max) {
		free(line);
		return err_set(err, ERR_USAGE, 0,
			       "command line: %d bytes are more than the %zu that the kernel takes",
			       n, max);
	}
	*ret_cmdline = line;
	return 0;
}
