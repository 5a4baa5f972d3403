/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

static void each_layer_adds_its_context_in_front(void **state)
{
	struct err *err = NULL;

	(void)state;
	assert_int_equal(err_set(&err, ERR_USAGE, ENOENT, "open %s", "vmlinuz"), -1);
	assert_int_equal(err_wrap(&err, "guest %s", "web"), -1);
	assert_string_equal(err_message(err), "guest web: open vmlinuz: No such file or directory");
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_int_equal(err_errno(err), ENOENT);
	err_free(err);
}

static void the_first_error_wins(void **state)
{
	struct err *err = NULL;

	(void)state;
	err_set(&err, ERR_STATE, 0, "first");
	err_set(&err, ERR_FAILED, 0, "second");
	assert_string_equal(err_message(err), "first");
	err_free(err);
}

static void no_error_object_is_fine(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_FAILED, 0, "dropped"), -1);
	assert_int_equal(err_wrap(NULL, "dropped"), -1);
	err_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_layer_adds_its_context_in_front),
		cmocka_unit_test(the_first_error_wins),
		cmocka_unit_test(no_error_object_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
