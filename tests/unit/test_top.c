/* SPDX-License-Identifier: Apache-2.0 */
/* What `lodge top` shows, and how: rates, order, lines and screens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cmd/top_data.h"
#include "cmd/top_text.h"
#include "cmd/top_view.h"
#include "host/fields.h"

#define MIB (UINT64_C(1) << 20)

static struct top_guest make_guest(const char *name, uint64_t private, uint64_t swapped)
{
	struct top_guest guest = {
		.state = "running",
		.known = true,
		.has_memory = true,
		.pid = 4711,
		.cpus = 1,
		.parts = {
			.guest = 64 * MIB,
			.private = private,
			.swapped = swapped,
			.untouched = 64 * MIB - private - swapped,
			.resident = private,
			.share = private,
			.page_tables = HOST_UNKNOWN,
			.kvm_page_tables = HOST_UNKNOWN,
			.kernel_other = HOST_UNKNOWN,
		},
	};

	snprintf(guest.name, sizeof(guest.name), "%s", name);
	top_rates_clear(&guest.rates);
	return guest;
}

static struct top_guest make_silent(const char *name)
{
	struct top_guest guest = { .state = "unresponsive" };

	snprintf(guest.name, sizeof(guest.name), "%s", name);
	return guest;
}

/* Rates */

static struct top_sample make_sample(int64_t time_ms)
{
	return (struct top_sample){
		.time_ms = time_ms,
		.activity = { .started = 1, .cpu_ms = 1000, .guest_ms = 500, .major_faults = 10 },
		.swapped = 10 * MIB,
		.swapped_in = HOST_UNKNOWN,
		.swapped_out = HOST_UNKNOWN,
	};
}

static void rates_are_differences_over_the_time_between(void **state)
{
	struct top_sample a = make_sample(10000);
	struct top_sample b = make_sample(12000);
	struct top_rates rates;

	(void)state;
	b.activity.cpu_ms += 3000;
	b.activity.guest_ms += 1000;
	b.activity.major_faults += 20;
	a.swapped_in = 0;
	b.swapped_in = 4 * MIB;
	a.swapped_out = MIB;
	b.swapped_out = 3 * MIB;
	top_rates_of_guest(&a, &b, &rates);
	assert_int_equal(rates.cpu, 1500);
	assert_int_equal(rates.vcpu, 500);
	assert_int_equal(rates.major_faults, 10);
	assert_int_equal(rates.swap_in, 2 * MIB);
	assert_int_equal(rates.swap_out, MIB);
}

static void the_part_in_the_guest_is_not_more_than_the_whole(void **state)
{
	struct top_sample a = make_sample(0);
	struct top_sample b = make_sample(1000);
	struct top_rates rates;

	(void)state;
	b.activity.cpu_ms += 100;
	b.activity.guest_ms += 110;
	top_rates_of_guest(&a, &b, &rates);
	assert_int_equal(rates.vcpu, 100);
	assert_int_equal(rates.cpu, 100);
}

static void swapping_that_is_not_counted_is_what_the_swapped_part_moved_by(void **state)
{
	struct top_sample a = make_sample(0);
	struct top_sample b = make_sample(2000);
	struct top_rates rates;

	(void)state;
	b.swapped = 14 * MIB;
	top_rates_of_guest(&a, &b, &rates);
	assert_int_equal(rates.swap_out, 2 * MIB);
	assert_int_equal(rates.swap_in, 0);
	top_rates_of_guest(&b, &a, &rates); /* time runs backwards */
	assert_true(rates.swap_in == HOST_UNKNOWN);
	b.time_ms = -2000;
	top_rates_of_guest(&b, &a, &rates);
	assert_int_equal(rates.swap_in, 2 * MIB);
	assert_int_equal(rates.swap_out, 0);
}

