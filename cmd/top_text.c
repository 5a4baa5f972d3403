/* SPDX-License-Identifier: Apache-2.0 */
/* How `lodge top` looks: see top_text.h. The host's lines are in top_text_host.c. */
#include "cmd/top_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/top_bar.h"
#include "host/fields.h"

void top_line_clear(struct top_line *line, size_t width)
{
	line->n = 0;
	line->width = width < TOP_COLUMNS_MAX ? width : TOP_COLUMNS_MAX;
}

static void add_cell(struct top_line *line, enum top_style style, char ch)
{
	if (line->n < line->width)
		line->cells[line->n++] = (struct top_cell){ .ch = ch, .style = (uint8_t)style };
}

void top_line_add(struct top_line *line, enum top_style style, const char *fmt, ...)
{
	char text[TOP_COLUMNS_MAX + 1];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* Some of it is what files or guests say. */
	for (const char *p = text; *p; p++) {
		bool shows = *p >= ' ' && *p <= '~';

		add_cell(line, style, (char)(shows ? *p : '?'));
	}
}

/* Figures */

static char *unknown(char *buf)
{
	buf[0] = '-';
	buf[1] = '\0';
	return buf;
}

char *top_size(uint64_t bytes, char buf[TOP_FIGURE_MAX])
{
	static const char letters[] = "BKMGTPE";
	unsigned unit = 0;
	uint64_t div = 1;

	if (bytes == HOST_UNKNOWN)
		return unknown(buf);
	/* Up to the unit in which it's less than 1023.5. */
	while (unit < 6 && bytes / div >= 1023 && bytes - 1023 * div >= div / 2 + (div == 1)) {
		div *= 1024;
		unit++;
	}

	uint64_t tenths = bytes / div * 10 + (bytes % div * 10 + div / 2) / div;

	if (unit > 0 && tenths < 100 && tenths % 10 != 0)
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10,
			 letters[unit]);
	else
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 "%c",
			 bytes / div + (bytes % div * 2 >= div), letters[unit]);
	return buf;
}

char *top_count(uint64_t count, char buf[TOP_FIGURE_MAX])
{
	static const char letters[] = "kMGTPE";
	int unit = -1;

	if (count == HOST_UNKNOWN)
		return unknown(buf);
	while (count >= (unit < 0 ? 10000 : 1000)) {
		count /= 1000;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64, count);
	else
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 "%c", count, letters[unit]);
	return buf;
}

char *top_percent(uint64_t tenths, char buf[TOP_FIGURE_MAX])
{
	if (tenths == HOST_UNKNOWN)
		return unknown(buf);
	if (tenths < 1000)
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
	else
		top_count(tenths / 10, buf);
	return buf;
}

char *top_age(uint64_t ms, char buf[TOP_FIGURE_MAX])
{
	uint64_t s = ms / 1000;

	if (ms == HOST_UNKNOWN)
		return unknown(buf);
	if (s < 100)
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 "s", s);
	else if (s < 6000)
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 "m", s / 60);
	else if (s < UINT64_C(100) * 3600)
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 "h", s / 3600);
	else
		snprintf(buf, TOP_FIGURE_MAX, "%" PRIu64 "d", s / 86400);
	return buf;
}

/* Bars */

void top_bar_divide(const uint64_t *parts, size_t n, size_t width, size_t *ret_cells)
{
	unsigned __int128 remainders[TOP_BAR_PARTS_MAX] = { 0 };
	unsigned __int128 sum = 0;
	size_t left = width;

	for (size_t i = 0; i < n; i++) {
		ret_cells[i] = 0;
		sum += parts[i];
	}
	if (sum == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		unsigned __int128 share = (unsigned __int128)parts[i] * width;

		ret_cells[i] = (size_t)(share / sum);
		remainders[i] = share % sum;
		left -= ret_cells[i];
	}
	for (; left > 0; left--) {
		size_t largest = 0;

		for (size_t i = 1; i < n; i++)
			if (remainders[i] > remainders[largest])
				largest = i;
		ret_cells[largest]++;
		remainders[largest] = 0;
	}
}

