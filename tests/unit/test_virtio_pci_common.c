/* SPDX-License-Identifier: Apache-2.0 */
/* virtio over PCI: the common configuration, to drivers that keep to its order and those that
 * don't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/cleanup.h"
#include "tests/fakes/fakes.h"
#include "tests/unit/virtio_probe.h"

static void features_that_were_not_offered_are_refused(void **state)
{
	(void)state;
	assert_false(virtio_driver_negotiate(&d, VERSION_1 | 1ull << VIRTIO_F_RING_PACKED));
	assert_false(virtio_driver_negotiate(&d, VERSION_1 | 2));
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
}

static void a_driver_of_the_old_kind_is_refused(void **state)
{
	(void)state;
	assert_false(virtio_driver_negotiate(&d, EVENT_IDX));
	assert_false(virtio_driver_negotiate(&d, 0));
}

static void features_are_settled_once_accepted(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	set_common(VIRTIO_PCI_COMMON_GF, 1, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_int_equal(probe.dev.driver_features, VERSION_1);
}

static void feature_words_past_the_second_are_empty(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_DF, 4), 0);
	set_common(VIRTIO_PCI_COMMON_DFSELECT, UINT32_MAX, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_DF, 4), 0);
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 2, 4);
	set_common(VIRTIO_PCI_COMMON_GF, UINT32_MAX, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_int_equal(probe.dev.driver_features, 0);
}

static void a_driver_can_not_skip_the_features(void **state)
{
	(void)state;
	virtio_driver_set_status(&d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_driver_set_status(&d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
					 VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(virtio_driver_status(&d),
			 VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	assert_int_equal(probe.activated, 0);
	/* Nor set them and go at once. */
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set_common(VIRTIO_PCI_COMMON_GF, VERSION_1 >> 32, 4);
	virtio_driver_set_status(&d, 0x0f);
	assert_int_equal(probe.activated, 0);
	virtio_driver_set_status(&d, 0x0f);
	assert_int_equal(probe.activated, 1);
	virtio_driver_set_status(&d, 0x0f);
	assert_int_equal(probe.activated, 1);
}

static void a_driver_that_gave_up_does_not_start(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_FAILED);
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(probe.activated, 0);
}

static void a_device_whose_driver_gave_up_stops(void **state)
{
	(void)state;
	virtio_probe_start();
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_FAILED);
	driver_set_desc(&d.queues[0], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[0], 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[0], 0);
	assert_int_equal(virtqueue_pop(&probe.dev.queues[0], &probe.chain), 0);
}

static void a_reset_undoes_everything(void **state)
{
	(void)state;
	virtio_probe_start();
	virtio_driver_kick(&d, 0);
	virtio_driver_set_status(&d, 0);
	assert_int_equal(virtio_driver_status(&d), 0);
	assert_int_equal(probe.resets, 2); /* the first came with the negotiation */
	/* The kick that was on its way reaches nobody. */
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[0], 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	for (unsigned q = 0; q < QUEUES; q++) {
		set_common(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	}
	/* And the device can be had again. */
	probe.activated = 0;
	virtio_probe_start();
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[0], 1);
}

static void a_queue_that_is_not_there_has_no_size(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, QUEUES, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 0xffff, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000, 4);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

static void a_queues_size_must_be_a_power_of_two_that_fits(void **state)
{
	static const uint16_t bad[] = { 0, 3, 2 * SIZE, 0x8000, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set_common(VIRTIO_PCI_COMMON_Q_SIZE, bad[i], 2);
		assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	}
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 1);
}

static void a_queue_is_frozen_once_enabled(void **state)
{
	(void)state;
	virtio_probe_start();
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0, 4);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 4), d.queues[0].desc);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(probe.dev.queues[0].state.size, SIZE);
}

static void an_enabled_queue_is_frozen_before_the_device_starts_too(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	virtio_driver_setup_queue(&d, 0, SIZE);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 2);
	set_common(VIRTIO_PCI_COMMON_Q_USEDLO, 0, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_USEDLO, 4), d.queues[0].used);
}

static void a_queue_can_not_be_enabled_too_early_or_too_late(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_true(virtio_driver_start(&d, VERSION_1, 1, SIZE));
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	/* It's not there, and kicking it does no harm. */
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

static void registers_take_only_their_own_width(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 1);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 4, 4);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0x1111, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	set_common(VIRTIO_PCI_COMMON_NUMQ, 7, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	set_common(0x100, ~0u, 4);
	assert_int_equal(common(0x100, 4), 0);
}

static void a_whole_address_may_be_written_at_once(void **state)
{
	const uint64_t address = 0x123456789abcdef0;

	(void)state;
	bus_write(&m.mmio, d.common + VIRTIO_PCI_COMMON_Q_USEDLO, (const uint8_t *)&address, 8);
	assert_int_equal(probe.dev.queues[0].state.used, address);
}

static void a_queue_outside_ram_breaks_the_device_and_tells_the_driver(void **state)
{
	(void)state;
	assert_true(virtio_driver_negotiate(&d, VERSION_1));
	virtio_driver_use_msix(&d, QUEUES);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	virtio_driver_set_status(&d, virtio_driver_status(&d) | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(fakes.lines[0].raised, 1);
	assert_int_equal(probe.activated, 0);
}

static void a_broken_queue_stops_the_device_until_reset(void **state)
{
	(void)state;
	virtio_probe_start();
	driver_set_desc(&d.queues[0], 0, 0, 16, 0, 0);
	driver_offer(&d.queues[0], 0);
	virtio_driver_kick(&d, 0);
	fake_loop_turn(m.loop);
	assert_true(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(fakes.lines[0].raised, 1);
	/* The other queue stands still too. */
	driver_set_desc(&d.queues[1], 0, BUF, 16, 0, 0);
	driver_offer(&d.queues[1], 0);
	virtio_driver_kick(&d, 1);
	fake_loop_turn(m.loop);
	assert_int_equal(probe.notified[1], 0);
	assert_int_equal(virtqueue_pop(&probe.dev.queues[1], &probe.chain), 0);
	/* The driver can't talk its way out of it. */
	virtio_driver_set_status(&d, 0x0f);
	assert_true(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	probe.activated = 0;
	virtio_probe_start();
	assert_false(virtio_driver_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void a_vector_that_is_not_there_reads_back_as_none(void **state)
{
	(void)state;
	set_common(VIRTIO_PCI_COMMON_MSIX, QUEUES + 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, QUEUES + 1, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, QUEUES, 2);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), QUEUES);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, virtio_probe_setup, virtio_probe_teardown)
	const struct CMUnitTest tests[] = {
		T(features_that_were_not_offered_are_refused),
		T(a_driver_of_the_old_kind_is_refused),
		T(features_are_settled_once_accepted),
		T(feature_words_past_the_second_are_empty),
		T(a_driver_can_not_skip_the_features),
		T(a_driver_that_gave_up_does_not_start),
		T(a_device_whose_driver_gave_up_stops),
		T(a_reset_undoes_everything),
		T(a_queue_that_is_not_there_has_no_size),
		T(a_queues_size_must_be_a_power_of_two_that_fits),
		T(a_queue_is_frozen_once_enabled),
		T(an_enabled_queue_is_frozen_before_the_device_starts_too),
		T(a_queue_can_not_be_enabled_too_early_or_too_late),
		T(registers_take_only_their_own_width),
		T(a_whole_address_may_be_written_at_once),
		T(a_queue_outside_ram_breaks_the_device_and_tells_the_driver),
		T(a_broken_queue_stops_the_device_until_reset),
		T(a_vector_that_is_not_there_reads_back_as_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
