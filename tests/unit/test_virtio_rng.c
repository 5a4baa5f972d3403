/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng against a driver that asks nicely, and one that doesn't stop asking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "tests/fakes/fakes.h"
#include "tests/fakes/pci_driver.h"
#include "virtio/rng.h"

enum { SLOT = 1, SIZE = 8, BUF = DRIVER_RAM_GPA + 0x10000 };

static struct test_machine m;
static struct virtio_pci *transport;
static struct virtio_driver d;
static struct driver_queue *queue;

static int setup(void **state)
{
	struct virtio_pci_host host;
	struct virtio_device *dev;

	(void)state;
	test_machine_init(&m);
	host = test_machine_host(&m);
	assert_int_equal(virtio_rng_new(&dev, NULL), 0);
	assert_int_equal(virtio_pci_new(&host, dev, SLOT, &transport, NULL), 0);
	virtio_driver_probe(&d, &m, SLOT);
	queue = &d.queues[0];
	assert_true(virtio_driver_start(&d, 1ull << VIRTIO_F_VERSION_1, 1, SIZE));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	virtio_pci_free(transport);
	test_machine_clear(&m);
	assert_int_equal(fakes_live(), 0);
	return 0;
}

static bool broken(void)
{
	return virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static bool all_zero(uint64_t gpa, size_t len)
{
	const uint8_t *bytes = driver_at(&m.ram, gpa);

	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static void it_has_no_configuration(void **state)
{
	(void)state;
	assert_int_equal(d.device, 0);
}

static void a_request_is_filled_and_told(void **state)
{
	(void)state;
	driver_set_desc(queue, 0, BUF, 64, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	driver_set_desc(queue, 1, BUF + 0x100, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(queue, 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_int_equal(driver_used_idx(queue), 1);
	assert_int_equal(driver_used(queue, 0).len, 128);
	assert_false(all_zero(BUF, 64));
	assert_false(all_zero(BUF + 0x100, 64));
	assert_true(all_zero(BUF + 64, 0x100 - 64));
	assert_true(all_zero(BUF + 0x140, 64));
	assert_int_equal(fakes.lines[1].raised, 1);
	assert_int_equal(fake_loop_turn(m.loop), 0);
}

static void large_requests_are_filled_in_turns(void **state)
{
	const uint32_t len = 0x60000;

	(void)state;
	driver_set_desc(queue, 0, BUF, len, VRING_DESC_F_WRITE, 0);
	for (unsigned i = 0; i < SIZE; i++)
		driver_offer(queue, 0);
	virtio_driver_kick(&d, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		assert_int_equal(fake_loop_turn(m.loop), 1);
		assert_int_equal(driver_used_idx(queue), i + 1);
		assert_in_range(driver_used(queue, (uint16_t)i).len, 1, 64 * 1024);
	}
}

static void a_buffer_that_can_not_be_written_breaks_the_device(void **state)
{
	(void)state;
	driver_set_desc(queue, 0, BUF, 64, 0, 0);
	driver_offer(queue, 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_true(broken());
}

static void a_buffer_with_something_to_read_breaks_the_device(void **state)
{
	(void)state;
	driver_set_desc(queue, 0, BUF, 64, VRING_DESC_F_NEXT, 1);
	driver_set_desc(queue, 1, BUF, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(queue, 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_true(broken());
	assert_true(all_zero(BUF, 64));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_has_no_configuration),
		T(a_request_is_filled_and_told),
		T(large_requests_are_filled_in_turns),
		T(a_buffer_that_can_not_be_written_breaks_the_device),
		T(a_buffer_with_something_to_read_breaks_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
