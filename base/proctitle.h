/* SPDX-License-Identifier: Apache-2.0 */
/* The name under which ps(1) and top(1) show a process. */
#ifndef LODGE_BASE_PROCTITLE_H
#define LODGE_BASE_PROCTITLE_H

/* Remembers where the process's arguments are. Call it first in main(); without it,
 * proctitle_set() only sets the thread's name. */
void proctitle_init(int argc, char **argv);

/* Shows title in place of the command line, as far as there is room for it, and its first 15
 * characters as the thread's name. The arguments are overwritten: whoever needs them has copied
 * them. */
void proctitle_set(const char *title);

#endif
