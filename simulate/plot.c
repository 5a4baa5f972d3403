/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario as a picture: see plot.h. */
#include "simulate/plot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "base/size.h"
#include "simulate/account.h"
#include "simulate/run.h"

/* Where things are, in pixels. */
enum {
	WIDTH = 1000,
	LEFT = 80,
	RIGHT = 820, /* beyond it is the legend */
	SPAN = RIGHT - LEFT,
	PANEL = 200, /* a panel's height */
	GAP = 60,
	TOP = 60,
	STRIP = 12, /* of states, below the margin */
	HEIGHT = TOP + 3 * (PANEL + GAP) + 10,
	TICKS_X = 8,
	TICKS_Y = 4,
	LEGEND_ROW = 18,
};

/* Told apart by those who see fewer colours, too (Okabe and Ito). */
static const char *const colours[] = { "#0072b2", "#e69f00", "#009e73", "#cc79a7",
				       "#56b4e9", "#d55e00", "#f0e442", "#999999" };
static const char *const state_colours[] = { "#cfe8cf", "#f5e6a8", "#f0b27a", "#d9534f" };

struct picture {
	const struct scenario *scenario;
	const struct run_result *result;
	FILE *out;
	uint64_t top; /* what a panel's upper edge stands for */
	int y;	      /* of the panel's upper edge */
};

static double x_of(double point)
{
	return LEFT + SPAN * point / FIGURES_POINTS;
}

static double y_of(const struct picture *p, uint64_t value)
{
	double part = p->top ? (double)value / (double)p->top : 0;

	return p->y + PANEL * (1 - (part > 1 ? 1 : part));
}

static const struct figures_point *point_at(const struct picture *p, size_t point)
{
	return &p->result->figures->points[point];
}

/* Nothing was counted in a point that a long step passed over: it's as the one before. */
static size_t counted(const struct picture *p, size_t point)
{
	while (point > 0 && point_at(p, point)->ms == 0)
		point--;
	return point;
}

static const struct figures_mean *mean_at(const struct picture *p, size_t group, size_t point)
{
	return &p->result->figures->by_point[group * FIGURES_POINTS + counted(p, point)];
}

static uint64_t resident_at(const struct picture *p, size_t group, size_t point)
{
	return figures_average(mean_at(p, group, point)->resident,
			       point_at(p, counted(p, point))->ms);
}

static uint64_t waited_at(const struct picture *p, size_t group, size_t point)
{
	const struct figures_mean *mean = mean_at(p, group, point);

	return figures_average(mean->waited, mean->guest_ms);
}

static void text(const struct picture *p, double x, double y, const char *anchor, const char *words)
{
	fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
		words);
}

static void line(const struct picture *p, double x1, double y1, double x2, double y2,
		 const char *style)
{
	fprintf(p->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2,
		y2, style);
}

static void label_size(uint64_t value, char buf[SIZE_TEXT_MAX])
{
	size_format(value, buf);
}

static void label_percent(uint64_t value, char buf[SIZE_TEXT_MAX])
{
	uint64_t permille = value / (MODEL_FULL / 1000);

	snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 " %%", permille / 10, permille % 10);
}

static void draw_axes(const struct picture *p, const char *title,
		      void (*label)(uint64_t value, char buf[SIZE_TEXT_MAX]))
{
	char words[SIZE_TEXT_MAX];
	char time[ACCOUNT_TIME_MAX];

	fputs("<g class=\"title\">", p->out);
	text(p, LEFT, p->y - 8, "start", title);
	fputs("</g>\n", p->out);
	for (unsigned i = 0; i <= TICKS_Y; i++) {
		uint64_t value = p->top / TICKS_Y * i;

		line(p, LEFT, y_of(p, value), RIGHT, y_of(p, value), "class=\"grid\"");
		label(value, words);
		text(p, LEFT - 6, y_of(p, value) + 4, "end", words);
	}
	for (unsigned i = 0; i <= TICKS_X; i++) {
		double x = LEFT + (double)SPAN * i / TICKS_X;

		line(p, x, p->y, x, p->y + PANEL, "class=\"grid\"");
		text(p, x, p->y + PANEL + STRIP + 16, "middle",
		     account_time(p->scenario->duration_ms / TICKS_X * i, time));
	}
}

