/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal on standard input: raw for as long as it belongs to a guest, and as it was before on
 * every way out of the process that the process can see, crashes included.
 *
 * There is one terminal a process, so there is one state.
 */
#ifndef LODGE_CMD_TERMINAL_H
#define LODGE_CMD_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

struct err;

bool terminal_is_there(void);

/* Also again after the process was stopped and goes on. */
int terminal_make_raw(struct err **err);
/* Does nothing if it isn't raw. */
void terminal_restore(void);

/* False if the terminal doesn't know its size. */
bool terminal_size(uint16_t *ret_columns, uint16_t *ret_rows);

#endif
