/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `lodge top` apart from the terminal: see top_view.h. */
#include "cmd/top_view.h"

#include "base/cleanup.h"
#include "base/sums.h"

/* From the top: a title, the host, the last decisions, a legend, the table's header, guests, and a
 * line with the most needed keys. A low screen has the title, the header and guests; a lower one
 * only guests. */
struct geometry {
	bool title;
	bool host;
	bool header;
	bool keys;
	size_t decisions; /* rows for them */
	size_t guests;	  /* rows for them */
};

/* One row in so many, so that there's room for guests on a low screen. */
enum { ROWS_PER_DECISION = 8 };

/* n decisions that are to be shown, if there's room. */
static struct geometry make_geometry(size_t rows, size_t n)
{
	struct geometry g = {
		.header = rows >= 2,
		.title = rows >= 3,
		.keys = rows >= 8,
		.host = rows >= TOP_HOST_LINES + 8,
	};
	size_t taken = (size_t)g.header + g.title + g.keys + (g.host ? TOP_HOST_LINES + 1 : 0);

	g.decisions = g.host ? least(n, rows / ROWS_PER_DECISION) : 0;
	g.guests = rows - taken - g.decisions;
	return g;
}

enum top_input top_view_key(int ch)
{
	switch (ch) {
	case 'q':
	case 'Q':
		return TOP_INPUT_QUIT;
	case 's':
	case '>':
		return TOP_INPUT_SORT_NEXT;
	case 'S':
	case '<':
		return TOP_INPUT_SORT_PREVIOUS;
	case 'r':
		return TOP_INPUT_REVERSE;
	case 'k':
		return TOP_INPUT_UP;
	case 'j':
		return TOP_INPUT_DOWN;
	case ' ':
		return TOP_INPUT_PAGE_DOWN;
	case '+':
		return TOP_INPUT_SLOWER;
	case '-':
		return TOP_INPUT_FASTER;
	case 'd':
		return TOP_INPUT_DECISIONS;
	case 'p':
		return TOP_INPUT_PAUSE;
	case 'h':
	case '?':
		return TOP_INPUT_HELP;
	default:
		return TOP_INPUT_NONE;
	}
}

/* The steps of + and -: what people ask for. */
static void change_interval(struct top_view *view, bool longer)
{
	static const unsigned steps[] = { 100,	200,   500,   1000,  2000,   3000,
					  5000, 10000, 30000, 60000, 300000, TOP_INTERVAL_MAX };
	const size_t n = ARRAY_SIZE(steps);
	size_t i = 0;

	if (longer) {
		while (i < n - 1 && steps[i] <= view->interval_ms)
			i++;
	} else {
		i = n - 1;
		while (i > 0 && steps[i] >= view->interval_ms)
			i--;
	}
	view->interval_ms = steps[i];
}

static void scroll(struct top_view *view, bool down, size_t by, size_t room, size_t n)
{
	size_t last = n > room ? n - room : 0;

	/* Guests may have gone since it was drawn. */
	if (view->first > last)
		view->first = last;
	if (!down)
		view->first -= view->first < by ? view->first : by;
	else
		view->first = last - view->first > by ? view->first + by : last;
}

bool top_view_take(struct top_view *view, enum top_input input, size_t rows, size_t n)
{
	size_t room = make_geometry(rows, view->decisions).guests;
	size_t page = room > 1 ? room - 1 : 1;

	/* Whatever is pressed while the help is shown ends it. */
	if (view->help && input != TOP_INPUT_QUIT) {
		view->help = false;
		return true;
	}
	switch (input) {
	case TOP_INPUT_NONE:
		break;
	case TOP_INPUT_QUIT:
		return false;
	case TOP_INPUT_SORT_NEXT:
		view->sort = (enum top_key)((view->sort + 1) % TOP_KEYS);
		break;
	case TOP_INPUT_SORT_PREVIOUS:
		view->sort = (enum top_key)((view->sort + TOP_KEYS - 1) % TOP_KEYS);
		break;
	case TOP_INPUT_REVERSE:
		view->reverse = !view->reverse;
		break;
	case TOP_INPUT_UP:
	case TOP_INPUT_DOWN:
		scroll(view, input == TOP_INPUT_DOWN, 1, room, n);
		break;
	case TOP_INPUT_PAGE_UP:
	case TOP_INPUT_PAGE_DOWN:
		scroll(view, input == TOP_INPUT_PAGE_DOWN, page, room, n);
		break;
	case TOP_INPUT_FIRST:
	case TOP_INPUT_LAST:
		scroll(view, input == TOP_INPUT_LAST, n, room, n);
		break;
	case TOP_INPUT_SLOWER:
	case TOP_INPUT_FASTER:
		change_interval(view, input == TOP_INPUT_SLOWER);
		break;
	case TOP_INPUT_PAUSE:
		view->paused = !view->paused;
		break;
	case TOP_INPUT_DECISIONS:
		view->hide_decisions = !view->hide_decisions;
		break;
	case TOP_INPUT_HELP:
		view->help = true;
		break;
	}
	return true;
}

static void add_interval(struct top_line *line, unsigned ms)
{
	if (ms % 1000 == 0)
		top_line_add(line, TOP_PLAIN, "every %u s", ms / 1000);
	else
		top_line_add(line, TOP_PLAIN, "every %u.%u s", ms / 1000, ms % 1000 / 100);
}