static void draw_legend(const struct picture *p, int row, const char *colour, const char *words)
{
	int y = p->y + 10 + row * LEGEND_ROW;

	fprintf(p->out,
		"<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\" "
		"stroke=\"#666\" stroke-width=\"0.5\"/>\n",
		RIGHT + 14, y - 10, colour);
	text(p, RIGHT + 32, y, "start", words);
}

static const char *colour_of(size_t group)
{
	return colours[group % ARRAY_SIZE(colours)];
}

static void draw_group_legend(const struct picture *p)
{
	for (size_t i = 0; i < p->scenario->n_groups; i++)
		draw_legend(p, (int)i, colour_of(i), p->scenario->groups[i].name);
}

/* Groups' memory, one on the other. below and above are of FIGURES_POINTS. */
static void draw_area(const struct picture *p, size_t group, const uint64_t *below,
		      const uint64_t *above)
{
	fprintf(p->out, "<polygon fill=\"%s\" fill-opacity=\"0.85\" points=\"", colour_of(group));
	for (size_t i = 0; i < FIGURES_POINTS; i++)
		fprintf(p->out, "%.1f,%.1f ", x_of((double)i + 0.5), y_of(p, above[i]));
	for (size_t i = FIGURES_POINTS; i-- > 0;)
		fprintf(p->out, "%.1f,%.1f ", x_of((double)i + 0.5), y_of(p, below[i]));
	fputs("\"/>\n", p->out);
}

static void draw_memory(struct picture *p)
{
	uint64_t below[FIGURES_POINTS] = { 0 };
	uint64_t above[FIGURES_POINTS];

	p->top = p->scenario->host.memory - p->scenario->host.reserve;
	draw_axes(p, "RAM that guests have, of what they may have together", label_size);
	for (size_t group = 0; group < p->scenario->n_groups; group++) {
		for (size_t i = 0; i < FIGURES_POINTS; i++)
			above[i] = below[i] + resident_at(p, group, i);
		draw_area(p, group, below, above);
		memcpy(below, above, sizeof(below));
	}
	draw_group_legend(p);
}

/* The worst state that the host was in for a tenth of the point. */
static enum policy_state state_at(const struct picture *p, size_t point)
{
	const struct figures_point *at = point_at(p, counted(p, point));
	int state = FIGURES_STATES - 1;

	while (state > 0 && at->state_ms[state] * 10 < at->ms)
		state--;
	return (enum policy_state)state;
}

static void draw_states(const struct picture *p)
{
	for (size_t i = 0; i < FIGURES_POINTS; i++)
		fprintf(p->out,
			"<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
			x_of((double)i), p->y + PANEL, (double)SPAN / FIGURES_POINTS + 0.1, STRIP,
			state_colours[state_at(p, i)]);
	for (int i = 0; i < FIGURES_STATES; i++)
		draw_legend(p, i + 2, state_colours[i], policy_state_name((enum policy_state)i));
}

static void draw_line(const struct picture *p, const char *colour,
		      uint64_t (*value)(const struct picture *p, size_t group, size_t point),
		      size_t group)
{
	fprintf(p->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"",
		colour);
	for (size_t i = 0; i < FIGURES_POINTS; i++)
		fprintf(p->out, "%.1f,%.1f ", x_of((double)i + 0.5), y_of(p, value(p, group, i)));
	fputs("\"/>\n", p->out);
}

static uint64_t margin_at(const struct picture *p, size_t group, size_t point)
{
	(void)group;
	return point_at(p, counted(p, point))->least_margin;
}

