/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the kernel command line and of orders, as the guests' init reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/words.h"

static void assert_word(const char *cmdline, const char *name, const char *expected)
{
	char value[32] = "untouched";

	if (expected) {
		assert_true(cmdline_word(cmdline, name, value, sizeof(value)));
		assert_string_equal(value, expected);
	} else {
		assert_false(cmdline_word(cmdline, name, value, sizeof(value)));
		assert_string_equal(value, "untouched");
	}
}

static void the_last_word_of_a_name_counts(void **state)
{
	(void)state;
	assert_word("console=ttyS0 quiet console=hvc0\n", "console", "hvc0");
	assert_word("console=hvc0", "console", "hvc0");
	assert_word("a console=hvc0", "console", "hvc0");
	assert_word("", "console", NULL);
}

static void a_name_is_a_whole_word(void **state)
{
	(void)state;
	assert_word("earlyconsole=ttyS0", "console", NULL);
	assert_word("consoleblank=0", "console", NULL);
	assert_word("quiet", "quiet", "");
	assert_word("quiet=", "quiet", "");
	assert_word("quietly", "quiet", NULL);
}

static void quotes_keep_blanks_together_and_vanish(void **state)
{
	(void)state;
	assert_word("lodge.orders=\"fill 1M 2;verify 2\" quiet", "lodge.orders",
		    "fill 1M 2;verify 2");
	assert_word("\"lodge.orders=a b\" quiet", "lodge.orders", "a b");
	assert_word("x=\"y console=ttyS0\"", "console", NULL);
	assert_word("lodge.orders=\"never closed", "lodge.orders", "never closed");
	assert_word("\"quiet\"", "quiet", "");
}

static void a_value_that_does_not_fit_is_no_value(void **state)
{
	char value[4] = "old";

	(void)state;
	assert_true(cmdline_word("a=123", "a", value, sizeof(value)));
	assert_false(cmdline_word("a=1234", "a", value, sizeof(value)));
	assert_string_equal(value, "123");
}

static void a_line_is_split_at_blanks(void **state)
{
	char line[] = "  fill\t20M  7\r";
	char *words[5];

	(void)state;
	assert_int_equal(words_split(line, words, 4), 3);
	assert_string_equal(words[0], "fill");
	assert_string_equal(words[1], "20M");
	assert_string_equal(words[2], "7");
	assert_null(words[3]);
}

static void more_words_than_fit_are_told(void **state)
{
	char line[] = "a b c d";
	char *words[3];

	(void)state;
	assert_int_equal(words_split(line, words, 2), 3);
	assert_string_equal(words[1], "b");
	assert_null(words[2]);
}

static void an_empty_line_has_no_words(void **state)
{
	char line[] = " \t ";
	char *words[3];

	(void)state;
	assert_int_equal(words_split(line, words, 2), 0);
	assert_null(words[0]);
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *word;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "0x10", 16 },
		{ "3K", 3 << 10 },
		{ "64M", 64 << 20 },
		{ "2G", UINT64_C(2) << 30 },
		{ "1T", UINT64_C(1) << 40 },
		{ "16777215T", UINT64_C(16777215) << 40 },
	};
	static const char *const bad[] = { "",	  "M",	  "-1M",       "1m",
					   "1MB", "1.5M", "16777216T", "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes;

		assert_true(word_size(good[i].word, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t bytes = 7;

		assert_false(word_size(bad[i], &bytes));
		assert_int_equal(bytes, 7);
	}
}

static void numbers_are_whole_words(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_false(word_number("", &n));
	assert_false(word_number("+1", &n));
	assert_false(word_number(" 1", &n));
	assert_false(word_number("12x", &n));
	assert_int_equal(n, 7);
	assert_true(word_number("0xfee00300", &n));
	assert_int_equal(n, 0xfee00300);
}

static void seconds_have_decimals(void **state)
{
	uint64_t ns = 7;

	(void)state;
	assert_false(word_seconds("", &ns));
	assert_false(word_seconds(".5", &ns));
	assert_false(word_seconds("-1", &ns));
	assert_false(word_seconds("1s", &ns));
	assert_false(word_seconds("1000000001", &ns));
	assert_false(word_seconds("99999999999999999999999", &ns));
	assert_int_equal(ns, 7);
	assert_true(word_seconds("0.25", &ns));
	assert_int_equal(ns, 250000000);
	assert_true(word_seconds("10", &ns));
	assert_int_equal(ns, UINT64_C(10000000000));
	assert_true(word_seconds("1.0000000019", &ns));
	assert_int_equal(ns, 1000000001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_word_of_a_name_counts),
		cmocka_unit_test(a_name_is_a_whole_word),
		cmocka_unit_test(quotes_keep_blanks_together_and_vanish),
		cmocka_unit_test(a_value_that_does_not_fit_is_no_value),
		cmocka_unit_test(a_line_is_split_at_blanks),
		cmocka_unit_test(more_words_than_fit_are_told),
		cmocka_unit_test(an_empty_line_has_no_words),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(numbers_are_whole_words),
		cmocka_unit_test(seconds_have_decimals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
