/* SPDX-License-Identifier: Apache-2.0 */
/* lodge host --fits: what guest is meant, and whether it fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/host_promises.h"

#define MIB (UINT64_C(1) << 20)

static void a_guest_is_its_memory_and_what_else_is_said(void **state)
{
	struct promise p;

	(void)state;
	assert_int_equal(host_promises_parse("1G", &p, NULL), 0);
	assert_int_equal(p.memory, 1024 * MIB);
	assert_int_equal(p.guarantee, 0);
	assert_int_equal(p.overhead, promise_overhead(1, 1024 * MIB, false));
	assert_int_equal(host_promises_parse("512M,merge,cpus=4,guarantee=128M", &p, NULL), 0);
	assert_int_equal(p.memory, 512 * MIB);
	assert_int_equal(p.guarantee, 128 * MIB);
	assert_int_equal(p.overhead, promise_overhead(4, 512 * MIB, true));
}

static void assert_nonsense(const char *text, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	struct promise p;

	assert_int_equal(host_promises_parse(text, &p, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
}

static void nonsense_is_named(void **state)
{
	(void)state;
	assert_nonsense("", "is not a size");
	assert_nonsense("1X", "is not a size");
	assert_nonsense("1G,", "\"\" says nothing about a guest");
	assert_nonsense("1G,,merge", "\"\" says nothing about a guest");
	assert_nonsense("1G,guarantee", "\"guarantee\" says nothing about a guest");
	assert_nonsense("1G,guarantee=x", "guarantee: ");
	assert_nonsense("1G,guarantee=2G", "more than the guest's memory (1G)");
	assert_nonsense("1G,cpus=0", "cpus: 0 is not from 1 to 8");
	assert_nonsense("1G,cpus=x", "cpus: \"x\" is no number of vCPUs");
	assert_nonsense("guarantee=1G,1G", "is not a size");
	assert_nonsense("1G,Merge", "choose of guarantee=SIZE, cpus=N and merge");
}

static void what_fits_is_counted_and_what_doesnt_is_explained(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct ledger ledger = {
		.capital = { .ram = 4096 * MIB, .limit = 3072 * MIB, .swap = 1024 * MIB },
	};
	struct promise p;
	size_t n;

	(void)state;
	assert_int_equal(host_promises_parse("1G", &p, NULL), 0);
	assert_int_equal(host_promises_fit(&ledger, &p, &n, NULL), 0);
	assert_int_equal(n, 3);
	strcpy(ledger.unlimited, "stranger");
	assert_int_equal(host_promises_fit(&ledger, &p, &n, &err), -1);
	assert_int_equal(err_code(err), ERR_REFUSED);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_is_its_memory_and_what_else_is_said),
		cmocka_unit_test(nonsense_is_named),
		cmocka_unit_test(what_fits_is_counted_and_what_doesnt_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