static void another_process_of_the_same_pid_has_no_rates_yet(void **state)
{
	struct top_sample a = make_sample(0);
	struct top_sample b = make_sample(1000);
	struct top_rates rates;

	(void)state;
	b.activity.started = 2;
	b.activity.cpu_ms += 10;
	top_rates_of_guest(&a, &b, &rates);
	assert_true(rates.cpu == HOST_UNKNOWN);
	assert_true(rates.swap_out == HOST_UNKNOWN);
}

static void the_hosts_processors_are_never_busier_than_they_can_be(void **state)
{
	struct top_host a = { .time_ms = 0, .activity = { .cpus = 2 } };
	/* More ticks than time: the kernel's counters are read at different moments. */
	struct top_host b = { .time_ms = 1000,
			      .activity = { .cpus = 2, .busy_ms = 2030, .guests_ms = 1015 } };
	struct top_rates rates;

	(void)state;
	top_rates_of_host(&a, &b, &rates);
	assert_int_equal(rates.cpu, 2000);
	assert_int_equal(rates.vcpu, 1000);
	top_rates_of_host(&a, &a, &rates);
	assert_true(rates.cpu == HOST_UNKNOWN);
}

/* Order */

static void assert_order(const struct top_snapshot *snapshot, enum top_key key, bool reverse,
			 const char *expected)
{
	size_t order[8];
	char names[9] = "";

	top_sort(snapshot, key, reverse, order);
	for (size_t i = 0; i < snapshot->n; i++)
		names[i] = snapshot->guests[order[i]].name[0];
	assert_string_equal(names, expected);
}

static void guests_are_sorted_by_any_figure_and_equal_ones_by_name(void **state)
{
	struct top_guest guests[] = {
		make_guest("a", 8 * MIB, 0),
		make_guest("b", 32 * MIB, MIB),
		make_guest("c", 8 * MIB, 2 * MIB),
		make_guest("d", 16 * MIB, MIB),
	};
	struct top_snapshot snapshot = { .guests = guests, .n = ARRAY_SIZE(guests) };

	(void)state;
	assert_order(&snapshot, TOP_NAME, false, "abcd");
	assert_order(&snapshot, TOP_NAME, true, "dcba");
	assert_order(&snapshot, TOP_PRIVATE, false, "bdac");
	assert_order(&snapshot, TOP_PRIVATE, true, "acdb");
	assert_order(&snapshot, TOP_SWAPPED, false, "cbda");
	assert_order(&snapshot, TOP_SIZE, false, "abcd");
	/* Also where the guests themselves aren't by name. */
	guests[0] = make_guest("e", 8 * MIB, 0);
	assert_order(&snapshot, TOP_SIZE, false, "bcde");
	assert_order(&snapshot, TOP_PRIVATE, true, "cedb");
}

static void what_is_not_known_comes_last_either_way(void **state)
{
	struct top_guest guests[] = {
		make_silent("a"),
		make_guest("b", MIB, 0),
		make_guest("c", 2 * MIB, 0),
	};
	struct top_snapshot snapshot = { .guests = guests, .n = ARRAY_SIZE(guests) };

	(void)state;
	assert_order(&snapshot, TOP_PRIVATE, false, "cba");
	assert_order(&snapshot, TOP_PRIVATE, true, "bca");
	guests[1].rates.cpu = 5;
	assert_order(&snapshot, TOP_CPU, true, "bac");
}

static void every_figure_has_a_word_that_finds_it(void **state)
{
	enum top_key key;

	(void)state;
	for (int i = 0; i < TOP_KEYS; i++) {
		assert_non_null(top_key_word((enum top_key)i));
		assert_true(top_key_find(top_key_word((enum top_key)i), &key));
		assert_int_equal(key, i);
	}
	assert_false(top_key_find("bananas", &key));
	assert_false(top_key_find("", &key));
}

static void no_order_of_no_guests(void **state)
{
	struct top_snapshot snapshot = { 0 };
	size_t order[1] = { 99 };

	(void)state;
	top_sort(&snapshot, TOP_CPU, false, order);
	assert_int_equal(order[0], 99);
}

/* Figures */

