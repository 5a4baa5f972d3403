/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's share of processors and disks and its limits, on a tree of plain files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "files.h"
#include "ledger/shares.h"

#define MIB (UINT64_C(1) << 20)

static int make_group(void **state)
{
	(void)state;
	if (files_make() < 0)
		return -1;
	files_dir("slice");
	files_dir("slice/web");
	files_write("slice/web/cpu.weight", "");
	files_write("slice/web/io.weight", "");
	files_write("slice/web/cpu.max", "");
	files_write("slice/web/memory.zswap.max", "");
	return 0;
}

static int remove_group(void **state)
{
	(void)state;
	return files_remove();
}

static int write_all(struct ledger_shares shares, bool is_new, struct err **err)
{
	return ledger_write_shares(files_root_fd, "slice", "web", &shares, is_new, err);
}

static void a_new_group_is_as_it_should_be_unless_something_was_asked_for(void **state)
{
	(void)state;
	assert_int_equal(write_all((struct ledger_shares){ .weight = 100 }, true, NULL), 0);
	files_assert("slice/web/cpu.weight", "");
	files_assert("slice/web/cpu.max", "");
	files_assert("slice/web/memory.zswap.max", "");
	/* An older one isn't. */
	assert_int_equal(write_all((struct ledger_shares){ .weight = 100 }, false, NULL), 0);
	files_assert("slice/web/cpu.weight", "100");
	files_assert("slice/web/io.weight", "100");
	files_assert("slice/web/cpu.max", "max");
	files_assert("slice/web/memory.zswap.max", "max");
}

static void what_was_written_is_read_again(void **state)
{
	struct ledger_shares s = {
		.weight = 7, .cpu_limit = 150, .zswap_limited = true, .zswap_limit = 64 * MIB
	};

	(void)state;
	assert_int_equal(write_all(s, true, NULL), 0);
	files_assert("slice/web/cpu.max", "150000 100000");
	files_assert("slice/web/memory.zswap.max", "67108864");
	memset(&s, 0, sizeof(s));
	ledger_read_shares(files_root_fd, "slice", "web", &s);
	assert_int_equal(s.weight, 7);
	assert_int_equal(s.cpu_limit, 150);
	assert_true(s.zswap_limited);
	assert_int_equal(s.zswap_limit, 64 * MIB);
}

static unsigned limit_of(const char *text)
{
	struct ledger_shares s;

	files_write("slice/web/cpu.max", text);
	ledger_read_shares(files_root_fd, "slice", "web", &s);
	return s.cpu_limit;
}

static void what_somebody_else_wrote_is_read_too(void **state)
{
	struct ledger_shares s;

	(void)state;
	assert_int_equal(limit_of("max 100000\n"), 0);
	assert_int_equal(limit_of("1000 1000000\n"), 1);
	assert_int_equal(limit_of("20000 10000\n"), 200);
	assert_int_equal(limit_of("20000 0\n"), 0);
	files_write("slice/web/memory.zswap.max", "max\n");
	files_unlink("slice/web/cpu.weight");
	ledger_read_shares(files_root_fd, "slice", "web", &s);
	assert_false(s.zswap_limited);
	assert_int_equal(s.weight, 0);
}

static void assert_refused(struct ledger_shares shares, const char *words)
{
	_cleanup_err_ struct err *err = NULL;

	assert_int_equal(write_all(shares, true, &err), -1);
	assert_int_equal(err_code(err), ERR_REFUSED);
	if (!strstr(err_message(err), words))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), words);
}

static void what_a_host_cant_hold_is_refused_unless_it_is_the_default(void **state)
{
	(void)state;
	files_unlink("slice/web/cpu.weight");
	files_unlink("slice/web/cpu.max");
	files_unlink("slice/web/memory.zswap.max");
	assert_int_equal(write_all((struct ledger_shares){ .weight = 100 }, false, NULL), 0);
	assert_refused((struct ledger_shares){ .weight = 99 },
		       "weight: /slice has no cpu controller");
	assert_refused((struct ledger_shares){ .weight = 100, .cpu_limit = 100 },
		       "cpu-limit: /slice has no cpu controller");
	assert_refused((struct ledger_shares){ .weight = 100, .zswap_limited = true },
		       "zswap-limit: this host's kernel can't limit zswap");
}

static void limits_are_percents_and_sizes_or_none(void **state)
{
	static const char *const no_percents[] = { "",	   "%",	  "0%",	 "150",		 "10001%",
						   "1.5%", "-1%", "max", "99999999999%", "5%%",
						   "None" };
	static const char *const no_sizes[] = { "", "max", "4097", "-1", "1X" };
	char text[SHARES_TEXT_MAX];
	uint64_t bytes = 0;
	unsigned percent = 0;
	bool limited;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(no_percents); i++)
		assert_int_equal(shares_parse_cpu_limit(no_percents[i], &percent, NULL), -1);
	for (size_t i = 0; i < ARRAY_SIZE(no_sizes); i++)
		assert_int_equal(shares_parse_zswap_limit(no_sizes[i], &limited, &bytes, NULL), -1);
	assert_int_equal(shares_parse_cpu_limit("10000%", &percent, NULL), 0);
	assert_string_equal(shares_format_cpu_limit(percent, text), "10000%");
	assert_int_equal(shares_parse_cpu_limit("none", &percent, NULL), 0);
	assert_string_equal(shares_format_cpu_limit(percent, text), "none");
	assert_int_equal(shares_parse_zswap_limit("0", &limited, &bytes, NULL), 0);
	assert_string_equal(shares_format_zswap_limit(limited, bytes, text), "0B");
	assert_int_equal(shares_parse_zswap_limit("none", &limited, &bytes, NULL), 0);
	assert_string_equal(shares_format_zswap_limit(limited, bytes, text), "none");
}

int main(void)
{
#define group_test(f) cmocka_unit_test_setup_teardown(f, make_group, remove_group)
	const struct CMUnitTest tests[] = {
		group_test(a_new_group_is_as_it_should_be_unless_something_was_asked_for),
		group_test(what_was_written_is_read_again),
		group_test(what_somebody_else_wrote_is_read_too),
		group_test(what_a_host_cant_hold_is_refused_unless_it_is_the_default),
		cmocka_unit_test(limits_are_percents_and_sizes_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
