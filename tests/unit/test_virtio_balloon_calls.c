/* SPDX-License-Identifier: Apache-2.0 */
/* How often a balloon calls the kernel, when, and with what: the calls are recorded instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/fakes/fakes.h"
#include "tests/fakes/guest_ram.h"
#include "tests/unit/balloon_rig.h"

enum { FREE = RIG_FREE_PAGE, HUGE = 512 };

static uint16_t used_at_release;

static void note_used(uint64_t page, uint64_t n)
{
	(void)page;
	(void)n;
	used_at_release = rig_used(INFLATE);
}

static int start(uint64_t unit)
{
	log_to(-1);
	fake_guest_ram = (struct fake_guest_ram){ .unit = unit, .on_release = note_used };
	used_at_release = UINT16_MAX;
	rig_init(VIRTIO_BALLOON_ALL, (uint64_t)RIG_RAM_MIB << 20);
	rig_start_all();
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(1);
}

static int setup_huge(void **state)
{
	(void)state;
	return start(HUGE);
}

static int teardown(void **state)
{
	(void)state;
	rig_clear();
	return 0;
}

static void name_run(unsigned queue, uint32_t first, int step, unsigned n)
{
	uint32_t pfns[1024];

	assert_in_range(n, 1, 1024);
	for (unsigned i = 0; i < n; i++)
		pfns[i] = (uint32_t)((int)first + step * (int)i);
	rig_offer(queue, pfns, n * 4);
}

static void assert_call(unsigned i, uint64_t page, uint64_t n)
{
	assert_true(i < fake_guest_ram.n_releases);
	assert_int_equal(fake_guest_ram.releases[i].page, page);
	assert_int_equal(fake_guest_ram.releases[i].n, n);
}

static void assert_one_call(uint64_t page, uint64_t n)
{
	assert_int_equal(fake_guest_ram.n_releases, 1);
	assert_call(0, page, n);
}

static void pages_going_up_are_one_call(void **state)
{
	(void)state;
	name_run(INFLATE, FREE, 1, 256);
	rig_kick(INFLATE);
	assert_one_call(FREE, 256);
}

static void pages_going_down_are_one_call(void **state)
{
	(void)state;
	name_run(INFLATE, FREE + 255, -1, 256);
	rig_kick(INFLATE);
	assert_one_call(FREE, 256);
}

static void pages_in_disorder_are_one_call(void **state)
{
	uint32_t pfns[256];

	(void)state;
	srandom(1);
	for (unsigned i = 0; i < 256; i++)
		pfns[i] = FREE + i;
	for (unsigned i = 255; i > 0; i--) {
		unsigned j = (unsigned)random() % (i + 1);
		uint32_t pfn = pfns[i];

		pfns[i] = pfns[j];
		pfns[j] = pfn;
	}
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_kick(INFLATE);
	assert_one_call(FREE, 256);
}

static void arrays_of_one_turn_are_one_call(void **state)
{
	(void)state;
	name_run(INFLATE, FREE + 256, 1, 256);
	name_run(INFLATE, FREE, 1, 256);
	name_run(INFLATE, FREE + 767, -1, 256);
	name_run(INFLATE, FREE + 768, 1, 256);
	rig_kick(INFLATE);
	assert_int_equal(rig_used(INFLATE), 4);
	assert_one_call(FREE, 1024);
}

static void each_gap_is_a_call_more_and_no_page_between(void **state)
{
	(void)state;
	name_run(INFLATE, FREE, 2, 100);
	rig_kick(INFLATE);
	assert_int_equal(fake_guest_ram.n_releases, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_call(i, FREE + 2 * i, 1);
}

static void pages_are_gone_before_the_driver_hears(void **state)
{
	(void)state;
	name_run(INFLATE, FREE, 1, 256);
	rig_kick(INFLATE);
	assert_int_equal(used_at_release, 0);
	assert_int_equal(rig_used(INFLATE), 1);
}

static void what_is_in_the_balloon_is_not_given_back_again(void **state)
{
	(void)state;
	name_run(INFLATE, FREE, 1, 256);
	rig_kick(INFLATE);
	name_run(INFLATE, FREE, 1, 256);
	rig_kick(INFLATE);
	assert_one_call(FREE, 256);
	assert_int_equal(rig_info().released_pages, 256);
}

static void taking_out_calls_nobody(void **state)
{
	(void)state;
	name_run(DEFLATE, FREE, 1, 256);
	rig_kick(DEFLATE);
	assert_int_equal(fake_guest_ram.n_releases, 0);
}

/*
 * Huge pages, which only go as a whole.
 */