static void sizes_have_at_most_five_characters(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0B" },
		{ 1023, "1023B" },
		{ 1024, "1K" },
		{ 1024 + 103, "1.1K" },
		{ 10188, "9.9K" },
		{ 10230, "10K" },
		{ 1023 * 1024 + 511, "1023K" },
		{ 1023 * 1024 + 512, "1M" },
		{ 64 * MIB, "64M" },
		{ 1536 * MIB, "1.5G" },
		{ UINT64_MAX - 1, "16E" },
		{ HOST_UNKNOWN, "-" },
	};
	char buf[TOP_FIGURE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(top_size(rows[i].bytes, buf), rows[i].text);
	for (uint64_t bytes = 1; bytes < UINT64_MAX / 3; bytes = bytes * 5 / 2 + 1)
		assert_true(strlen(top_size(bytes, buf)) <= 5);
}

static void other_figures_fit_their_columns(void **state)
{
	char buf[TOP_FIGURE_MAX];

	(void)state;
	assert_string_equal(top_count(9999, buf), "9999");
	assert_string_equal(top_count(10000, buf), "10k");
	assert_string_equal(top_count(999999, buf), "999k");
	assert_string_equal(top_count(1234567, buf), "1M");
	assert_string_equal(top_count(UINT64_MAX - 1, buf), "18E");
	assert_string_equal(top_percent(3, buf), "0.3");
	assert_string_equal(top_percent(999, buf), "99.9");
	assert_string_equal(top_percent(2505, buf), "250");
	assert_string_equal(top_percent(HOST_UNKNOWN, buf), "-");
	assert_string_equal(top_age(2999, buf), "2s");
	assert_string_equal(top_age(99 * 1000, buf), "99s");
	assert_string_equal(top_age(100 * 1000, buf), "1m");
	assert_string_equal(top_age(UINT64_C(99) * 3600 * 1000, buf), "99h");
	assert_string_equal(top_age(UINT64_C(100) * 3600 * 1000, buf), "4d");
	assert_string_equal(top_age(HOST_UNKNOWN, buf), "-");
}

/* Bars */

static void a_bars_cells_add_up_to_its_width(void **state)
{
	static const uint64_t bars[][4] = {
		{ 1, 1, 1, 0 },		 { 1, 1, 1, 1 },
		{ 7, 0, 0, 1 },		 { UINT64_MAX, UINT64_MAX, UINT64_MAX, 1 },
		{ 1, UINT64_MAX, 0, 3 }, { 333, 333, 334, 1000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bars); i++)
		for (size_t width = 0; width < 200; width++) {
			size_t cells[4];
			size_t sum = 0;
			double whole = 0;

			top_bar_divide(bars[i], 4, width, cells);
			for (size_t j = 0; j < 4; j++)
				whole += (double)bars[i][j];
			for (size_t j = 0; j < 4; j++) {
				double exact = (double)bars[i][j] * (double)width / whole;

				sum += cells[j];
				assert_true((double)cells[j] > exact - 1.001);
				assert_true((double)cells[j] < exact + 1.001);
			}
			assert_int_equal(sum, width);
		}
}

static void the_largest_remainders_get_the_cells_that_are_left(void **state)
{
	/* Of ten cells 4.7, 3.4 and 1.9: the whole ones are 8, and two are left. */
	static const uint64_t parts[] = { 47, 34, 19 };
	static const uint64_t nothing[] = { 0, 0, 0 };
	size_t cells[3];

	(void)state;
	top_bar_divide(parts, 3, 10, cells);
	assert_int_equal(cells[0], 5);
	assert_int_equal(cells[1], 3);
	assert_int_equal(cells[2], 2);
	top_bar_divide(nothing, 3, 10, cells);
	assert_int_equal(cells[0] + cells[1] + cells[2], 0);
}

/* Lines */

static const char *text_of(const struct top_line *line)
{
	static char text[TOP_COLUMNS_MAX + 1];

	assert_true(line->n <= line->width && line->width <= TOP_COLUMNS_MAX);
	for (size_t i = 0; i < line->n; i++) {
		assert_in_range(line->cells[i].ch, ' ', '~');
		assert_true(line->cells[i].style < TOP_STYLES);
		text[i] = line->cells[i].ch;
	}
	text[line->n] = '\0';
	return text;
}

