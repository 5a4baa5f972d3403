/* SPDX-License-Identifier: Apache-2.0 */
/* The split virtqueue against a driver that keeps the rules, and against drivers that don't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "tests/fakes/driver.h"
#include "virtio/queue.h"

enum { SIZE = 8, QUEUE_AT = DRIVER_RAM_GPA, BUF = DRIVER_RAM_GPA + 0x10000 };

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)

struct fixture {
	struct driver_ram ram;
	struct driver_queue driver;
	struct virtqueue vq;
	struct virtq_chain chain;
};

static struct fixture f;

static void start(uint64_t features)
{
	driver_queue_init(&f.driver, &f.ram, QUEUE_AT, SIZE);
	virtqueue_init(&f.vq, SIZE);
	f.vq.state.desc = f.driver.desc;
	f.vq.state.avail = f.driver.avail;
	f.vq.state.used = f.driver.used;
	f.vq.state.enabled = true;
	assert_int_equal(virtqueue_start(&f.vq, &f.ram.memory, features), 0);
}

static int setup(void **state)
{
	*state = &f;
	driver_ram_init(&f.ram);
	start(EVENT_IDX | INDIRECT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_ram_free(&f.ram);
	return 0;
}

/* The queue breaks, and stays broken. */
static void assert_breaks(void)
{
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), -1);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), -1);
	assert_false(virtqueue_should_notify(&f.vq));
}

static void an_empty_queue_gives_nothing(void **state)
{
	(void)state;
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 0);
}

static void a_chain_comes_with_its_readable_buffers_first(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 3, BUF, 16, VRING_DESC_F_NEXT, 5);
	driver_set_desc(&f.driver, 5, BUF + 16, 32, VRING_DESC_F_NEXT, 1);
	driver_set_desc(&f.driver, 1, BUF + 64, 4096, VRING_DESC_F_WRITE, 0);
	driver_offer(&f.driver, 3);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
	assert_int_equal(f.chain.head, 3);
	assert_int_equal(f.chain.n_readable, 2);
	assert_int_equal(f.chain.n_writable, 1);
	assert_int_equal(f.chain.readable_len, 48);
	assert_int_equal(f.chain.writable_len, 4096);
	assert_ptr_equal(virtq_chain_readable(&f.chain)[1].iov_base, driver_at(&f.ram, BUF + 16));
	assert_ptr_equal(virtq_chain_writable(&f.chain)[0].iov_base, driver_at(&f.ram, BUF + 64));
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 0);
}

static void a_chain_given_back_is_seen_with_its_length(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 2, BUF, 16, VRING_DESC_F_WRITE, 0);
	driver_offer(&f.driver, 2);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
	virtqueue_push(&f.vq, &f.chain, 7);
	assert_int_equal(driver_used_idx(&f.driver), 1);
	assert_int_equal(driver_used(&f.driver, 0).id, 2);
	assert_int_equal(driver_used(&f.driver, 0).len, 7);
}

static void indices_go_round_past_65535(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, 0, 0);
	for (uint32_t i = 0; i < 70000; i++) {
		driver_offer(&f.driver, 0);
		assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
		virtqueue_push(&f.vq, &f.chain, 0);
	}
	assert_int_equal(driver_used_idx(&f.driver), 70000 & 0xffff);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 0);
}

static void a_full_queue_is_taken_whole(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIZE; i++) {
		driver_set_desc(&f.driver, (uint16_t)i, BUF + i, 1, 0, 0);
		driver_offer(&f.driver, (uint16_t)i);
	}
	for (unsigned i = 0; i < SIZE; i++) {
		assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
		assert_int_equal(f.chain.head, i);
	}
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 0);
}

static void a_chain_as_long_as_the_queue_is_allowed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIZE; i++)
		driver_set_desc(&f.driver, (uint16_t)i, BUF + i, 1,
				i < SIZE - 1 ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	driver_offer(&f.driver, 0);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
	assert_int_equal(f.chain.n_readable, SIZE);
}

static void a_chain_in_circles_breaks_the_queue(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, VRING_DESC_F_NEXT, 1);
	driver_set_desc(&f.driver, 1, BUF, 16, VRING_DESC_F_NEXT, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

static void an_index_that_jumps_too_far_breaks_the_queue(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, 0, 0);
	driver_set_avail_idx(&f.driver, SIZE + 1);
	assert_breaks();
}

