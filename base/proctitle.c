/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a process: see proctitle.h. */
#include "base/proctitle.h"

#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

/* The kernel shows what lies in the place where it put the arguments, back to back. */
static char *args;
static size_t args_len;

void proctitle_init(int argc, char **argv)
{
	if (argc < 1)
		return;
	args = argv[0];
	args_len = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - args);
}

void proctitle_set(const char *title)
{
	prctl(PR_SET_NAME, title);
	if (args_len == 0)
		return;
	memset(args, 0, args_len);
	strncpy(args, title, args_len);
}