static void a_guest_is_a_row_under_its_header(void **state)
{
	struct top_guest guest = make_guest("web", 32 * MIB, 16 * MIB);
	struct top_snapshot snapshot = { .guests = &guest, .n = 1 };
	struct top_layout layout;
	struct top_line line;

	(void)state;
	guest.rates.cpu = 123;
	top_layout_make(&snapshot, TOP_NAME, 80, &layout);
	top_text_header(&layout, TOP_SWAPPED, &line);
	assert_string_equal(text_of(&line),
			    "NAME     STATE     CPU%  SIZE   RES  PRIV  SWAP BALLN GAVAI RAM"
			    "                 ");
	assert_int_equal(line.cells[42].style, TOP_SORTED);
	assert_int_equal(line.cells[36].style, TOP_HEADER);
	top_text_guest(&layout, &guest, &line);
	assert_string_equal(text_of(&line),
			    "web      running   12.3   64M   32M   32M   16M    0B     - "
			    "[#########sssss....]");
	assert_int_equal(line.cells[61].style, TOP_PART_PRIVATE);
	assert_int_equal(line.cells[78].style, TOP_PART_UNTOUCHED);
}

static void what_it_is_sorted_by_is_shown_in_a_narrow_table_too(void **state)
{
	struct top_guest guest = make_guest("web", MIB, 0);
	struct top_snapshot snapshot = { .guests = &guest, .n = 1 };
	struct top_layout layout;
	struct top_line line;

	(void)state;
	top_layout_make(&snapshot, TOP_FAULTS, 40, &layout);
	top_text_header(&layout, TOP_FAULTS, &line);
	assert_string_equal(text_of(&line), "NAME     STATE     CPU% FLT/s RAM       ");
}

static void each_part_has_a_character_of_its_own(void **state)
{
	struct top_guest guest = make_guest("web", 0, 0);
	struct top_snapshot snapshot = { .guests = &guest, .n = 1 };
	struct top_layout layout;
	struct top_line line;

	(void)state;
	guest.parts.private = guest.parts.page_cache = guest.parts.merged = MIB;
	guest.parts.swapped = guest.parts.ballooned = MIB;
	guest.parts.reported_free = guest.parts.untouched = MIB;
	top_layout_make(&snapshot, TOP_NAME, 40, &layout);
	layout.bar_width = 7;
	top_text_guest(&layout, &guest, &line);
	assert_non_null(strstr(text_of(&line), "[#=%so-.]"));
	top_text_legend(120, &line);
	assert_string_equal(text_of(&line),
			    "RAM: # private  = page cache  % merged  s swapped  o balloon  "
			    "- reported free  . untouched");
}

static void a_guest_that_says_nothing_is_shown_as_such(void **state)
{
	struct top_guest guest = make_silent("a-name-that-is-far-too-long-for-its-column");
	struct top_snapshot snapshot = { .guests = &guest, .n = 1 };
	struct top_layout layout;
	struct top_line line;

	(void)state;
	top_layout_make(&snapshot, TOP_NAME, 80, &layout);
	top_text_guest(&layout, &guest, &line);
	assert_string_equal(text_of(&line), "a-name-that-~ unresponsive");
	assert_int_equal(line.cells[line.n - 1].style, TOP_WARNING);
}

static void what_guests_say_cannot_reach_the_terminal(void **state)
{
	struct top_guest guest = make_guest("web", 0, 0);
	struct top_snapshot snapshot = { .guests = &guest, .n = 1 };
	struct top_layout layout;
	struct top_line line;

	(void)state;
	snprintf(guest.state, sizeof(guest.state), "\033[2J\n\xc3");
	top_layout_make(&snapshot, TOP_NAME, 80, &layout);
	top_text_guest(&layout, &guest, &line);
	assert_non_null(strstr(text_of(&line), "?[2J??"));
}

