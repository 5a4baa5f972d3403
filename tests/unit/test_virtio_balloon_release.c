/* SPDX-License-Identifier: Apache-2.0 */
/* When pages of the balloon go back to the host, with the kernel as the witness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include "mem/guest_ram.h"
#include "tests/fakes/fakes.h"
#include "tests/unit/balloon_rig.h"

enum {
	BLOCK = 512, /* pages */
	RAM_MIB = 64,
	PAGES = RAM_MIB << 8,
	FIRST = RIG_FREE_PAGE,
	N_FREE = PAGES - FIRST,
};

_Static_assert((int)FIRST % (int)BLOCK == 0, "what is free begins with a block");

static int setup(void **state)
{
	(void)state;
	rig_init(VIRTIO_BALLOON_ALL, (uint64_t)RAM_MIB << 20);
	rig_start_all();
	for (uint64_t page = FIRST; page < PAGES; page++)
		memset(rig_page(page), 0xa5, GUEST_RAM_PAGE);
	virtio_balloon_set_target(rig.dev, N_FREE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_clear();
	return 0;
}

static unsigned n_resident(uint64_t page, unsigned n)
{
	unsigned char there[PAGES];
	unsigned sum = 0;

	assert_int_equal(mincore(rig_page(page), (size_t)n * GUEST_RAM_PAGE, there), 0);
	for (unsigned i = 0; i < n; i++)
		sum += there[i] & 1;
	return sum;
}

/* Puts pages in or takes them out, as Linux does it: 256 at a time. */
static void name_pages(unsigned queue, uint32_t first, unsigned n)
{
	uint32_t pfns[256];

	for (unsigned done = 0; done < n; done += 256) {
		unsigned part = n - done < 256 ? n - done : 256;

		for (unsigned i = 0; i < part; i++)
			pfns[i] = first + done + i;
		rig_offer(queue, pfns, part * sizeof(pfns[0]));
		rig_kick(queue);
	}
}

static void a_block_goes_when_it_is_whole(void **state)
{
	(void)state;
	name_pages(INFLATE, FIRST, BLOCK / 2);
	assert_int_equal(rig_used(INFLATE), 1);
	assert_int_equal(rig_info().actual_pages, BLOCK / 2);
	assert_int_equal(rig_info().released_pages, 0);
	assert_int_equal(n_resident(FIRST, BLOCK), BLOCK);
	name_pages(INFLATE, FIRST + BLOCK / 2, BLOCK / 2);
	assert_int_equal(n_resident(FIRST, BLOCK), 0);
	assert_int_equal(rig_info().released_pages, BLOCK);
}

static void a_page_that_was_taken_out_is_not_given_back(void **state)
{
	(void)state;
	name_pages(INFLATE, FIRST, 256);
	name_pages(DEFLATE, FIRST + 10, 20);
	/* The guest uses it, and everything else that waits goes. */
	memset(rig_page(FIRST + 10), 0x77, GUEST_RAM_PAGE);
	virtio_balloon_set_target(rig.dev, 0);
	assert_int_equal(n_resident(FIRST, 256), 20);
	assert_int_equal(*(uint8_t *)rig_page(FIRST + 10), 0x77);
	assert_int_equal(*(uint8_t *)rig_page(FIRST + 29), 0xa5);
	assert_int_equal(rig_info().released_pages, 236);
	/* Nor when the rest of its block comes. */
	virtio_balloon_set_target(rig.dev, N_FREE);
	name_pages(INFLATE, FIRST + 256, 256);
	virtio_balloon_set_target(rig.dev, 0);
	assert_int_equal(n_resident(FIRST, BLOCK), 20);
	assert_int_equal(*(uint8_t *)rig_page(FIRST + 10), 0x77);
}

static void all_goes_when_the_target_is_reached(void **state)
{
	(void)state;
	virtio_balloon_set_target(rig.dev, 300);
	name_pages(INFLATE, FIRST + 7, 299);
	assert_int_equal(n_resident(FIRST, BLOCK), BLOCK);
	name_pages(INFLATE, FIRST + 400, 1);
	assert_int_equal(n_resident(FIRST, BLOCK), BLOCK - 300);
	assert_int_equal(rig_info().released_pages, 300);
}

static void few_blocks_wait_and_the_oldest_goes_first(void **state)
{
	(void)state;
	/* A page of each block: none is ever whole. */
	for (unsigned block = 0; block < N_FREE / BLOCK; block++)
		name_pages(INFLATE, FIRST + block * BLOCK + 3, 1);
	assert_int_equal(rig_info().actual_pages, N_FREE / BLOCK);
	assert_int_equal(rig_info().released_pages, N_FREE / BLOCK - 8);
	assert_int_equal(n_resident(FIRST, BLOCK), BLOCK - 1);
	assert_int_equal(n_resident(PAGES - BLOCK, BLOCK), BLOCK);
}

static void the_same_pages_again_are_not_counted_again(void **state)
{
	(void)state;
	name_pages(INFLATE, FIRST, 256);
	virtio_balloon_set_target(rig.dev, 0);
	assert_int_equal(rig_info().released_pages, 256);
	virtio_balloon_set_target(rig.dev, N_FREE);
	name_pages(INFLATE, FIRST + 256, 256);
	assert_int_equal(rig_info().released_pages, BLOCK);
	assert_int_equal(n_resident(FIRST, BLOCK), 0);
}

static void nothing_waits_for_a_driver_that_need_not_tell(void **state)
{
	const uint64_t without = 0x3f & ~(1ull << VIRTIO_BALLOON_F_MUST_TELL_HOST);

	(void)state;
	assert_true(rig_start(without, 0x1f));
	while (fake_loop_turn(rig.m.loop) > 0)
		;
	name_pages(INFLATE, FIRST, 100);
	assert_int_equal(n_resident(FIRST, 100), 0);
}

static void a_reset_forgets_what_waits(void **state)
{
	(void)state;
	name_pages(INFLATE, FIRST, 256);
	rig_start_all();
	virtio_balloon_set_target(rig.dev, 0);
	assert_int_equal(n_resident(FIRST, 256), 256);
	assert_int_equal(rig_info().released_pages, 0);
}

static void the_last_block_may_be_short(void **state)
{
	(void)state;
	rig_clear();
	rig_init(VIRTIO_BALLOON_ALL, ((uint64_t)RAM_MIB << 20) + 5 * GUEST_RAM_PAGE);
	rig_start_all();
	virtio_balloon_set_target(rig.dev, PAGES);
	memset(rig_page(PAGES), 0xa5, (size_t)5 * GUEST_RAM_PAGE);
	name_pages(INFLATE, PAGES, 4);
	assert_int_equal(n_resident(PAGES, 5), 5);
	name_pages(INFLATE, PAGES + 4, 1);
	assert_int_equal(n_resident(PAGES, 5), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_block_goes_when_it_is_whole),
		T(a_page_that_was_taken_out_is_not_given_back),
		T(all_goes_when_the_target_is_reached),
		T(few_blocks_wait_and_the_oldest_goes_first),
		T(the_same_pages_again_are_not_counted_again),
		T(nothing_waits_for_a_driver_that_need_not_tell),
		T(a_reset_forgets_what_waits),
		T(the_last_block_may_be_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
