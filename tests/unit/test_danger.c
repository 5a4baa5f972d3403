/* SPDX-License-Identifier: Apache-2.0 */
/* When lodged says that promises are in danger, and what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "govern/danger.h"

#define MIB (UINT64_C(1) << 20)

/* 3 GiB of RAM and 2 GiB of swap for guests, all promised. */
static struct ledger host(void)
{
	return (struct ledger){
		.capital = { .ram = 4096 * MIB,
			     .limit = 3072 * MIB,
			     .others = 300 * MIB,
			     .swap = 2048 * MIB },
		.sum = { .n = 5, .guaranteed = 1000 * MIB, .worst = 5120 * MIB },
	};
}

static void assert_says(const struct ledger *ledger, struct danger_memory *memory,
			const char *words)
{
	char text[DANGER_TEXT_MAX];

	danger_decide(ledger, memory, text);
	if (!words)
		assert_string_equal(text, "");
	else if (!strstr(text, words))
		fail_msg("\"%s\" doesn't say \"%s\"", text, words);
}

static void a_host_that_keeps_its_promises_says_nothing(void **state)
{
	struct danger_memory memory = { 0 };
	struct ledger ledger = host();

	(void)state;
	assert_says(&ledger, &memory, NULL);
	assert_says(&ledger, &memory, NULL);
}

static void lost_swap_is_said_once_and_so_is_its_return(void **state)
{
	struct danger_memory memory = { 0 };
	struct ledger ledger = host();

	(void)state;
	ledger.capital.swap = 1536 * MIB;
	assert_says(&ledger, &memory,
		    "guests' memory is in danger: 5G are promised, of 3G of RAM and 1.5G of swap; "
		    "512M more swap or RAM, or an end of that much of guests, restores it; nobody "
		    "who needs it is let in until then");
	assert_says(&ledger, &memory, NULL);
	/* A little more or less is no news, a quarter more is. */
	ledger.capital.swap = 1500 * MIB;
	assert_says(&ledger, &memory, NULL);
	ledger.capital.swap = 1300 * MIB;
	assert_says(&ledger, &memory, "748M more swap or RAM");
	ledger.capital.swap = 2048 * MIB;
	assert_says(&ledger, &memory, "every promise can be kept again");
	assert_says(&ledger, &memory, NULL);
}

static void ram_that_others_take_endangers_guarantees(void **state)
{
	struct danger_memory memory = { 0 };
	struct ledger ledger = host();

	(void)state;
	ledger.sum.worst = 1200 * MIB;
	ledger.capital.others = 3072 * MIB;
	assert_says(&ledger, &memory,
		    "guarantees are in danger: 1000M are promised with 32M to swap through, and "
		    "guests can have 1G of RAM; 8M more RAM, or less of what others use (3G), "
		    "restores them");
	/* Another kind of danger is news. */
	ledger.capital.swap = 0;
	assert_says(&ledger, &memory, "; guests' memory is in danger: 1.2G are promised");
	ledger.capital.others = 0;
	assert_says(&ledger, &memory, "every promise can be kept again");
}

static void what_limits_keep_out_of_ram_needs_swap(void **state)
{
	struct danger_memory memory = { 0 };
	struct ledger ledger = host();

	(void)state;
	ledger.sum.worst = 2048 * MIB;
	ledger.sum.beyond = 512 * MIB;
	ledger.capital.swap = 256 * MIB;
	assert_says(&ledger, &memory,
		    "memory beyond limits is in danger: 512M have to be in swap, of which there "
		    "are 256M; 256M more swap, or higher limits, restore it");
}

static void protection_that_the_groups_above_lose_endangers_guarantees(void **state)
{
	struct danger_memory memory = { 0 };
	struct ledger ledger = host();

	(void)state;
	ledger.sum.protection = 300 * MIB;
	ledger.capital.bound = (struct promise_bound){
		.there = true, .ram = UINT64_MAX, .swap = UINT64_MAX, .protection = 300 * MIB
	};
	assert_says(&ledger, &memory, NULL);
	ledger.capital.bound.protection = 100 * MIB;
	assert_says(&ledger, &memory,
		    "guarantees are in danger: the kernel is to protect 300M, and the groups above "
		    "lodge.slice protect 100M");
	assert_says(&ledger, &memory, NULL);
	ledger.capital.bound.protection = 300 * MIB;
	assert_says(&ledger, &memory, "every promise can be kept again");
}

static void a_group_without_a_limit_endangers_everything(void **state)
{
	struct danger_memory memory = { 0 };
	struct ledger ledger = host();

	(void)state;
	strcpy(ledger.unlimited, "stranger");
	assert_says(&ledger, &memory, "every promise is in danger: lodge.slice/stranger");
	assert_says(&ledger, &memory, NULL);
	ledger.unlimited[0] = '\0';
	assert_says(&ledger, &memory, "every promise can be kept again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_that_keeps_its_promises_says_nothing),
		cmocka_unit_test(lost_swap_is_said_once_and_so_is_its_return),
		cmocka_unit_test(ram_that_others_take_endangers_guarantees),
		cmocka_unit_test(what_limits_keep_out_of_ram_needs_swap),
		cmocka_unit_test(protection_that_the_groups_above_lose_endangers_guarantees),
		cmocka_unit_test(a_group_without_a_limit_endangers_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
