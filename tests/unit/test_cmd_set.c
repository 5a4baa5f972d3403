/* SPDX-License-Identifier: Apache-2.0 */
/* lodge set: its words and its sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/set.h"

enum { BALLOON = SET_BALLOON, RECLAIM = SET_RECLAIM };

#define MIB (UINT64_C(1) << 20)

static void assert_split_fails(const char *first, const char *second, const char *message)
{
	char words[2][64];
	char *argv[2] = { words[0], words[1] };
	_cleanup_err_ struct err *err = NULL;
	const char *texts[SET_KEYS];

	strcpy(words[0], first);
	strcpy(words[1], second ? second : "");
	assert_int_equal(set_split(argv, second ? 2 : 1, texts, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_string_equal(err_message(err), message);
}

static void keys_are_found_in_any_order(void **state)
{
	char reclaim[] = "reclaim=1M";
	char balloon[] = "balloon=";
	char *words[] = { reclaim, balloon };
	const char *texts[SET_KEYS];

	(void)state;
	assert_int_equal(set_split(words, 2, texts, NULL), 0);
	assert_string_equal(texts[BALLOON], "");
	assert_string_equal(texts[RECLAIM], "1M");
	assert_int_equal(set_split(words, 1, texts, NULL), 0);
	assert_null(texts[BALLOON]);
}

static void words_that_are_no_keys_are_named(void **state)
{
	(void)state;
	assert_split_fails("balloon", NULL, "\"balloon\" is no KEY=VALUE");
	assert_split_fails("ballon=1M", NULL, "there is no key \"ballon\" (did you mean balloon?)");
	assert_split_fails("=1M", NULL,
			   "there is no key \"\": the keys are guarantee, memory-limit, weight, "
			   "cpu-limit, zswap-limit, balloon, reclaim");
	assert_split_fails(
	    "shares=3", NULL,
	    "there is no key \"shares\": the keys are guarantee, memory-limit, weight, "
	    "cpu-limit, zswap-limit, balloon, reclaim");
	assert_split_fails("balloo=1M", NULL, "there is no key \"balloo\" (did you mean balloon?)");
	assert_split_fails("balloon=1M", "balloon=1M", "balloon is given twice");
	assert_split_fails("reclaim=1M", "web", "\"web\" is no KEY=VALUE");
}

static void assert_size(int key, const char *text, uint64_t expected)
{
	uint64_t value = 1;

	assert_int_equal(set_parse(&set_keys[key], text, 256 * MIB, &value, NULL), 0);
	assert_int_equal(value, expected);
}

static void assert_no_size(int key, const char *text, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	uint64_t value = 1;

	assert_int_equal(set_parse(&set_keys[key], text, 256 * MIB, &value, &err), -1);
	assert_int_equal(value, 1);
	assert_int_equal(err_code(err), ERR_USAGE);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
}

static void sizes_go_up_to_the_guests_memory(void **state)
{
	(void)state;
	assert_size(BALLOON, "0", 0);
	assert_size(BALLOON, "64M", 64 * MIB);
	assert_size(BALLOON, "256M", 256 * MIB);
	assert_size(RECLAIM, "4K", 4096);
	assert_size(RECLAIM, "5000", 5000);
	assert_size(RECLAIM, "256M", 256 * MIB);
}

static void sizes_beyond_the_limits_are_refused_with_the_limits(void **state)
{
	(void)state;
	assert_no_size(BALLOON, "257M",
		       "balloon: \"257M\" is not from 0B to 256M, this guest's memory");
	assert_no_size(BALLOON, "1T", "not from 0B to 256M");
	assert_no_size(RECLAIM, "0", "reclaim: \"0\" is not from 4K to 256M");
	assert_no_size(RECLAIM, "4095", "not from 4K to 256M");
	assert_no_size(RECLAIM, "257M", "not from 4K to 256M");
	assert_no_size(BALLOON, "4097", "not a whole number of pages of 4096");
}

static void nonsense_is_refused_with_the_limits(void **state)
{
	static const char *const nonsense[] = { "",    "-1M",  "-1",  "+1M",  "1MB", "M",
						"1 M", "0x10", "1E9", "much", "1.M" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		assert_no_size(BALLOON, nonsense[i], "is not a size");
		assert_no_size(BALLOON, nonsense[i], "from 0B to 256M");
		assert_no_size(RECLAIM, nonsense[i], "from 4K to 256M");
	}
	assert_no_size(BALLOON, "99999999999999999999", "from 0B to 256M");
	assert_no_size(BALLOON, "0.3", "from 0B to 256M");
}

static void the_pace_of_nothing_takes_no_time(void **state)
{
	char text[SET_PACE_TEXT_MAX];

	(void)state;
	assert_string_equal(set_format_pace(512 * MIB, 1300, text), ", in 1.3 s (393.8M/s)");
	assert_string_equal(set_format_pace(0, 0, text), ", in 0.0 s (0B/s)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found_in_any_order),
		cmocka_unit_test(words_that_are_no_keys_are_named),
		cmocka_unit_test(sizes_go_up_to_the_guests_memory),
		cmocka_unit_test(sizes_beyond_the_limits_are_refused_with_the_limits),
		cmocka_unit_test(nonsense_is_refused_with_the_limits),
		cmocka_unit_test(the_pace_of_nothing_takes_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
