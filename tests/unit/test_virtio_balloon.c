/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon's pages, in real guest RAM, of which the kernel is asked what is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "mem/guest_ram.h"
#include "tests/fakes/fakes.h"
#include "tests/unit/balloon_rig.h"

enum { FREE = RIG_FREE_PAGE, PAGES = RIG_RAM_MIB << 8 };

#define F(name) (1ull << VIRTIO_BALLOON_F_##name)

static int setup(void **state)
{
	(void)state;
	log_to(-1);
	rig_init(VIRTIO_BALLOON_ALL, (uint64_t)RIG_RAM_MIB << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_clear();
	return 0;
}

static void touch(uint64_t page, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(rig_page(page + i), 0xa5, GUEST_RAM_PAGE);
}

/* What the host's kernel says. */
static bool resident(uint64_t page)
{
	unsigned char there = 0;

	assert_int_equal(mincore(rig_page(page), GUEST_RAM_PAGE, &there), 0);
	return there & 1;
}

static unsigned n_resident(uint64_t page, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += resident(page + i);
	return sum;
}

static void name_pages(unsigned queue, uint32_t first, unsigned n)
{
	uint32_t pfns[4096];

	assert_in_range(n, 1, 4096);
	for (unsigned i = 0; i < n; i++)
		pfns[i] = first + i;
	rig_offer(queue, pfns, n * 4);
}

static void pages_in_the_balloon_are_the_hosts(void **state)
{
	(void)state;
	rig_start_all();
	touch(FREE, 16);
	name_pages(INFLATE, FREE + 4, 8);
	rig_kick(INFLATE);
	assert_int_equal(n_resident(FREE, 16), 8);
	assert_int_equal(n_resident(FREE + 4, 8), 0);
	assert_int_equal(rig_used(INFLATE), 1);
	assert_int_equal(rig_info().actual_pages, 8);
	assert_int_equal(rig_info().released_pages, 8);
	assert_int_equal(rig.changes, 1);
	assert_true(fakes.lines[1].raised > 0);
	/* What was in them is nobody's to see. */
	assert_int_equal(*(uint8_t *)rig_page(FREE + 4), 0);
	assert_int_equal(*(uint8_t *)rig_page(FREE + 3), 0xa5);
}

static void pages_are_named_in_any_order(void **state)
{
	const uint32_t pfns[] = { FREE + 9, FREE + 2, FREE + 1, FREE + 0, FREE + 10, FREE + 3 };

	(void)state;
	rig_start_all();
	touch(FREE, 12);
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_kick(INFLATE);
	assert_int_equal(n_resident(FREE, 4), 0);
	assert_int_equal(n_resident(FREE + 4, 5), 5);
	assert_int_equal(n_resident(FREE + 9, 2), 0);
	assert_int_equal(rig_info().actual_pages, 6);
}

static void pages_above_the_device_hole_are_found(void **state)
{
	const uint32_t high = (uint32_t)(GUEST_RAM_HIGH_START / GUEST_RAM_PAGE);
	const uint32_t low_end = (uint32_t)(GUEST_RAM_LOW_END / GUEST_RAM_PAGE);
	/* Either side of the hole, and both ends of the hole itself. */
	const uint32_t pfns[] = { low_end - 1, low_end, high - 1, high, high + 4, high + 5 };

	(void)state;
	rig_clear();
	rig_init(VIRTIO_BALLOON_ALL, GUEST_RAM_LOW_END + 5ull * GUEST_RAM_PAGE);
	rig_start_all();
	touch(low_end - 2, 7);
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_kick(INFLATE);
	assert_int_equal(rig_info().actual_pages, 3);
	assert_true(resident(low_end - 2));
	assert_int_equal(n_resident(low_end - 1, 2), 0);
	assert_int_equal(n_resident(low_end + 1, 3), 3);
	assert_false(resident(low_end + 4));
}

static void numbers_that_are_not_ram_are_passed_over(void **state)
{
	const uint32_t pfns[] = { PAGES, UINT32_MAX, FREE, PAGES + 1, FREE + 1, 0x80000000 };

	(void)state;
	rig_start_all();
	touch(FREE, 3);
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_offer(DEFLATE, pfns, 8);
	rig_kick(INFLATE);
	rig_kick(DEFLATE);
	assert_false(rig_broken());
	assert_int_equal(rig_used(INFLATE), 1);
	assert_int_equal(rig_used(DEFLATE), 1);
	assert_int_equal(rig_info().actual_pages, 2);
	assert_int_equal(n_resident(FREE, 3), 1);
}

static void a_page_given_twice_is_one_page(void **state)
{
	const uint32_t pfns[] = { FREE, FREE, FREE + 1, FREE, FREE + 1 };

	(void)state;
	rig_start_all();
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_kick(INFLATE);
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_kick(INFLATE);
	assert_int_equal(rig_info().actual_pages, 2);
	rig_offer(DEFLATE, pfns, sizeof(pfns));
	rig_kick(DEFLATE);
	assert_int_equal(rig_info().actual_pages, 0);
	rig_offer(DEFLATE, pfns, sizeof(pfns));
	rig_kick(DEFLATE);
	assert_int_equal(rig_info().actual_pages, 0);
	/* Once for what went in, and once for what came out. */
	assert_int_equal(rig.changes, 2);
}

static void a_page_taken_out_is_the_guests_again(void **state)
{
	(void)state;
	rig_start_all();
	name_pages(INFLATE, FREE, 8);
	rig_kick(INFLATE);
	name_pages(DEFLATE, FREE + 2, 4);
	rig_kick(DEFLATE);
	touch(FREE + 2, 4);
	assert_int_equal(rig_info().actual_pages, 4);
	/* Its neighbours on both sides go in again, and it stays. */
	name_pages(INFLATE, FREE, 2);
	name_pages(INFLATE, FREE + 6, 4);
	rig_kick(INFLATE);
	assert_int_equal(n_resident(FREE + 2, 4), 4);
	assert_int_equal(*(uint8_t *)rig_page(FREE + 5), 0xa5);
	assert_int_equal(rig_info().actual_pages, 6);
}

/* §2.6.4: where one buffer ends and the next begins means nothing. */
static void numbers_may_be_cut_by_the_buffers_edges(void **state)
{
	struct driver_queue *queue = &rig.d.queues[INFLATE];
	const uint32_t pfns[] = { FREE, FREE + 2, FREE + 4 };

	(void)state;
	rig_start_all();
	memcpy(driver_at(&rig.m.ram, RIG_BUFFERS), pfns, sizeof(pfns));
	driver_set_desc(queue, 0, RIG_BUFFERS, 5, VRING_DESC_F_NEXT, 1);
	driver_set_desc(queue, 1, RIG_BUFFERS + 5, 2, VRING_DESC_F_NEXT, 2);
	driver_set_desc(queue, 2, RIG_BUFFERS + 7, 5, 0, 0);
	driver_offer(queue, 0);
	touch(FREE, 5);
	rig_kick(INFLATE);
	assert_int_equal(rig_info().actual_pages, 3);
	assert_int_equal(n_resident(FREE, 5), 2);
}

static void a_long_array_is_taken_in_turns(void **state)
{
	static uint32_t pfns[100000];
	const unsigned n = sizeof(pfns) / sizeof(pfns[0]);
	unsigned turns = 0;

	(void)state;
	rig_start_all();
	for (unsigned i = 0; i < n; i++)
		pfns[i] = FREE + i % 1024;
	rig_offer(INFLATE, pfns, sizeof(pfns));
	virtio_driver_kick(&rig.d, INFLATE);
	while (rig_used(INFLATE) == 0) {
		assert_int_equal(fake_loop_turn(rig.m.loop), 1);
		turns++;
	}
	assert_in_range(turns, n / 4096, n / 1024);
	assert_int_equal(rig_info().actual_pages, 1024);
	while (fake_loop_turn(rig.m.loop) > 0)
		assert_in_range(turns++, 0, n);
	assert_int_equal(rig_used(INFLATE), 1);
}

static void a_held_array_waits_while_the_device_may_not_reach_memory(void **state)
{
	static uint32_t pfns[8192];

	(void)state;
	rig_start_all();
	for (unsigned i = 0; i < 8192; i++)
		pfns[i] = FREE + i % 1024;
	rig_offer(INFLATE, pfns, sizeof(pfns));
	virtio_driver_kick(&rig.d, INFLATE);
	fake_loop_turn(rig.m.loop);
	config_write(&rig.m, RIG_SLOT, 4, 2, 2);
	while (fake_loop_turn(rig.m.loop) > 0)
		;
	assert_int_equal(rig_used(INFLATE), 0);
	config_write(&rig.m, RIG_SLOT, 4, 6, 2);
	while (fake_loop_turn(rig.m.loop) > 0)
		;
	assert_int_equal(rig_used(INFLATE), 1);
}

static void a_reset_forgets_an_array_half_done(void **state)
{
	static uint32_t pfns[8192];

	(void)state;
	rig_start_all();
	for (unsigned i = 0; i < 8192; i++)
		pfns[i] = FREE + i % 1024;
	rig_offer(INFLATE, pfns, sizeof(pfns));
	virtio_driver_kick(&rig.d, INFLATE);
	fake_loop_turn(rig.m.loop);
	assert_true(rig_info().actual_pages > 0);
	rig_start_all();
	assert_int_equal(rig_info().actual_pages, 0);
	assert_int_equal(rig_used(INFLATE), 0);
}

/*
 * What breaks the device, and no more than it.
 */

static void breaks(unsigned queue)
{
	struct virtio_balloon_info before = rig_info();

	assert_false(rig_broken());
	rig_kick(queue);
	assert_true(rig_broken());
	assert_int_equal(rig_used(queue), 0);
	assert_int_equal(rig_info().actual_pages, before.actual_pages);
	assert_int_equal(rig_info().reported_total, before.reported_total);
	assert_false(rig_info().driver);
	/* And a reset mends it. */
	rig_start_all();
	name_pages(INFLATE, FREE, 4);
	rig_kick(INFLATE);
	assert_int_equal(rig_info().actual_pages, 4);
}

static void half_a_number_breaks_the_device(void **state)
{
	const uint32_t pfns[] = { FREE, FREE + 1 };

	(void)state;
	rig_start_all();
	rig_offer(INFLATE, pfns, 6);
	breaks(INFLATE);
}

static void half_a_number_to_take_out_breaks_the_device(void **state)
{
	(void)state;
	rig_start_all();
	rig_offer(DEFLATE, "abc", 3);
	breaks(DEFLATE);
}

static void numbers_to_write_into_break_the_device(void **state)
{
	(void)state;
	rig_start_all();
	rig_offer_at(INFLATE, RIG_BUFFERS, 64, VRING_DESC_F_WRITE);
	breaks(INFLATE);
}

static void numbers_outside_memory_break_the_device(void **state)
{
	(void)state;
	rig_start_all();
	rig_offer_at(INFLATE, ((uint64_t)RIG_RAM_MIB << 20) - 4, 8, 0);
	breaks(INFLATE);
}

static void a_queue_outside_memory_breaks_the_device(void **state)
{
	struct virtio_driver *d = &rig.d;

	(void)state;
	assert_true(virtio_driver_negotiate(d, 1ull << VIRTIO_F_VERSION_1));
	virtio_driver_setup_queue(d, INFLATE, RIG_QUEUE_SIZE);
	guest_write(&rig.m, d->common + VIRTIO_PCI_COMMON_Q_SELECT, DEFLATE, 2);
	guest_write(&rig.m, d->common + VIRTIO_PCI_COMMON_Q_DESCHI, 1, 4);
	guest_write(&rig.m, d->common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	virtio_driver_set_status(d, 15);
	assert_true(rig_broken());
	assert_false(rig_info().driver);
	rig_start_all();
	assert_true(rig_info().driver);
}

/*
 * Free page reporting.
 */

static void report(uint64_t page, unsigned n)
{
	rig_offer_at(REPORTS, page * GUEST_RAM_PAGE, n * GUEST_RAM_PAGE, VRING_DESC_F_WRITE);
	rig_kick(REPORTS);
}

static void reported_pages_are_the_hosts_until_they_are_used(void **state)
{
	(void)state;
	rig_start_all();
	touch(FREE, 600);
	report(FREE + 10, 512);
	assert_int_equal(rig_used(REPORTS), 1);
	assert_int_equal(driver_used(&rig.d.queues[REPORTS], 0).len, 0);
	assert_int_equal(n_resident(FREE, 600), 600 - 512);
	assert_int_equal(rig_info().reported_pages, 512);
	/* Used, free and reported again: the same pages, and another report. */
	touch(FREE + 10, 512);
	report(FREE + 10, 512);
	assert_int_equal(n_resident(FREE, 600), 600 - 512);
	assert_int_equal(rig_info().reported_pages, 512);
	assert_int_equal(rig_info().reported_total, 1024);
	assert_int_equal(rig_info().actual_pages, 0);
}

static void a_reported_page_in_the_balloon_counts_there(void **state)
{
	(void)state;
	rig_start_all();
	report(FREE, 512);
	name_pages(INFLATE, FREE + 100, 12);
	rig_kick(INFLATE);
	assert_int_equal(rig_info().reported_pages, 500);
	assert_int_equal(rig_info().actual_pages, 12);
}

static void parts_of_pages_stay(void **state)
{
	const uint64_t gpa = FREE * (uint64_t)GUEST_RAM_PAGE;

	(void)state;
	rig_start_all();
	touch(FREE, 8);
	rig_offer_at(REPORTS, gpa + 1, 3 * GUEST_RAM_PAGE - 2, VRING_DESC_F_WRITE);
	rig_offer_at(REPORTS, gpa + 4 * GUEST_RAM_PAGE, GUEST_RAM_PAGE - 1, VRING_DESC_F_WRITE);
	rig_offer_at(REPORTS, gpa + 5 * GUEST_RAM_PAGE + 1, GUEST_RAM_PAGE, VRING_DESC_F_WRITE);
	rig_kick(REPORTS);
	assert_int_equal(rig_used(REPORTS), 3);
	assert_int_equal(n_resident(FREE, 8), 7);
	assert_false(resident(FREE + 1));
	assert_int_equal(rig_info().reported_pages, 1);
}

static void a_report_to_read_breaks_the_device(void **state)
{
	(void)state;
	rig_start_all();
	rig_offer_at(REPORTS, FREE * (uint64_t)GUEST_RAM_PAGE, GUEST_RAM_PAGE, 0);
	breaks(REPORTS);
}

/* A guest that poisons free pages counts on finding the poison there. */
static void poisoned_pages_are_not_given_back(void **state)
{
	(void)state;
	rig_start_all();
	guest_write(&rig.m, rig.d.device + 12, 0xaaaaaaaa, 4);
	assert_int_equal(rig_info().poison_value, 0xaaaaaaaa);
	touch(FREE, 8);
	report(FREE, 8);
	assert_int_equal(rig_used(REPORTS), 1);
	assert_int_equal(n_resident(FREE, 8), 8);
	assert_int_equal(rig_info().reported_total, 0);
	/* What is in the balloon is nobody's contents. */
	name_pages(INFLATE, FREE, 8);
	rig_kick(INFLATE);
	assert_int_equal(n_resident(FREE, 8), 0);
	/* A poison of zero is what fresh pages hold. */
	guest_write(&rig.m, rig.d.device + 12, 0, 4);
	report(FREE + 8, 8);
	assert_int_equal(rig_info().reported_total, 8);
}

static void poison_counts_only_if_negotiated(void **state)
{
	(void)state;
	assert_true(rig_start(F(REPORTING), 0x1f));
	guest_write(&rig.m, rig.d.device + 12, 0xaaaaaaaa, 4);
	assert_int_equal(rig_info().poison_value, 0);
	report(FREE, 8);
	assert_int_equal(rig_info().reported_total, 8);
}

/* A guest of 4 GiB says at once that all of the upper one is free. */
static void a_large_report_is_taken_in_turns(void **state)
{
	const uint64_t gib = 1 << 30;

	(void)state;
	rig_clear();
	rig_init(VIRTIO_BALLOON_ALL, 4 * gib);
	rig_start_all();
	rig_offer_at(REPORTS, GUEST_RAM_HIGH_START + 1, (uint32_t)gib - 1, VRING_DESC_F_WRITE);
	virtio_driver_kick(&rig.d, REPORTS);
	fake_loop_turn(rig.m.loop);
	assert_in_range(rig_info().reported_total, 1, gib / GUEST_RAM_PAGE / 2);
	assert_int_equal(rig_used(REPORTS), 0);
	while (fake_loop_turn(rig.m.loop) > 0)
		;
	assert_int_equal(rig_used(REPORTS), 1);
	assert_int_equal(rig_info().reported_total, gib / GUEST_RAM_PAGE - 1);
	assert_int_equal(rig_info().reported_pages, gib / GUEST_RAM_PAGE - 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pages_in_the_balloon_are_the_hosts),
		T(pages_are_named_in_any_order),
		T(pages_above_the_device_hole_are_found),
		T(numbers_that_are_not_ram_are_passed_over),
		T(a_page_given_twice_is_one_page),
		T(a_page_taken_out_is_the_guests_again),
		T(numbers_may_be_cut_by_the_buffers_edges),
		T(a_long_array_is_taken_in_turns),
		T(a_held_array_waits_while_the_device_may_not_reach_memory),
		T(a_reset_forgets_an_array_half_done),
		T(half_a_number_breaks_the_device),
		T(half_a_number_to_take_out_breaks_the_device),
		T(numbers_to_write_into_break_the_device),
		T(numbers_outside_memory_break_the_device),
		T(a_queue_outside_memory_breaks_the_device),
		T(reported_pages_are_the_hosts_until_they_are_used),
		T(a_reported_page_in_the_balloon_counts_there),
		T(parts_of_pages_stay),
		T(a_report_to_read_breaks_the_device),
		T(poisoned_pages_are_not_given_back),
		T(poison_counts_only_if_negotiated),
		T(a_large_report_is_taken_in_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
