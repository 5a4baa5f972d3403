/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "boot/cmdline.h"

static void assert_line(const char *append, const char *expected)
{
	char *line = NULL;

	assert_int_equal(cmdline_build(append, CMDLINE_MAX, &line, NULL), 0);
	assert_string_equal(line, expected);
	free(line);
}

static void the_guest_prints_on_virtio_console(void **state)
{
	(void)state;
	assert_line(NULL, "console=hvc0");
	assert_line("", "console=hvc0");
	assert_line("root=/dev/vda rw", "console=hvc0 root=/dev/vda rw");
}

static void a_console_of_the_users_choice_is_kept(void **state)
{
	(void)state;
	assert_line("console=ttyS0", "console=ttyS0");
	assert_line("quiet console=tty0 x", "quiet console=tty0 x");
}

static void only_a_word_of_the_kernels_is_a_console(void **state)
{
	(void)state;
	assert_line("xconsole=1", "console=hvc0 xconsole=1");
	assert_line("netconsole.console=1", "console=hvc0 netconsole.console=1");
	assert_line("a=\"b console=c\"", "console=hvc0 a=\"b console=c\"");
	assert_line("a=\"b c\" console=d", "a=\"b c\" console=d");
	assert_line("-- console=init", "console=hvc0 -- console=init");
	assert_line("--console=x", "console=hvc0 --console=x");
}

static void a_line_longer_than_the_kernel_takes_is_refused(void **state)
{
	char words[40];
	struct err *err = NULL;
	char *line = NULL;

	(void)state;
	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';

	size_t len = strlen(CMDLINE_CONSOLE) + 1 + strlen(words);

	assert_int_equal(cmdline_build(words, len, &line, &err), 0);
	free(line);
	line = NULL;
	assert_int_equal(cmdline_build(words, len - 1, &line, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_non_null(strstr(err_message(err), "52 bytes are more than the 51"));
	assert_null(line);
	err_free(err);
}

static void control_characters_are_refused(void **state)
{
	static const char *const words[] = { "a\nb", "\t", "a\x7f", "\x1b[2J" };
	(void)state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct err *err = NULL;
		char *line;

		assert_int_equal(cmdline_build(words[i], CMDLINE_MAX, &line, &err), -1);
		assert_int_equal(err_code(err), ERR_USAGE);
		assert_non_null(strstr(err_message(err), "control character"));
		err_free(err);
	}
	assert_line("name=h\xc3\xa9", "console=hvc0 name=h\xc3\xa9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guest_prints_on_virtio_console),
		cmocka_unit_test(a_console_of_the_users_choice_is_kept),
		cmocka_unit_test(only_a_word_of_the_kernels_is_a_console),
		cmocka_unit_test(a_line_longer_than_the_kernel_takes_is_refused),
		cmocka_unit_test(control_characters_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
