/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"

static void assert_size(const char *text, uint64_t expected)
{
	uint64_t bytes = 0;

	assert_int_equal(size_parse(text, &bytes, NULL), 0);
	assert_int_equal(bytes, expected);
}

static void assert_refused(const char *text, const char *reason)
{
	_cleanup_err_ struct err *err = NULL;
	uint64_t bytes = 12345;

	assert_int_equal(size_parse(text, &bytes, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_non_null(strstr(err_message(err), reason));
	assert_int_equal(bytes, 12345);
}

static void bytes_and_suffixes_are_read(void **state)
{
	(void)state;
	assert_size("0", 0);
	assert_size("4096", 4096);
	assert_size("64K", 64 << 10);
	assert_size("512M", 512ULL << 20);
	assert_size("512m", 512ULL << 20);
	assert_size("3GiB", 3ULL << 30);
	assert_size("3gib", 3ULL << 30);
	assert_size("2T", 2ULL << 40);
	assert_size("18446744073709551615", UINT64_MAX);
}

static void a_fraction_counts_if_it_is_whole_bytes(void **state)
{
	(void)state;
	assert_size("1.5G", 3ULL << 29);
	assert_size("0.25M", 256 << 10);
	assert_size("1.000K", 1024);
	assert_refused("0.1K", "whole number of bytes");
	assert_refused("1.5", "whole number of bytes");
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const texts[] = { "",      " 1",  "1 ",	     "-1",    "+1",
					     "M",     "1.M", ".5G",	     "512MB", "1Mi",
					     "1MiBs", "1P",  "0x10",	     "1e3",   "1.2.3M",
					     "lots",  "1K1", "1.0000000000G" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_refused(texts[i], "is not a size");
}

static void what_overflows_is_refused_as_too_large(void **state)
{
	(void)state;
	assert_refused("18446744073709551616", "larger than");
	assert_refused("16777216T", "larger than");
	assert_size("16777215.5T", UINT64_MAX - (1ULL << 39) + 1);
}

static void sizes_are_written_with_one_digit_at_most(void **state)
{
	char text[SIZE_TEXT_MAX];

	(void)state;
	assert_string_equal(size_format(0, text), "0B");
	assert_string_equal(size_format(1023, text), "1023B");
	assert_string_equal(size_format(1024, text), "1K");
	assert_string_equal(size_format(512ULL << 20, text), "512M");
	assert_string_equal(size_format(3ULL << 29, text), "1.5G");
	assert_string_equal(size_format((1ULL << 30) - 1, text), "1G");
	assert_string_equal(size_format(UINT64_MAX, text), "16E");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_and_suffixes_are_read),
		cmocka_unit_test(a_fraction_counts_if_it_is_whole_bytes),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(what_overflows_is_refused_as_too_large),
		cmocka_unit_test(sizes_are_written_with_one_digit_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