static void lines_of_any_width_fit(void **state)
{
	struct top_guest guest = make_guest("web", 32 * MIB, 16 * MIB);
	struct top_snapshot snapshot = { .guests = &guest, .n = 1 };
	struct top_layout layout;
	struct top_line line;
	size_t shown = 0;

	(void)state;
	snapshot.host.known = true;
	snapshot.host.view.memory = (struct host_meminfo){ .total = 100 * MIB,
							   .available = 50 * MIB };
	top_rates_clear(&snapshot.host.rates);
	for (size_t width = 0; width < 600; width++) {
		size_t now = 0;

		top_layout_make(&snapshot, TOP_NAME, width, &layout);
		for (int key = 0; key < TOP_KEYS; key++)
			now += layout.shown[key];
		/* More room is never fewer columns. */
		assert_true(now >= shown);
		shown = now;
		top_text_header(&layout, TOP_NAME, &line);
		assert_true(strlen(text_of(&line)) <= width);
		top_text_guest(&layout, &guest, &line);
		assert_true(strlen(text_of(&line)) <= width);
		if (layout.bar_width > 0)
			assert_int_equal(line.cells[line.n - 1].ch, ']');
		for (size_t i = 0; i < TOP_HOST_LINES; i++) {
			top_text_host(&snapshot, i, width, &line);
			assert_true(strlen(text_of(&line)) <= width);
		}
	}
	assert_int_equal(shown, TOP_KEYS);
}

static void the_hosts_memory_is_guests_zswap_the_rest_and_what_is_available(void **state)
{
	struct top_guest guest = make_guest("web", 25 * MIB, 0);
	struct top_snapshot snapshot = { .guests = &guest, .n = 1 };
	struct top_line line;

	(void)state;
	top_text_host(&snapshot, 0, 80, &line);
	assert_string_equal(text_of(&line), "The host's own figures can't be read.");
	snapshot.host.known = true;
	snapshot.host.view.memory = (struct host_meminfo){ .total = 100 * MIB,
							   .available = 50 * MIB,
							   .zswap = 10 * MIB };
	top_text_host(&snapshot, 1, 120, &line);
	assert_string_equal(
	    text_of(&line),
	    "RAM  [##########zzzz++++++....................] . available 50M of 100M"
	    "  # guests 25M  + other 15M  z zswap 10M");
	/* Figures that contradict each other, since they are read one after the other. */
	guest.parts.share = 500 * MIB;
	top_text_host(&snapshot, 1, 120, &line);
	assert_non_null(strstr(text_of(&line), "# guests 50M  + other 0B  z zswap 0B"));
}

/* Screens */

struct picture {
	size_t rows;
	size_t next;
	char text[64][TOP_COLUMNS_MAX + 1];
};

static void draw(void *opaque, size_t row, const struct top_line *line)
{
	struct picture *picture = opaque;

	/* Every row, once, in order. */
	assert_int_equal(row, picture->next++);
	assert_true(row < picture->rows);
	snprintf(picture->text[row], sizeof(picture->text[row]), "%s", text_of(line));
}

static struct picture picture;

static void look(struct top_view *view, const struct top_snapshot *snapshot, size_t rows,
		 size_t columns)
{
	size_t order[16] = { 0 };

	picture = (struct picture){ .rows = rows };
	if (snapshot)
		top_sort(snapshot, view->sort, view->reverse, order);
	top_view_draw(view, snapshot, order, rows, columns, draw, &picture);
	assert_int_equal(picture.next, rows);
}

static size_t make_guests(struct top_guest guests[10])
{
	for (int i = 0; i < 10; i++)
		guests[i] = make_guest((char[]){ 'g', (char)('0' + i), '\0' }, MIB, 0);
	return 10;
}

