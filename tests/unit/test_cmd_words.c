/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of the command: suggestions, the escape key, numbers, durations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/escape.h"
#include "cmd/options.h"
#include "cmd/suggest.h"
#include "cmd/uptime.h"

static void a_swap_of_neighbours_is_one_mistake(void **state)
{
	(void)state;
	assert_int_equal(suggest_distance("stop", "stop"), 0);
	assert_int_equal(suggest_distance("stpo", "stop"), 1);
	assert_int_equal(suggest_distance("sto", "stop"), 1);
	assert_int_equal(suggest_distance("stopp", "stop"), 1);
	assert_int_equal(suggest_distance("", "stop"), 4);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
}

static void words_of_any_length_are_safe(void **state)
{
	char word[4 * SUGGEST_WORD_MAX];
	const char *best = NULL;

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_true(suggest_distance(word, "stop") == SIZE_MAX);
	suggest_offer(word, "stop", &best);
	assert_null(best);
	word[SUGGEST_WORD_MAX - 1] = '\0';
	assert_int_equal(suggest_distance(word, word), 0);
}

static void the_nearest_word_is_suggested_and_no_far_one(void **state)
{
	const char *best = NULL;

	(void)state;
	suggest_offer("consle", "console", &best);
	suggest_offer("consle", "config", &best);
	assert_string_equal(best, "console");
	best = NULL;
	suggest_offer("banana", "console", &best);
	suggest_offer("x", "ps", &best);
	assert_null(best);
}

static void keys_are_read_as_they_are_written(void **state)
{
	static const struct {
		const char *text;
		int key;
	} rows[] = { { "^]", 0x1d }, { "^A", 1 },	    { "^a", 1 },  { "^z", 26 },
		     { "^[", 27 },   { "^\\", 28 },	    { "^^", 30 }, { "^_", 31 },
		     { "^?", 127 },  { "none", ESCAPE_OFF } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int key = -2;

		assert_int_equal(escape_parse(rows[i].text, &key, NULL), 0);
		assert_int_equal(key, rows[i].key);
	}
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "^", "a", "^1", "^@", "^AB", "^`", "None", "Ctrl-A"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_err_ struct err *err = NULL;
		int key = 99;

		assert_int_equal(escape_parse(texts[i], &key, &err), -1);
		assert_int_equal(err_code(err), ERR_USAGE);
		assert_int_equal(key, 99);
	}
}

static void keys_have_names(void **state)
{
	char name[ESCAPE_NAME_MAX];

	(void)state;
	assert_string_equal(escape_name(ESCAPE_DEFAULT, name), "Ctrl-]");
	assert_string_equal(escape_name(1, name), "Ctrl-A");
	assert_string_equal(escape_name(127, name), "Ctrl-?");
}

static void only_what_follows_the_escape_key_is_for_lodge(void **state)
{
	struct escape escape = { .key = ESCAPE_DEFAULT };

	(void)state;
	assert_int_equal(escape_take(&escape, 'd'), ESCAPE_SEND);
	assert_int_equal(escape_take(&escape, 0x1d), ESCAPE_NOTHING);
	assert_int_equal(escape_take(&escape, 'd'), ESCAPE_DETACH);
	assert_int_equal(escape_take(&escape, 'd'), ESCAPE_SEND);
	assert_int_equal(escape_take(&escape, 0x1d), ESCAPE_NOTHING);
	assert_int_equal(escape_take(&escape, 0x1d), ESCAPE_SEND);
	assert_int_equal(escape_take(&escape, 0x1d), ESCAPE_NOTHING);
	assert_int_equal(escape_take(&escape, 's'), ESCAPE_POWER);
	escape_take(&escape, 0x1d);
	assert_int_equal(escape_take(&escape, 'k'), ESCAPE_KILL);
	escape_take(&escape, 0x1d);
	assert_int_equal(escape_take(&escape, '?'), ESCAPE_HELP);
	escape_take(&escape, 0x1d);
	assert_int_equal(escape_take(&escape, 'x'), ESCAPE_HELP);
}

static void without_an_escape_key_every_byte_is_the_guest_s(void **state)
{
	struct escape escape = { .key = ESCAPE_OFF };

	(void)state;
	for (int byte = 0; byte < 256; byte++)
		assert_int_equal(escape_take(&escape, (uint8_t)byte), ESCAPE_SEND);
}

static void numbers_are_whole_and_bounded(void **state)
{
	unsigned number = 5;

	(void)state;
	assert_int_equal(options_number("cpus", "0", 8, &number, NULL), 0);
	assert_int_equal(number, 0);
	assert_int_equal(options_number("cpus", "008", 8, &number, NULL), 0);
	assert_int_equal(number, 8);
	assert_int_equal(options_number("cpus", "9", 8, &number, NULL), -1);
	assert_int_equal(options_number("cpus", "99999999999999999999999", 8, &number, NULL), -1);
	assert_int_equal(options_number("cpus", "", 8, &number, NULL), -1);
	assert_int_equal(options_number("cpus", "-1", 8, &number, NULL), -1);
	assert_int_equal(options_number("cpus", "1 ", 8, &number, NULL), -1);
	assert_int_equal(number, 8);
}

static void durations_have_two_parts_at_most(void **state)
{
	char text[UPTIME_TEXT_MAX];

	(void)state;
	assert_string_equal(uptime_format(0, text), "0.0s");
	assert_string_equal(uptime_format(59999, text), "59.9s");
	assert_string_equal(uptime_format(60000, text), "1m00s");
	assert_string_equal(uptime_format(3599999, text), "59m59s");
	assert_string_equal(uptime_format(3600000, text), "1h00m");
	assert_string_equal(uptime_format(UINT64_C(86400000) * 12 + 4 * 3600000, text), "12d04h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_swap_of_neighbours_is_one_mistake),
		cmocka_unit_test(words_of_any_length_are_safe),
		cmocka_unit_test(the_nearest_word_is_suggested_and_no_far_one),
		cmocka_unit_test(keys_are_read_as_they_are_written),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(keys_have_names),
		cmocka_unit_test(only_what_follows_the_escape_key_is_for_lodge),
		cmocka_unit_test(without_an_escape_key_every_byte_is_the_guest_s),
		cmocka_unit_test(numbers_are_whole_and_bounded),
		cmocka_unit_test(durations_have_two_parts_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