void top_bar_add(struct top_line *line, const struct top_bar_part *parts, size_t n, size_t width)
{
	uint64_t values[TOP_BAR_PARTS_MAX] = { 0 };
	size_t cells[TOP_BAR_PARTS_MAX] = { 0 };

	for (size_t i = 0; i < n; i++)
		values[i] = parts[i].bytes;
	top_bar_divide(values, n, width, cells);
	add_cell(line, TOP_PLAIN, '[');
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < cells[i]; j++)
			add_cell(line, parts[i].style, parts[i].ch);
	add_cell(line, TOP_PLAIN, ']');
}

static void add_guest_bar(struct top_line *line, const struct memory_parts *p, size_t width)
{
	const struct top_bar_part parts[] = {
		{ TOP_PART_PRIVATE, '#', p->private },
		{ TOP_PART_CACHE, '=', p->page_cache },
		{ TOP_PART_MERGED, '%', p->merged },
		{ TOP_PART_SWAPPED, 's', p->swapped },
		{ TOP_PART_BALLOON, 'o', p->ballooned },
		{ TOP_PART_REPORTED, '-', p->reported_free },
		{ TOP_PART_UNTOUCHED, '.', p->untouched },
	};

	top_bar_add(line, parts, ARRAY_SIZE(parts), width);
}

void top_text_legend(size_t width, struct top_line *line)
{
	static const struct {
		enum top_style style;
		char ch;
		const char *word;
	} rows[] = {
		{ TOP_PART_PRIVATE, '#', "private" },
		{ TOP_PART_CACHE, '=', "page cache" },
		{ TOP_PART_MERGED, '%', "merged" },
		{ TOP_PART_SWAPPED, 's', "swapped" },
		{ TOP_PART_BALLOON, 'o', "balloon" },
		{ TOP_PART_REPORTED, '-', "reported free" },
		{ TOP_PART_UNTOUCHED, '.', "untouched" },
	};

	top_line_clear(line, width);
	top_line_add(line, TOP_DIM, "RAM:");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		top_line_add(line, TOP_PLAIN, i ? "  " : " ");
		add_cell(line, rows[i].style, rows[i].ch);
		top_line_add(line, TOP_PLAIN, " %s", rows[i].word);
	}
}

/* The table */

static const struct column {
	const char *title;
	size_t width;	   /* without the blank behind it; a name's is the layout's */
	unsigned priority; /* 0: always there; the highest go first */
	char *(*format)(uint64_t value, char *buf);
} columns[TOP_KEYS] = {
	[TOP_NAME] = { "NAME", 0, 0, NULL },
	[TOP_STATE] = { "STATE", 8, 1, NULL },
	[TOP_CPU] = { "CPU%", 5, 2, top_percent },
	[TOP_VCPU] = { "VCPU%", 5, 12, top_percent },
	[TOP_SIZE] = { "SIZE", 5, 3, top_size },
	[TOP_RESIDENT] = { "RES", 5, 4, top_size },
	[TOP_PRIVATE] = { "PRIV", 5, 5, top_size },
	[TOP_CACHE] = { "CACHE", 5, 15, top_size },
	[TOP_MERGED] = { "MERGE", 5, 10, top_size },
	[TOP_SWAPPED] = { "SWAP", 5, 6, top_size },
	[TOP_BALLOON] = { "BALLN", 5, 7, top_size },
	[TOP_REPORTED] = { "REPRT", 5, 14, top_size },
	[TOP_UNTOUCHED] = { "UNTCH", 5, 19, top_size },
	[TOP_OVERHEAD] = { "OVHD", 5, 18, top_size },
	[TOP_SWAP_IN] = { "SWI/s", 5, 11, top_size },
	[TOP_SWAP_OUT] = { "SWO/s", 5, 16, top_size },
	[TOP_FAULTS] = { "FLT/s", 5, 17, top_count },
	[TOP_FREE] = { "GFREE", 5, 13, top_size },
	[TOP_AVAILABLE] = { "GAVAI", 5, 8, top_size },
	[TOP_AGE] = { "AGE", 4, 9, top_age },
};

enum {
	NAME_MIN = 8,
	NAME_MAX_SHOWN = 24,
	BAR_MIN = 8, /* without its brackets; a shorter one says nothing */
};