static void a_screen_of_any_size_is_drawn_row_by_row(void **state)
{
	struct top_guest guests[10];
	struct top_snapshot snapshot = { .guests = guests, .n = make_guests(guests) };
	struct top_view view = { .interval_ms = 2000 };

	(void)state;
	for (size_t rows = 0; rows <= 60; rows++)
		for (size_t columns = 0; columns < 200; columns += 7) {
			look(&view, &snapshot, rows, columns);
			look(&view, NULL, rows, columns);
			view.help = true;
			look(&view, &snapshot, rows, columns);
			view.help = false;
		}
	look(&view, &snapshot, 24, 80);
	assert_string_equal(picture.text[0], "lodge top  10 guests, by name, every 2 s");
	assert_memory_equal(picture.text[7], "NAME ", 5);
	assert_memory_equal(picture.text[8], "g0 ", 3);
	assert_memory_equal(picture.text[23], "q quit ", 7);
	look(&view, &snapshot, 1, 80);
	assert_memory_equal(picture.text[0], "g0 ", 3);
}

/* n decisions, each a second younger than the one before. */
static struct top_governor make_governor(size_t n)
{
	struct top_governor governor = {
		.now_ms = 100000,
		.runs = true,
		.known = true,
		.time_ms = 98000,
		.state = POLICY_SOFT,
		.margin = 8 * MIB,
		.wanted = 12 * MIB,
		.n_decisions = n,
	};

	for (size_t i = 0; i < n; i++) {
		struct govern_decision *d = &governor.decisions[i];

		d->time_ms = governor.now_ms - (n - i) * 1000;
		snprintf(d->guest, sizeof(d->guest), "g%zu", i);
		snprintf(d->text, sizeof(d->text), "taken");
	}
	return governor;
}

static void the_governors_line_says_how_the_host_is(void **state)
{
	struct top_snapshot snapshot = { .host = { .known = true }, .governor = make_governor(0) };
	struct top_line line;

	(void)state;
	top_text_host(&snapshot, TOP_HOST_LINES - 1, 100, &line);
	assert_string_equal(text_of(&line),
			    "Gov  memory soft, 8M free of the 12M wanted; lodged looked 2s ago");
	assert_int_equal(line.cells[12].style, TOP_PLAIN);
	snapshot.governor.state = POLICY_HARD;
	top_text_host(&snapshot, TOP_HOST_LINES - 1, 100, &line);
	assert_int_equal(line.cells[12].style, TOP_WARNING);
	snapshot.governor.known = false;
	top_text_host(&snapshot, TOP_HOST_LINES - 1, 100, &line);
	assert_string_equal(text_of(&line), "Gov  lodged has decided nothing about memory yet");
	snapshot.governor.damaged = true;
	top_text_host(&snapshot, TOP_HOST_LINES - 1, 100, &line);
	assert_string_equal(text_of(&line), "Gov  what lodged wrote down can't be read");
	snapshot.governor.runs = false;
	top_text_host(&snapshot, TOP_HOST_LINES - 1, 100, &line);
	assert_string_equal(text_of(&line),
			    "Gov  lodged doesn't run: only the kernel moves memory");
}

static void decisions_come_with_their_age_the_newest_first(void **state)
{
	struct top_snapshot snapshot = { .governor = make_governor(3) };
	struct top_line line;

	(void)state;
	snprintf(snapshot.governor.decisions[2].text, GOVERN_DECISION_TEXT_MAX, "it's\x1b[31m red");
	top_text_decision(&snapshot, 0, 80, &line);
	assert_string_equal(text_of(&line), "       1s  g2: it's?[31m red");
	top_text_decision(&snapshot, 2, 80, &line);
	assert_string_equal(text_of(&line), "       3s  g0: taken");
}