static void title_line(const struct top_view *view, size_t n, size_t room, struct top_line *line)
{

	top_line_add(line, TOP_TITLE, "lodge top ");
	if (view->paused)
		top_line_add(line, TOP_WARNING, " paused ");
	top_line_add(line, TOP_PLAIN, " %zu guest%s", n, n == 1 ? "" : "s");
	top_line_add(line, TOP_PLAIN, ", by %s%s, ", top_key_word(view->sort),
		     view->reverse ? " reversed" : "");
	add_interval(line, view->interval_ms);
	if (n > room && room > 0)
		top_line_add(line, TOP_DIM, ", rows %zu to %zu", view->first + 1,
			     view->first + room);
}

static const char *const help_lines[] = {
	"q              quit",
	"s  S   >  <    sort by the next or the previous figure",
	"r              reverse the order",
	"Up Down  k j   scroll by a guest",
	"PgUp PgDn      scroll by a page (also the space bar); Home, End",
	"+  -           look less often, more often",
	"d              hide the governor's decisions, and show them",
	"p              hold the display still, and let it go on",
	"?              this help; any key ends it",
	"",
	"CPU%, VCPU%: of one CPU; VCPU% is the part in the guest's own code.",
	"SWI/s, SWO/s, FLT/s: swapped in and out, and major faults, a second.",
	"GFREE, GAVAI, AGE: what the guest says is free and available, and how old that is.",
	"All figures: man lodge-top",
};

/* Where the lines of a screen go. */
struct canvas {
	void (*draw)(void *opaque, size_t row, const struct top_line *line);
	void *opaque;
	size_t row;
	size_t columns;
	struct top_line line;
};

static struct top_line *begin(struct canvas *canvas)
{
	top_line_clear(&canvas->line, canvas->columns);
	return &canvas->line;
}

static void end(struct canvas *canvas)
{
	canvas->draw(canvas->opaque, canvas->row++, &canvas->line);
}

static void draw_help(struct canvas *canvas, size_t rows)
{
	for (size_t i = 0; i < rows; i++) {
		begin(canvas);
		if (i < ARRAY_SIZE(help_lines))
			top_line_add(&canvas->line, TOP_PLAIN, "%s", help_lines[i]);
		end(canvas);
	}
}

static void draw_host(struct canvas *canvas, const struct top_snapshot *snapshot, size_t decisions)
{
	for (size_t i = 0; i < TOP_HOST_LINES; i++) {
		begin(canvas);
		if (snapshot)
			top_text_host(snapshot, i, canvas->columns, &canvas->line);
		end(canvas);
	}
	for (size_t i = 0; i < decisions; i++) {
		top_text_decision(snapshot, i, canvas->columns, begin(canvas));
		end(canvas);
	}
	begin(canvas);
	top_text_legend(canvas->columns, &canvas->line);
	end(canvas);
}

static void draw_guests(struct canvas *canvas, const struct top_view *view,
			const struct top_snapshot *snapshot, const size_t *order,
			const struct geometry *g)
{
	static const struct top_snapshot none;
	struct top_layout layout;

	top_layout_make(snapshot ? snapshot : &none, view->sort, canvas->columns, &layout);
	if (g->header) {
		top_text_header(&layout, view->sort, begin(canvas));
		end(canvas);
	}
	for (size_t i = 0; i < g->guests; i++) {
		struct top_line *line = begin(canvas);

		if (snapshot && view->first + i < snapshot->n)
			top_text_guest(&layout, &snapshot->guests[order[view->first + i]], line);
		else if (i == 0)
			top_line_add(line, TOP_DIM,
				     snapshot ? "No guests." : "Asking the guests...");
		end(canvas);
	}
}

static size_t wanted_decisions(const struct top_view *view, const struct top_snapshot *snapshot)
{
	return snapshot && !view->hide_decisions ? top_governor_decisions(&snapshot->governor) : 0;
}

void top_view_draw(struct top_view *view, const struct top_snapshot *snapshot, const size_t *order,
		   size_t rows, size_t columns,
		   void (*draw)(void *opaque, size_t row, const struct top_line *line),
		   void *opaque)
{
	struct canvas canvas = { .draw = draw, .opaque = opaque, .columns = columns };
	struct geometry g = make_geometry(rows, wanted_decisions(view, snapshot));
	size_t n = snapshot ? snapshot->n : 0;

	view->decisions = g.decisions;
	/* Guests may have gone, or the screen grown. */
	if (view->first + g.guests > n)
		view->first = n > g.guests ? n - g.guests : 0;
	if (view->help) {
		draw_help(&canvas, rows);
		return;
	}
	if (g.title) {
		title_line(view, n, g.guests, begin(&canvas));
		end(&canvas);
	}
	if (g.host)
		draw_host(&canvas, snapshot, g.decisions);
	draw_guests(&canvas, view, snapshot, order, &g);
	if (g.keys) {
		top_line_add(
		    begin(&canvas), TOP_DIM,
		    "q quit  s sort  r reverse  arrows scroll  +/- rate  d decisions  p pause  ? help");
		end(&canvas);
	}
}
