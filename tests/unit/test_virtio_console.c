/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console between a driver and a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "tests/fakes/fakes.h"
#include "tests/fakes/pci_driver.h"
#include "virtio/console.h"

enum { SLOT = 1, QUEUES = 2, SIZE = 16, BUF = DRIVER_RAM_GPA + 0x10000 };

#define FEATURES                                                        \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX | \
	 1ull << VIRTIO_CONSOLE_F_SIZE)

static struct test_machine m;
static struct virtio_pci *transport;
static struct virtio_driver d;
static struct driver_queue *rx, *tx;

static int setup(void **state)
{
	struct virtio_pci_host host;
	struct virtio_device *dev;

	(void)state;
	test_machine_init(&m);
	host = test_machine_host(&m);
	fakes.columns = 80;
	fakes.rows = 25;
	assert_int_equal(virtio_console_new(fake_console(), &dev, NULL), 0);
	assert_int_equal(virtio_pci_new(&host, dev, SLOT, &transport, NULL), 0);
	virtio_driver_probe(&d, &m, SLOT);
	rx = &d.queues[0];
	tx = &d.queues[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	virtio_pci_free(transport);
	assert_null(fakes.input);
	test_machine_clear(&m);
	assert_int_equal(fakes_live(), 0);
	return 0;
}

static void start(void)
{
	assert_true(virtio_driver_start(&d, FEATURES, QUEUES, SIZE));
}

/* Offers a buffer to receive into. */
static void offer_rx(uint16_t index, uint32_t len)
{
	driver_set_desc(rx, index, BUF + index * 0x100u, len, VRING_DESC_F_WRITE, 0);
	driver_offer(rx, index);
}

static size_t type(const char *text)
{
	return fakes.input->input(fakes.input->opaque, (const uint8_t *)text, strlen(text));
}

static bool broken(void)
{
	return virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void what_the_guest_prints_comes_out_in_order(void **state)
{
	(void)state;
	start();
	memcpy(driver_at(&m.ram, BUF), "hello, world", 12);
	driver_set_desc(tx, 0, BUF, 5, VRING_DESC_F_NEXT, 1);
	driver_set_desc(tx, 1, BUF + 5, 2, 0, 0);
	driver_set_desc(tx, 2, BUF + 7, 5, 0, 0);
	driver_offer(tx, 0);
	driver_offer(tx, 2);
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(fakes.output_len, 12);
	assert_memory_equal(fakes.output, "hello, world", 12);
	assert_int_equal(driver_used_idx(tx), 2);
	assert_int_equal(driver_used(tx, 0).len, 0);
	assert_int_equal(fakes.lines[1].raised, 1);
	/* The next one is asked for. */
	assert_int_equal(driver_avail_event(tx), 2);
}

static void what_is_typed_fills_the_guests_buffers(void **state)
{
	(void)state;
	start();
	offer_rx(0, 4);
	offer_rx(1, 100);
	assert_int_equal(type("hello"), 5);
	assert_int_equal(driver_used_idx(rx), 2);
	assert_int_equal(driver_used(rx, 0).len, 4);
	assert_int_equal(driver_used(rx, 1).len, 1);
	assert_memory_equal(driver_at(&m.ram, BUF), "hell", 4);
	assert_memory_equal(driver_at(&m.ram, BUF + 0x100), "o", 1);
	assert_int_equal(fakes.lines[1].raised, 1);
}

static void without_buffers_the_terminal_waits_for_some(void **state)
{
	(void)state;
	start();
	offer_rx(0, 3);
	assert_int_equal(type("hello"), 3);
	assert_int_equal(type("lo"), 0);
	assert_int_equal(driver_avail_event(rx), 1);
	assert_int_equal(fakes.input_ready, 0);
	offer_rx(1, 3);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_int_equal(fakes.input_ready, 1);
	assert_int_equal(type("lo"), 2);
}

static void the_terminal_is_the_drivers_only_while_it_is_ready(void **state)
{
	(void)state;
	assert_null(fakes.input);
	start();
	assert_non_null(fakes.input);
	virtio_driver_set_status(&d, 0);
	assert_null(fakes.input);
}

static void the_size_is_there_and_a_change_is_told(void **state)
{
	(void)state;
	assert_int_equal(guest_read(&m, d.device, 4), 80 | 25 << 16);
	fakes.columns = 90;
	start();
	assert_int_equal(guest_read(&m, d.device, 4), 90 | 25 << 16);
	fakes.lines[0].raised = 0;
	fakes.input->resize(fakes.input->opaque, 100, 50);
	assert_int_equal(guest_read(&m, d.device, 4), 100 | 50 << 16);
	assert_int_equal(fakes.lines[0].raised, 1);
}

static void the_size_is_not_for_the_guest_to_change(void **state)
{
	(void)state;
	guest_write(&m, d.device, 0, 4);
	guest_write(&m, d.device, 0, 1);
	assert_int_equal(guest_read(&m, d.device, 4), 80 | 25 << 16);
	assert_int_equal(fakes.output_len, 0);
}

static void an_emergency_character_needs_no_driver(void **state)
{
	(void)state;
	guest_write(&m, d.device + 8, 'P', 4);
	guest_write(&m, d.device + 8, '!', 1);
	assert_int_equal(fakes.output_len, 2);
	assert_memory_equal(fakes.output, "P!", 2);
}

static void a_bad_transmit_buffer_breaks_the_device(void **state)
{
	(void)state;
	start();
	driver_set_desc(tx, 0, 0, 5, 0, 0);
	driver_offer(tx, 0);
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_true(broken());
	assert_int_equal(fakes.output_len, 0);
	assert_int_equal(type("x"), 0);
}

static void a_bad_receive_buffer_breaks_the_device(void **state)
{
	(void)state;
	start();
	driver_set_desc(rx, 0, UINT64_MAX, 5, VRING_DESC_F_WRITE, 0);
	driver_offer(rx, 0);
	assert_int_equal(type("x"), 0);
	assert_true(broken());
}

static void a_receive_buffer_that_can_not_be_written_breaks_the_device(void **state)
{
	(void)state;
	start();
	driver_set_desc(rx, 0, BUF, 5, 0, 0);
	driver_offer(rx, 0);
	assert_int_equal(type("x"), 0);
	assert_true(broken());
}

/* A driver that offers the same chain for ever: 64 buffers of 512 KiB. */
static void a_flood_is_taken_in_turns(void **state)
{
	const unsigned n = 64, len = 512 * 1024;
	size_t one_turn;

	(void)state;
	assert_true(
	    virtio_driver_start(&d, FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC, QUEUES, SIZE));
	for (unsigned i = 0; i < n; i++) {
		const struct vring_desc desc = { .addr = DRIVER_RAM_GPA + 0x40000,
						 .len = len,
						 .flags = i < n - 1 ? VRING_DESC_F_NEXT : 0,
						 .next = (uint16_t)(i + 1) };

		memcpy(driver_at(&m.ram, BUF + 16ull * i), &desc, sizeof(desc));
	}
	driver_set_desc(tx, 0, BUF, 16 * n, VRING_DESC_F_INDIRECT, 0);
	for (unsigned i = 0; i < SIZE; i++)
		driver_offer(tx, 0);
	virtio_driver_kick(&d, 1);
	assert_int_equal(fake_loop_turn(m.loop), 1);
	one_turn = fakes.output_len;
	assert_in_range(one_turn, 1, 2 * 1024 * 1024);
	/* It goes on by itself, until all of it is done. */
	for (unsigned turns = 0; driver_used_idx(tx) < SIZE; turns++) {
		assert_int_equal(fake_loop_turn(m.loop), 1);
		assert_in_range(turns, 0, SIZE);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_the_guest_prints_comes_out_in_order),
		T(what_is_typed_fills_the_guests_buffers),
		T(without_buffers_the_terminal_waits_for_some),
		T(the_terminal_is_the_drivers_only_while_it_is_ready),
		T(the_size_is_there_and_a_change_is_told),
		T(the_size_is_not_for_the_guest_to_change),
		T(an_emergency_character_needs_no_driver),
		T(a_bad_transmit_buffer_breaks_the_device),
		T(a_bad_receive_buffer_breaks_the_device),
		T(a_receive_buffer_that_can_not_be_written_breaks_the_device),
		T(a_flood_is_taken_in_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