static void decisions_leave_room_for_guests(void **state)
{
	struct top_guest guests[10];
	struct top_snapshot snapshot = { .governor = make_governor(20),
					 .guests = guests,
					 .n = make_guests(guests) };
	struct top_view view = { .interval_ms = 2000 };

	(void)state;
	for (size_t rows = 0; rows <= 60; rows++) {
		look(&view, &snapshot, rows, 80);
		assert_true(view.decisions <= rows / 8);
	}
	look(&view, &snapshot, 24, 80);
	assert_memory_equal(picture.text[6], "       1s  g19: taken", 21);
	assert_memory_equal(picture.text[8], "       3s  g17: taken", 21);
	assert_memory_equal(picture.text[10], "NAME ", 5);
	assert_memory_equal(picture.text[20], "g9 ", 3);
	/* A page is what is left for guests, less one. */
	look(&view, &snapshot, 16, 80);
	assert_int_equal(view.decisions, 2);
	top_view_take(&view, TOP_INPUT_PAGE_DOWN, 16, 10);
	assert_int_equal(view.first, 4);
}

static void decisions_can_be_hidden_and_are_not_there_without_a_governor(void **state)
{
	struct top_guest guests[10];
	struct top_snapshot snapshot = { .governor = make_governor(20),
					 .guests = guests,
					 .n = make_guests(guests) };
	struct top_view view = { .interval_ms = 2000 };

	(void)state;
	top_view_take(&view, top_view_key('d'), 24, 10);
	look(&view, &snapshot, 24, 80);
	assert_memory_equal(picture.text[7], "NAME ", 5);
	top_view_take(&view, top_view_key('d'), 24, 10);
	look(&view, &snapshot, 24, 80);
	assert_memory_equal(picture.text[10], "NAME ", 5);
	snapshot.governor.n_decisions = 1;
	look(&view, &snapshot, 24, 80);
	assert_memory_equal(picture.text[8], "NAME ", 5);
	snapshot.governor.runs = false;
	look(&view, &snapshot, 24, 80);
	assert_memory_equal(picture.text[7], "NAME ", 5);
}

static void the_line_with_the_keys_fits_a_narrow_screen(void **state)
{
	struct top_view view = { .interval_ms = 2000 };

	(void)state;
	look(&view, NULL, 24, 200);
	assert_non_null(strstr(picture.text[23], "? help"));
	assert_true(strlen(picture.text[23]) <= 80);
}

static void scrolling_ends_with_the_guests(void **state)
{
	struct top_guest guests[10];
	struct top_snapshot snapshot = { .guests = guests, .n = make_guests(guests) };
	struct top_view view = { .interval_ms = 500 };

	(void)state;
	/* Seven rows: a title, the header, and five guests. */
	top_view_take(&view, TOP_INPUT_UP, 7, 10);
	assert_int_equal(view.first, 0);
	top_view_take(&view, TOP_INPUT_PAGE_DOWN, 7, 10);
	assert_int_equal(view.first, 4);
	top_view_take(&view, TOP_INPUT_PAGE_DOWN, 7, 10);
	assert_int_equal(view.first, 5);
	top_view_take(&view, TOP_INPUT_DOWN, 7, 10);
	assert_int_equal(view.first, 5);
	look(&view, &snapshot, 7, 80);
	assert_string_equal(picture.text[0],
			    "lodge top  10 guests, by name, every 0.5 s, rows 6 to 10");
	assert_memory_equal(picture.text[6], "g9 ", 3);
	top_view_take(&view, TOP_INPUT_FIRST, 7, 10);
	assert_int_equal(view.first, 0);
	top_view_take(&view, TOP_INPUT_LAST, 7, 10);
	assert_int_equal(view.first, 5);
	/* Guests went away: what is left is shown. */
	snapshot.n = 3;
	look(&view, &snapshot, 7, 80);
	assert_int_equal(view.first, 0);
	assert_memory_equal(picture.text[2], "g0 ", 3);
	view.first = 9;
	top_view_take(&view, TOP_INPUT_UP, 7, 0);
	assert_int_equal(view.first, 0);
}