static void a_huge_page_goes_when_all_of_it_is_in(void **state)
{
	(void)state;
	name_run(INFLATE, 2 * HUGE, 1, HUGE - 1);
	rig_kick(INFLATE);
	name_run(INFLATE, 4 * HUGE - 1, -1, 1);
	rig_kick(INFLATE);
	assert_int_equal(fake_guest_ram.n_releases, 0);
	assert_int_equal(rig_info().actual_pages, HUGE);
	name_run(INFLATE, 3 * HUGE - 1, 1, 1);
	rig_kick(INFLATE);
	assert_one_call(2 * HUGE, HUGE);
	assert_int_equal(rig_info().released_pages, HUGE);
	/* One page of it is taken out, used, and given again. */
	name_run(DEFLATE, 2 * HUGE + 7, 1, 1);
	rig_kick(DEFLATE);
	name_run(INFLATE, 2 * HUGE - 1, 1, 1);
	rig_kick(INFLATE);
	assert_int_equal(fake_guest_ram.n_releases, 1);
	name_run(INFLATE, 2 * HUGE + 7, 1, 1);
	rig_kick(INFLATE);
	assert_int_equal(fake_guest_ram.n_releases, 2);
	assert_call(1, 2 * HUGE, HUGE);
}

static void huge_pages_side_by_side_are_one_call(void **state)
{
	(void)state;
	name_run(INFLATE, HUGE + 1, 1, 1024);
	name_run(INFLATE, 3 * HUGE + 1, 1, HUGE - 1);
	rig_kick(INFLATE);
	assert_one_call(2 * HUGE, 2 * HUGE);
	name_run(INFLATE, HUGE, 1, 1);
	rig_kick(INFLATE);
	assert_call(1, HUGE, HUGE);
}

static void whole_huge_pages_of_a_report_go(void **state)
{
	(void)state;
	rig_offer_at(REPORTS, (2 * HUGE - 1) * 4096, (2 * HUGE + 1) * 4096, VRING_DESC_F_WRITE);
	rig_offer_at(REPORTS, (2 * HUGE + 1) * 4096, HUGE * 4096, VRING_DESC_F_WRITE);
	rig_offer_at(REPORTS, 1 * HUGE * 4096 + 1, (HUGE + 1) * 4096, VRING_DESC_F_WRITE);
	rig_kick(REPORTS);
	assert_one_call(2 * HUGE, 2 * HUGE);
	assert_int_equal(rig_used(REPORTS), 3);
	assert_int_equal(rig_info().reported_pages, 2 * HUGE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define H(name) cmocka_unit_test_setup_teardown(name, setup_huge, teardown)
	const struct CMUnitTest tests[] = {
		T(pages_going_up_are_one_call),
		T(pages_going_down_are_one_call),
		T(pages_in_disorder_are_one_call),
		T(arrays_of_one_turn_are_one_call),
		T(each_gap_is_a_call_more_and_no_page_between),
		T(pages_are_gone_before_the_driver_hears),
		T(what_is_in_the_balloon_is_not_given_back_again),
		T(taking_out_calls_nobody),
		H(a_huge_page_goes_when_all_of_it_is_in),
		H(huge_pages_side_by_side_are_one_call),
		H(whole_huge_pages_of_a_report_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