/* As wide as the longest name, within bounds. */
static size_t name_width(const struct top_snapshot *snapshot, size_t width)
{
	size_t longest = NAME_MIN;

	for (size_t i = 0; i < snapshot->n; i++) {
		size_t len = strlen(snapshot->guests[i].name);

		longest = len > longest ? len : longest;
	}

	size_t most = width / 6 < NAME_MIN ? NAME_MIN : width / 6;

	most = most > NAME_MAX_SHOWN ? NAME_MAX_SHOWN : most;
	return longest > most ? most : longest;
}

/* Adds a column if there is room for it in most cells. */
static void show_column(struct top_layout *layout, enum top_key key, size_t *used, size_t most)
{
	size_t width = columns[key].width + 1;

	if (layout->shown[key] || *used + width > most)
		return;
	layout->shown[key] = true;
	*used += width;
}

void top_layout_make(const struct top_snapshot *snapshot, enum top_key sort, size_t width,
		     struct top_layout *ret_layout)
{
	struct top_layout layout = {
		.width = width < TOP_COLUMNS_MAX ? width : TOP_COLUMNS_MAX,
	};

	layout.name_width = name_width(snapshot, layout.width);
	layout.shown[TOP_NAME] = true;

	/* A quarter is for the bar. */
	size_t used = layout.name_width + 1;
	size_t most = layout.width - layout.width / 4;

	show_column(&layout, sort, &used, most);
	for (unsigned priority = 1; priority < TOP_KEYS; priority++)
		for (int key = 0; key < TOP_KEYS; key++)
			if (columns[key].priority == priority)
				show_column(&layout, (enum top_key)key, &used, most);
	if (layout.width >= used + BAR_MIN + 2)
		layout.bar_width = layout.width - used - 2;
	*ret_layout = layout;
}

void top_text_header(const struct top_layout *layout, enum top_key sort, struct top_line *line)
{
	top_line_clear(line, layout->width);
	for (int key = 0; key < TOP_KEYS; key++) {
		const struct column *c = &columns[key];
		enum top_style style = key == (int)sort ? TOP_SORTED : TOP_HEADER;
		int width = (int)(key == TOP_NAME ? layout->name_width : c->width);

		if (!layout->shown[key])
			continue;
		/* Words to the left, figures to the right. */
		top_line_add(line, style, "%*s", c->format ? width : -width, c->title);
		top_line_add(line, TOP_HEADER, " ");
	}
	if (layout->bar_width > 0)
		top_line_add(line, TOP_HEADER, "%-*s", (int)layout->bar_width + 2, "RAM");
}

/* A name that is too long ends with '~'. */
static void add_word(struct top_line *line, enum top_style style, const char *word, size_t width)
{
	if (strlen(word) <= width)
		top_line_add(line, style, "%-*s", (int)width, word);
	else
		top_line_add(line, style, "%.*s~", (int)width - 1, word);
}

static enum top_style state_style(const struct top_guest *guest)
{
	static const char *const quiet[] = { "running", "paused", "starting", "stopping" };

	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++)
		if (strcmp(guest->state, quiet[i]) == 0)
			return i == 0 ? TOP_PLAIN : TOP_DIM;
	return TOP_WARNING;
}

void top_text_guest(const struct top_layout *layout, const struct top_guest *guest,
		    struct top_line *line)
{
	char figure[TOP_FIGURE_MAX];

	top_line_clear(line, layout->width);
	add_word(line, TOP_PLAIN, guest->name, layout->name_width);
	top_line_add(line, TOP_PLAIN, " ");
	if (!guest->known) {
		top_line_add(line, state_style(guest), "%s", guest->state);
		return;
	}
	for (int key = TOP_NAME + 1; key < TOP_KEYS; key++) {
		const struct column *c = &columns[key];

		if (!layout->shown[key])
			continue;
		if (key == TOP_STATE)
			add_word(line, state_style(guest), guest->state, c->width);
		else
			top_line_add(line, TOP_PLAIN, "%*s", (int)c->width,
				     c->format(top_key_value((enum top_key)key, guest), figure));
		top_line_add(line, TOP_PLAIN, " ");
	}
	if (layout->bar_width > 0 && guest->has_memory)
		add_guest_bar(line, &guest->parts, layout->bar_width);
}