static void an_index_that_goes_back_breaks_the_queue(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, 0, 0);
	driver_offer(&f.driver, 0);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
	driver_set_avail_idx(&f.driver, 0);
	assert_breaks();
}

static void a_head_outside_the_table_breaks_the_queue(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, 0, 0);
	driver_offer(&f.driver, SIZE);
	assert_breaks();
}

static void a_next_outside_the_table_breaks_the_queue(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, VRING_DESC_F_NEXT, SIZE + 1);
	driver_set_desc(&f.driver, 1, BUF, 16, 0, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

static void a_buffer_outside_ram_breaks_the_queue(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{ 0, 16 },
		{ DRIVER_RAM_GPA - 1, 2 },
		{ DRIVER_RAM_GPA + DRIVER_RAM_LEN - 1, 2 },
		{ DRIVER_RAM_GPA + DRIVER_RAM_LEN, 1 },
		{ BUF, DRIVER_RAM_LEN },
		{ BUF, UINT32_MAX },
		{ UINT64_MAX - 7, 16 },
		{ UINT64_MAX, UINT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(0);
		driver_set_desc(&f.driver, 0, bad[i].addr, bad[i].len, 0, 0);
		driver_offer(&f.driver, 0);
		assert_breaks();
	}
}

static void a_buffer_across_two_regions_breaks_the_queue(void **state)
{
	static uint8_t more[4096];

	(void)state;
	/* Next to the first for the guest, but not for the host. */
	assert_int_equal(guest_memory_add(&f.ram.memory, DRIVER_RAM_GPA + DRIVER_RAM_LEN,
					  sizeof(more), more, NULL),
			 0);
	driver_set_desc(&f.driver, 0, DRIVER_RAM_GPA + DRIVER_RAM_LEN - 8, 16, 0, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

static void a_buffer_without_bytes_breaks_the_queue(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 0, 0, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

static void a_readable_buffer_after_a_writable_one_breaks_the_queue(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	driver_set_desc(&f.driver, 1, BUF, 16, 0, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

/* Puts n descriptors into an indirect table at BUF, each a byte to read. */
static void write_indirect(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct vring_desc desc = { .addr = BUF + 0x8000 + i,
						 .len = 1,
						 .flags = i < n - 1 ? VRING_DESC_F_NEXT : 0,
						 .next = (uint16_t)(i + 1) };

		memcpy(driver_at(&f.ram, BUF + 16ull * i), &desc, sizeof(desc));
	}
}

static void an_indirect_table_ends_a_chain(void **state)
{
	(void)state;
	write_indirect(3);
	driver_set_desc(&f.driver, 0, BUF + 0x4000, 16, VRING_DESC_F_NEXT, 1);
	/* The write flag of the descriptor that refers to a table is ignored (2.7.5.3.2). */
	driver_set_desc(&f.driver, 1, BUF, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	driver_offer(&f.driver, 0);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
	assert_int_equal(f.chain.n_readable, 4);
	assert_ptr_equal(f.chain.iov[3].iov_base, driver_at(&f.ram, BUF + 0x8002));
}

static void an_indirect_table_is_refused_without_its_feature(void **state)
{
	(void)state;
	start(EVENT_IDX);
	write_indirect(1);
	driver_set_desc(&f.driver, 0, BUF, 16, VRING_DESC_F_INDIRECT, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

static void bad_indirect_tables_break_the_queue(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
	} bad[] = {
		{ BUF, 0, VRING_DESC_F_INDIRECT },
		{ BUF, 15, VRING_DESC_F_INDIRECT },
		{ BUF, 17, VRING_DESC_F_INDIRECT },
		{ BUF, 49, VRING_DESC_F_INDIRECT },
		{ 0, 16, VRING_DESC_F_INDIRECT },
		{ BUF, 16 * 65537, VRING_DESC_F_INDIRECT },
		/* The table's last descriptor goes on to one that isn't there. */
		{ BUF, 32, VRING_DESC_F_INDIRECT },
		{ BUF, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(INDIRECT);
		write_indirect(3);
		driver_set_desc(&f.driver, 0, bad[i].addr, bad[i].len, bad[i].flags, 1);
		driver_set_desc(&f.driver, 1, BUF + 0x4000, 16, 0, 0);
		driver_offer(&f.driver, 0);
		assert_breaks();
	}
}

static void a_table_within_a_table_breaks_the_queue(void **state)
{
	const struct vring_desc inner = { .addr = BUF, .len = 16, .flags = VRING_DESC_F_INDIRECT };

	(void)state;
	memcpy(driver_at(&f.ram, BUF), &inner, sizeof(inner));
	driver_set_desc(&f.driver, 0, BUF, 16, VRING_DESC_F_INDIRECT, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

static void more_buffers_than_a_chain_holds_break_the_queue(void **state)
{
	(void)state;
	write_indirect(VIRTQ_IOV_MAX);
	driver_set_desc(&f.driver, 0, BUF, 16 * VIRTQ_IOV_MAX, VRING_DESC_F_INDIRECT, 0);
	driver_offer(&f.driver, 0);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
	assert_int_equal(f.chain.n_readable, VIRTQ_IOV_MAX);

	write_indirect(VIRTQ_IOV_MAX + 1);
	driver_set_desc(&f.driver, 0, BUF, 16 * (VIRTQ_IOV_MAX + 1), VRING_DESC_F_INDIRECT, 0);
	driver_offer(&f.driver, 0);
	assert_breaks();
}

static void areas_that_are_no_ram_or_not_aligned_are_refused(void **state)
{
	const struct virtqueue_state good = f.vq.state;

	(void)state;
#define REFUSED(field, value)                                                           \
	do {                                                                            \
		f.vq.state = good;                                                      \
		f.vq.state.field = (value);                                             \
		assert_int_equal(virtqueue_start(&f.vq, &f.ram.memory, EVENT_IDX), -1); \
	} while (0)
	REFUSED(desc, 0);
	REFUSED(desc, good.desc + 8);
	REFUSED(desc, DRIVER_RAM_GPA + DRIVER_RAM_LEN - 16);
	REFUSED(desc, UINT64_MAX - 15);
	REFUSED(avail, 0);
	REFUSED(avail, good.avail + 1);
	REFUSED(avail, DRIVER_RAM_GPA + DRIVER_RAM_LEN - 6 - 2 * SIZE + 2);
	REFUSED(used, 0);
	REFUSED(used, good.used + 2);
	REFUSED(used, DRIVER_RAM_GPA + DRIVER_RAM_LEN - 6 - 8 * SIZE + 4);
	REFUSED(size, 0);
	REFUSED(size, 3);
	REFUSED(size, 2 * SIZE);
#undef REFUSED
	f.vq.state = good;
	assert_int_equal(virtqueue_start(&f.vq, &f.ram.memory, EVENT_IDX), 0);
}

static void the_driver_says_when_it_wants_an_interrupt(void **state)
{
	(void)state;
	start(0);
	assert_true(virtqueue_should_notify(&f.vq));
	driver_set_avail_flags(&f.driver, VRING_AVAIL_F_NO_INTERRUPT);
	assert_false(virtqueue_should_notify(&f.vq));
}

static void take_and_give_back(unsigned n)
{
	driver_set_desc(&f.driver, 0, BUF, 16, 0, 0);
	for (unsigned i = 0; i < n; i++) {
		driver_offer(&f.driver, 0);
		assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
		virtqueue_push(&f.vq, &f.chain, 0);
	}
}

static void with_an_event_index_the_interrupt_comes_when_it_is_passed(void **state)
{
	(void)state;
	driver_set_used_event(&f.driver, 0);
	take_and_give_back(1);
	assert_true(virtqueue_should_notify(&f.vq));
	driver_set_used_event(&f.driver, 3);
	take_and_give_back(2);
	assert_false(virtqueue_should_notify(&f.vq));
	take_and_give_back(1);
	assert_true(virtqueue_should_notify(&f.vq));
	take_and_give_back(1);
	assert_false(virtqueue_should_notify(&f.vq));
}

static void with_an_event_index_the_next_chain_is_asked_for(void **state)
{
	(void)state;
	take_and_give_back(3);
	assert_int_equal(driver_avail_event(&f.driver), 0);
	virtqueue_disable_notify(&f.vq);
	assert_false(virtqueue_enable_notify(&f.vq));
	assert_int_equal(driver_avail_event(&f.driver), 3);
	assert_int_equal(driver_used_flags(&f.driver), 0);
}

static void without_event_indices_a_flag_asks_for_kicks(void **state)
{
	(void)state;
	start(0);
	virtqueue_disable_notify(&f.vq);
	assert_int_equal(driver_used_flags(&f.driver), VRING_USED_F_NO_NOTIFY);
	assert_false(virtqueue_enable_notify(&f.vq));
	assert_int_equal(driver_used_flags(&f.driver), 0);
}

static void a_chain_that_came_meanwhile_is_not_lost(void **state)
{
	(void)state;
	virtqueue_disable_notify(&f.vq);
	driver_set_desc(&f.driver, 0, BUF, 16, 0, 0);
	driver_offer(&f.driver, 0);
	assert_true(virtqueue_enable_notify(&f.vq));
}

static void a_queue_that_has_not_started_is_empty_and_harmless(void **state)
{
	(void)state;
	virtqueue_reset(&f.vq);
	driver_offer(&f.driver, 0);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 0);
	f.chain.head = 0;
	virtqueue_push(&f.vq, &f.chain, 0);
	virtqueue_disable_notify(&f.vq);
	assert_false(virtqueue_enable_notify(&f.vq));
	assert_false(virtqueue_should_notify(&f.vq));
	assert_int_equal(driver_used_idx(&f.driver), 0);
}

static void a_paused_queue_keeps_its_chains(void **state)
{
	(void)state;
	driver_set_desc(&f.driver, 0, BUF, 16, 0, 0);
	driver_offer(&f.driver, 0);
	f.vq.paused = true;
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 0);
	assert_false(virtqueue_enable_notify(&f.vq));
	f.vq.paused = false;
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 1);
}

static void a_saved_queue_goes_on_where_it_was(void **state)
{
	struct virtqueue_state saved;

	(void)state;
	take_and_give_back(5);
	saved = f.vq.state;
	virtqueue_init(&f.vq, SIZE);
	f.vq.state = saved;
	assert_int_equal(virtqueue_start(&f.vq, &f.ram.memory, EVENT_IDX), 0);
	assert_int_equal(virtqueue_pop(&f.vq, &f.chain), 0);
	take_and_give_back(1);
	assert_int_equal(driver_used_idx(&f.driver), 6);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_empty_queue_gives_nothing),
		T(a_chain_comes_with_its_readable_buffers_first),
		T(a_chain_given_back_is_seen_with_its_length),
		T(indices_go_round_past_65535),
		T(a_full_queue_is_taken_whole),
		T(a_chain_as_long_as_the_queue_is_allowed),
		T(a_chain_in_circles_breaks_the_queue),
		T(an_index_that_jumps_too_far_breaks_the_queue),
		T(an_index_that_goes_back_breaks_the_queue),
		T(a_head_outside_the_table_breaks_the_queue),
		T(a_next_outside_the_table_breaks_the_queue),
		T(a_buffer_outside_ram_breaks_the_queue),
		T(a_buffer_across_two_regions_breaks_the_queue),
		T(a_buffer_without_bytes_breaks_the_queue),
		T(a_readable_buffer_after_a_writable_one_breaks_the_queue),
		T(an_indirect_table_ends_a_chain),
		T(an_indirect_table_is_refused_without_its_feature),
		T(bad_indirect_tables_break_the_queue),
		T(a_table_within_a_table_breaks_the_queue),
		T(more_buffers_than_a_chain_holds_break_the_queue),
		T(areas_that_are_no_ram_or_not_aligned_are_refused),
		T(the_driver_says_when_it_wants_an_interrupt),
		T(with_an_event_index_the_interrupt_comes_when_it_is_passed),
		T(with_an_event_index_the_next_chain_is_asked_for),
		T(without_event_indices_a_flag_asks_for_kicks),
		T(a_chain_that_came_meanwhile_is_not_lost),
		T(a_queue_that_has_not_started_is_empty_and_harmless),
		T(a_paused_queue_keeps_its_chains),
		T(a_saved_queue_goes_on_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
