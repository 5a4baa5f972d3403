/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving the terminal as it was when lodge-top crashes, and ncurses can't do it any more. */
#ifndef LODGE_CMD_TOP_CRASH_H
#define LODGE_CMD_TOP_CRASH_H

/* Remembers the state of the terminal on standard input; before ncurses changes it. */
void top_crash_save(void);
/* Writes down what the terminal must be sent, and watches for crashes from then on; when ncurses
 * has found out which terminal it is. */
void top_crash_watch(void);

#endif
