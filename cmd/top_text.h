/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How `lodge top` looks: lines of characters, each with what it stands for. Pure: the same lines
 * become a terminal's colours in lodge-top and plain text with --once.
 *
 * A part of a bar is a character of its own, in ASCII; a terminal that can may show a block and a
 * colour in its place (top_screen.c).
 */
#ifndef LODGE_CMD_TOP_TEXT_H
#define LODGE_CMD_TOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/top_data.h"

enum { TOP_COLUMNS_MAX = 512 }; /* wider terminals have an empty margin */

enum top_style {
	TOP_PLAIN,
	TOP_TITLE,
	TOP_HEADER,
	TOP_SORTED, /* the header of the column that it's sorted by */
	TOP_DIM,
	TOP_WARNING,
	/* The parts of a guest's RAM, as struct memory_parts has them. */
	TOP_PART_PRIVATE,
	TOP_PART_CACHE,
	TOP_PART_MERGED,
	TOP_PART_SWAPPED,
	TOP_PART_BALLOON,
	TOP_PART_REPORTED,
	TOP_PART_UNTOUCHED,
	/* The parts of the host's RAM and swap. */
	TOP_PART_GUESTS,
	TOP_PART_ZSWAP,
	TOP_PART_OTHER,
	TOP_PART_AVAILABLE,
	TOP_STYLES
};

struct top_cell {
	char ch; /* ASCII */
	uint8_t style;
};

struct top_line {
	struct top_cell cells[TOP_COLUMNS_MAX];
	size_t n;
	size_t width; /* what is added beyond it is cut off; at most TOP_COLUMNS_MAX */
};

void top_line_clear(struct top_line *line, size_t width);
void top_line_add(struct top_line *line, enum top_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Divides width cells among parts by the method of the largest remainder: they add up to width, and
 * none is off by a whole cell. All 0 if all parts are. */
void top_bar_divide(const uint64_t *parts, size_t n, size_t width, size_t *ret_cells);

/* "9.9M", "10M", "1023M", "-" for HOST_UNKNOWN: at most 5 characters. */
enum { TOP_FIGURE_MAX = 24 };
char *top_size(uint64_t bytes, char buf[TOP_FIGURE_MAX]);
/* A number in the same room: "1234", "12k". */
char *top_count(uint64_t count, char buf[TOP_FIGURE_MAX]);
/* Tenths of a percent: "0.3", "99.9", "250". */
char *top_percent(uint64_t tenths, char buf[TOP_FIGURE_MAX]);
/* Milliseconds: "3s", "5m", "2h", "9d". */
char *top_age(uint64_t ms, char buf[TOP_FIGURE_MAX]);

/* Which columns a table of some width has. Columns are left out, the least wanted first, until what
 * is left fits; the bar takes the rest. The figure that it's sorted by is the most wanted one. */
struct top_layout {
	size_t width;
	size_t name_width;
	bool shown[TOP_KEYS];
	size_t bar_width; /* 0: no room for it */
};
void top_layout_make(const struct top_snapshot *snapshot, enum top_key sort, size_t width,
		     struct top_layout *ret_layout);

void top_text_header(const struct top_layout *layout, enum top_key sort, struct top_line *line);
void top_text_guest(const struct top_layout *layout, const struct top_guest *guest,
		    struct top_line *line);
/* What the characters of the guests' bars mean. */
void top_text_legend(size_t width, struct top_line *line);

/* The host: line i of TOP_HOST_LINES. */
enum { TOP_HOST_LINES = 5 };
void top_text_host(const struct top_snapshot *snapshot, size_t i, size_t width,
		   struct top_line *line);
/* What the governor decided: line i of top_governor_decisions(), the newest first. */
void top_text_decision(const struct top_snapshot *snapshot, size_t i, size_t width,
		       struct top_line *line);

#endif
