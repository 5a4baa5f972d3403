/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's command line.
 *
 * lodge adds one word of its own, CMDLINE_CONSOLE, in front, and leaves it out if the user names
 * a console: the guest then prints where `lodge run` looks. Everything else is the guest's own
 * business (docs/boot.md says which words were thought about).
 */
#ifndef LODGE_BOOT_CMDLINE_H
#define LODGE_BOOT_CMDLINE_H

#include <stddef.h>

struct err;

#define CMDLINE_CONSOLE "console=hvc0"

/* Bytes without the NUL: Linux's COMMAND_LINE_SIZE on x86, less one. A bzImage says what it takes;
 * a vmlinux doesn't. */
enum { CMDLINE_MAX = 2047 };

/* Makes the command line from the user's words (NULL: none), as a new string. ERR_USAGE if it's
 * longer than max bytes or has control characters. */
int cmdline_build(const char *append, size_t max, char **ret_cmdline, struct err **err);

#endif