static void keys_change_what_they_say(void **state)
{
	struct top_view view = { .interval_ms = 2000 };

	(void)state;
	assert_true(top_view_take(&view, top_view_key('s'), 24, 0));
	assert_int_equal(view.sort, TOP_STATE);
	top_view_take(&view, top_view_key('<'), 24, 0);
	top_view_take(&view, top_view_key('<'), 24, 0);
	assert_int_equal(view.sort, TOP_KEYS - 1);
	top_view_take(&view, top_view_key('>'), 24, 0);
	assert_int_equal(view.sort, TOP_NAME);
	top_view_take(&view, top_view_key('r'), 24, 0);
	assert_true(view.reverse);
	top_view_take(&view, top_view_key('p'), 24, 0);
	assert_true(view.paused);
	top_view_take(&view, top_view_key('?'), 24, 0);
	assert_true(view.help);
	top_view_take(&view, top_view_key('r'), 24, 0);
	assert_false(view.help);
	assert_true(view.reverse);
	assert_true(top_view_take(&view, top_view_key(0x1b), 24, 0));
	assert_false(top_view_take(&view, top_view_key('q'), 24, 0));
	view.help = true;
	assert_false(top_view_take(&view, top_view_key('q'), 24, 0));
}

static void the_interval_has_steps_and_ends(void **state)
{
	struct top_view view = { .interval_ms = 1700 };

	(void)state;
	top_view_take(&view, TOP_INPUT_SLOWER, 24, 0);
	assert_int_equal(view.interval_ms, 2000);
	view.interval_ms = 1700;
	top_view_take(&view, TOP_INPUT_FASTER, 24, 0);
	assert_int_equal(view.interval_ms, 1000);
	for (int i = 0; i < 20; i++)
		top_view_take(&view, TOP_INPUT_FASTER, 24, 0);
	assert_int_equal(view.interval_ms, TOP_INTERVAL_MIN);
	for (int i = 0; i < 20; i++)
		top_view_take(&view, TOP_INPUT_SLOWER, 24, 0);
	assert_int_equal(view.interval_ms, TOP_INTERVAL_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_differences_over_the_time_between),
		cmocka_unit_test(the_part_in_the_guest_is_not_more_than_the_whole),
		cmocka_unit_test(swapping_that_is_not_counted_is_what_the_swapped_part_moved_by),
		cmocka_unit_test(another_process_of_the_same_pid_has_no_rates_yet),
		cmocka_unit_test(the_hosts_processors_are_never_busier_than_they_can_be),
		cmocka_unit_test(guests_are_sorted_by_any_figure_and_equal_ones_by_name),
		cmocka_unit_test(what_is_not_known_comes_last_either_way),
		cmocka_unit_test(every_figure_has_a_word_that_finds_it),
		cmocka_unit_test(no_order_of_no_guests),
		cmocka_unit_test(sizes_have_at_most_five_characters),
		cmocka_unit_test(other_figures_fit_their_columns),
		cmocka_unit_test(a_bars_cells_add_up_to_its_width),
		cmocka_unit_test(the_largest_remainders_get_the_cells_that_are_left),
		cmocka_unit_test(a_guest_is_a_row_under_its_header),
		cmocka_unit_test(what_it_is_sorted_by_is_shown_in_a_narrow_table_too),
		cmocka_unit_test(each_part_has_a_character_of_its_own),
		cmocka_unit_test(a_guest_that_says_nothing_is_shown_as_such),
		cmocka_unit_test(what_guests_say_cannot_reach_the_terminal),
		cmocka_unit_test(lines_of_any_width_fit),
		cmocka_unit_test(the_hosts_memory_is_guests_zswap_the_rest_and_what_is_available),
		cmocka_unit_test(a_screen_of_any_size_is_drawn_row_by_row),
		cmocka_unit_test(the_governors_line_says_how_the_host_is),
		cmocka_unit_test(decisions_come_with_their_age_the_newest_first),
		cmocka_unit_test(decisions_leave_room_for_guests),
		cmocka_unit_test(decisions_can_be_hidden_and_are_not_there_without_a_governor),
		cmocka_unit_test(the_line_with_the_keys_fits_a_narrow_screen),
		cmocka_unit_test(scrolling_ends_with_the_guests),
		cmocka_unit_test(keys_change_what_they_say),
		cmocka_unit_test(the_interval_has_steps_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
