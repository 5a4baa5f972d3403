/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen of `lodge top` apart from the terminal: what is on it, and what keys change. Pure, so
 * that tests can press keys and look at screens of any size.
 */
#ifndef LODGE_CMD_TOP_VIEW_H
#define LODGE_CMD_TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd/top_data.h"
#include "cmd/top_text.h"

enum { TOP_INTERVAL_MIN = 100, TOP_INTERVAL_MAX = 3600000 }; /* ms */

struct top_view {
	enum top_key sort;
	bool reverse;
	unsigned interval_ms;
	bool paused;
	bool help;
	bool hide_decisions;
	size_t decisions; /* rows that they had on the last screen */
	size_t first;	  /* the row of the table that is the first on the screen */
};

enum top_input {
	TOP_INPUT_NONE, /* a key that means nothing */
	TOP_INPUT_QUIT,
	TOP_INPUT_SORT_NEXT,
	TOP_INPUT_SORT_PREVIOUS,
	TOP_INPUT_REVERSE,
	TOP_INPUT_UP,
	TOP_INPUT_DOWN,
	TOP_INPUT_PAGE_UP,
	TOP_INPUT_PAGE_DOWN,
	TOP_INPUT_FIRST,
	TOP_INPUT_LAST,
	TOP_INPUT_FASTER,
	TOP_INPUT_SLOWER,
	TOP_INPUT_PAUSE,
	TOP_INPUT_DECISIONS,
	TOP_INPUT_HELP,
};

/* What a character that isn't a function key means. */
enum top_input top_view_key(int ch);

/* Does what a key asks for. rows is the screen's height, n how many guests there are. False if it's
 * to end. */
bool top_view_take(struct top_view *view, enum top_input input, size_t rows, size_t n);

/* Draws each of the screen's rows, from the first on. order is top_sort()'s; snapshot is NULL as
 * long as there is none. Moves view->first back to where there are guests, and sets
 * view->decisions. */
void top_view_draw(struct top_view *view, const struct top_snapshot *snapshot, const size_t *order,
		   size_t rows, size_t columns,
		   void (*draw)(void *opaque, size_t row, const struct top_line *line),
		   void *opaque);

#endif