/* Twice what is wanted is as good as more. */
static void draw_margin(struct picture *p)
{
	uint64_t wanted = policy_wanted_margin(p->scenario->host.memory -
					       p->scenario->host.reserve);

	p->top = 2 * wanted;
	draw_axes(p, "the host's least margin, and its state below", label_size);
	line(p, LEFT, y_of(p, wanted), RIGHT, y_of(p, wanted),
	     "stroke=\"#555\" stroke-dasharray=\"5 4\"");
	draw_line(p, "#222", margin_at, 0);
	draw_legend(p, 0, "#222", "margin");
	draw_legend(p, 1, "#fff", "wanted: dashed");
	if (p->result->options.policy == RUN_LODGE)
		draw_states(p);
}

static uint64_t most_waited(const struct picture *p)
{
	uint64_t most = MODEL_FULL / 100;

	for (size_t group = 0; group < p->scenario->n_groups; group++)
		for (size_t i = 0; i < FIGURES_POINTS; i++)
			if (waited_at(p, group, i) > most)
				most = waited_at(p, group, i);
	return most;
}

static void draw_waiting(struct picture *p)
{
	p->top = most_waited(p);
	draw_axes(p, "time that guests waited for memory", label_percent);
	for (size_t group = 0; group < p->scenario->n_groups; group++)
		draw_line(p, colour_of(group), waited_at, group);
	draw_group_legend(p);
}

void plot_draw(const struct scenario *scenario, const struct run_result *result, FILE *out)
{
	struct picture p = { scenario, result, out, 0, TOP };

	fprintf(
	    out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	    "viewBox=\"0 0 %d %d\">\n"
	    "<style>text{font:11px sans-serif;fill:#222}.title text{font-weight:bold}"
	    ".grid{stroke:#ddd;stroke-width:1}</style>\n"
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
	    "<text x=\"%d\" y=\"26\" style=\"font:bold 15px sans-serif\">%s, policy %s</text>\n",
	    WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, scenario->name, account_policy(result));
	draw_memory(&p);
	p.y += PANEL + GAP;
	draw_margin(&p);
	p.y += PANEL + GAP;
	draw_waiting(&p);
	fputs("</svg>\n", out);
}

/* Writing it */

static int draw_text(const struct scenario *scenario, const struct run_result *result,
		     char **ret_text, size_t *ret_len, struct err **err)
{
	FILE *out = open_memstream(ret_text, ret_len);

	if (!out)
		return err_set(err, ERR_NO_SPACE, errno, "plot");
	plot_draw(scenario, result, out);
	if (fclose(out) != 0)
		return err_set(err, ERR_NO_SPACE, errno, "plot");
	return 0;
}

/* A device or pipe of that name isn't replaced by a file. */
static int check_place(const char *path, struct err **err)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, 0, "%s is there and no file", path);
	return 0;
}

static int write_whole(int fd, const char *words, size_t len, const char *temporary,
		       const char *path, struct err **err)
{
	mode_t mask = umask(0);

	umask(mask);
	if (fdio_write(fd, words, len, err) < 0)
		return err_wrap(err, "%s", path);
	if (fchmod(fd, 0666 & ~mask) < 0 || rename(temporary, path) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "%s", path);
	return 0;
}

int plot_save(const struct scenario *scenario, const struct run_result *result, const char *path,
	      struct err **err)
{
	_cleanup_free_ char *words = NULL;
	_cleanup_free_ char *temporary = NULL;
	size_t len = 0;

	if (check_place(path, err) < 0 || draw_text(scenario, result, &words, &len, err) < 0)
		return -1;
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return err_set(err, ERR_NO_SPACE, ENOMEM, "plot");
	}

	_cleanup_close_ int fd = mkstemp(temporary);

	if (fd < 0)
		return err_set(err, ERR_USAGE, errno, "%s", path);
	if (write_whole(fd, words, len, temporary, path, err) < 0) {
		unlink(temporary);
		return -1;
	}
	return 0;
}
