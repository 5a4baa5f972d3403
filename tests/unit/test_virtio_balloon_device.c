/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon as a device: what it offers, which queue is which, its target, statistics and
 * hints. What happens to pages is in test_virtio_balloon.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mem/guest_ram.h"
#include "tests/fakes/fakes.h"
#include "tests/unit/balloon_rig.h"

enum { FREE = RIG_FREE_PAGE, PAGES = RIG_RAM_MIB << 8, CONFIG_LINE = 0 };

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

static uint32_t config_field(unsigned offset)
{
	return guest_read(&rig.m, rig.d.device + offset, 4);
}

static uint32_t config_length(void)
{
	unsigned cap;

	for (unsigned n = 0;
	     (cap = config_find_capability(&rig.m, RIG_SLOT, PCI_CAP_ID_VNDR, n)) != 0; n++)
		if (config_read(&rig.m, RIG_SLOT, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1) ==
		    VIRTIO_PCI_CAP_DEVICE_CFG)
			return config_read(&rig.m, RIG_SLOT, cap + VIRTIO_PCI_CAP_LENGTH, 4);
	return 0;
}

static void plug_anew(unsigned options)
{
	rig_clear();
	rig_init(options, (uint64_t)RIG_RAM_MIB << 20);
}

/*
 * What it offers.
 */

static void each_option_is_offered_by_itself(void **state)
{
	static const struct {
		unsigned option;
		uint64_t feature;
		unsigned n_queues, config_len;
	} rows[] = {
		{ 0, 0, 2, 8 },
		{ VIRTIO_BALLOON_STATS, F(STATS_VQ), 3, 8 },
		{ VIRTIO_BALLOON_DEFLATE_ON_OOM, F(DEFLATE_ON_OOM), 2, 8 },
		{ VIRTIO_BALLOON_REPORTING, F(REPORTING), 5, 8 },
		{ VIRTIO_BALLOON_HINTING, F(FREE_PAGE_HINT), 4, 12 },
		{ VIRTIO_BALLOON_POISON, F(PAGE_POISON), 2, 16 },
		{ VIRTIO_BALLOON_ALL, 0x3f, 5, 16 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint64_t features = rows[i].feature | F(MUST_TELL_HOST);

		plug_anew(VIRTIO_BALLOON_BASE | rows[i].option);
		assert_int_equal(virtio_driver_offered(&rig.d) & 0xffffff, features);
		assert_int_equal(guest_read(&rig.m, rig.d.common + VIRTIO_PCI_COMMON_NUMQ, 2),
				 rows[i].n_queues);
		assert_int_equal(config_length(), rows[i].config_len);
		assert_true(rig_start(features, (1u << rows[i].n_queues) - 1));
		assert_int_equal(rig_info().options, VIRTIO_BALLOON_BASE | rows[i].option);
		assert_int_equal(rig_info().negotiated, VIRTIO_BALLOON_BASE | rows[i].option);
		/* What isn't offered can't be had. */
		if (features != 0x3f)
			assert_false(rig_start(0x3f, 3));
	}
}

static void a_driver_may_want_less_than_is_offered(void **state)
{
	(void)state;
	assert_int_equal(rig_info().negotiated, 0);
	assert_true(rig_start(F(STATS_VQ) | F(PAGE_POISON), 7));
	assert_true(rig_info().driver);
	assert_int_equal(rig_info().negotiated,
			 VIRTIO_BALLOON_BASE | VIRTIO_BALLOON_STATS | VIRTIO_BALLOON_POISON);
	virtio_driver_set_status(&rig.d, 0);
	assert_int_equal(rig_info().negotiated, 0);
	assert_false(rig_info().driver);
}

/*
 * Which queue is which.
 */

static void check_queues(uint64_t features, unsigned queues, int stats, int hints, int reports)
{
	const struct virtio_balloon_stat stat = { VIRTIO_BALLOON_S_MEMFREE, 1 };
	uint64_t reported = rig_info().reported_total;
	uint32_t id;

	assert_true(rig_start(features, queues));
	if (stats >= 0) {
		rig_offer((unsigned)stats, &stat, sizeof(stat));
		rig_kick((unsigned)stats);
		assert_true(rig_info().stats_present[VIRTIO_BALLOON_S_MEMFREE]);
	}
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, NULL), stats >= 0 ? 0 : -1);
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, NULL), hints >= 0 ? 0 : -1);
	if (hints >= 0) {
		id = config_field(8);
		rig_offer((unsigned)hints, &id, sizeof(id));
		rig_offer_at((unsigned)hints, FREE * 4096ull, 4096, VRING_DESC_F_WRITE);
		rig_kick((unsigned)hints);
		assert_int_equal(rig_info().hinted_pages, 1);
	}
	if (reports >= 0) {
		rig_offer_at((unsigned)reports, FREE * 4096ull, 4096, VRING_DESC_F_WRITE);
		rig_kick((unsigned)reports);
		assert_int_equal(rig_info().reported_total, reported + 1);
	}
	assert_false(rig_broken());
}

/* As Linux does it: queues that aren't there aren't counted. */
static void without_gaps_queues_are_found(void **state)
{
	const uint64_t s = F(STATS_VQ), h = F(FREE_PAGE_HINT), r = F(REPORTING);

	(void)state;
	check_queues(0, 0x03, -1, -1, -1);
	check_queues(s, 0x07, 2, -1, -1);
	check_queues(h, 0x07, -1, 2, -1);
	check_queues(r, 0x07, -1, -1, 2);
	check_queues(s | h, 0x0f, 2, 3, -1);
	check_queues(s | r, 0x0f, 2, -1, 3);
	check_queues(h | r, 0x0f, -1, 2, 3);
	check_queues(s | h | r, 0x1f, 2, 3, 4);
}

static void queues_numbered_as_specified_are_found(void **state)
{
	const uint64_t s = F(STATS_VQ), h = F(FREE_PAGE_HINT), r = F(REPORTING);

	(void)state;
	check_queues(h, 0x0b, -1, 3, -1);
	check_queues(r, 0x13, -1, -1, 4);
	check_queues(s | r, 0x17, 2, -1, 4);
	check_queues(h | r, 0x1b, -1, 3, 4);
	/* One that enables all there are follows the specification. */
	check_queues(r, 0x1f, -1, -1, 4);
}

/* The same where only one feature is on offer. */
static void a_feature_alone_has_its_queue_either_way(void **state)
{
	(void)state;
	plug_anew(VIRTIO_BALLOON_REPORTING);
	check_queues(F(REPORTING), 0x07, -1, -1, 2);
	check_queues(F(REPORTING), 0x13, -1, -1, 4);
	plug_anew(VIRTIO_BALLOON_HINTING);
	check_queues(F(FREE_PAGE_HINT), 0x07, -1, 2, -1);
	check_queues(F(FREE_PAGE_HINT), 0x0b, -1, 3, -1);
}

static void a_queue_that_nobody_asked_for_is_left_alone(void **state)
{
	(void)state;
	assert_true(rig_start(0, 0x1f));
	rig_offer_at(2, FREE * 4096ull, 4096, VRING_DESC_F_WRITE);
	rig_offer_at(4, FREE * 4096ull, 4096, VRING_DESC_F_WRITE);
	rig_kick(2);
	rig_kick(4);
	assert_int_equal(rig_used(2), 0);
	assert_int_equal(rig_used(4), 0);
	assert_false(rig_broken());
}

/*
 * The target, and the driver's half of the configuration.
 */

static void the_target_is_there_before_the_driver(void **state)
{
	(void)state;
	virtio_balloon_set_target(rig.dev, 100);
	assert_int_equal(config_field(0), 100);
	rig_start_all();
	assert_int_equal(fakes.lines[CONFIG_LINE].raised, 0);
	virtio_balloon_set_target(rig.dev, 200);
	assert_int_equal(fakes.lines[CONFIG_LINE].raised, 1);
	assert_int_equal(config_field(0), 200);
	/* The same again is no news. */
	virtio_balloon_set_target(rig.dev, 200);
	assert_int_equal(fakes.lines[CONFIG_LINE].raised, 1);
}

static void the_target_is_at_most_all_memory(void **state)
{
	(void)state;
	virtio_balloon_set_target(rig.dev, PAGES + 1);
	assert_int_equal(rig_info().target_pages, PAGES);
	virtio_balloon_set_target(rig.dev, UINT64_MAX);
	assert_int_equal(config_field(0), PAGES);
	virtio_balloon_set_target(rig.dev, 1ull << 32);
	assert_int_equal(config_field(0), PAGES);
}

static void a_reset_empties_the_balloon_and_keeps_the_target(void **state)
{
	const uint32_t pfns[] = { FREE, FREE + 1 };
	uint32_t id;

	(void)state;
	rig_start_all();
	virtio_balloon_set_target(rig.dev, 50);
	rig_offer(INFLATE, pfns, sizeof(pfns));
	rig_kick(INFLATE);
	rig_offer_at(REPORTS, (FREE + 8) * 4096ull, 4096, VRING_DESC_F_WRITE);
	rig_kick(REPORTS);
	guest_write(&rig.m, rig.d.device + 4, 2, 4);
	guest_write(&rig.m, rig.d.device + 12, 7, 4);
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, NULL), 0);
	id = config_field(8);
	rig_offer(HINTS, &id, sizeof(id));
	rig_kick(HINTS);
	assert_int_equal(rig.changes, 1);

	virtio_driver_set_status(&rig.d, 0);
	assert_int_equal(rig.changes, 2);
	assert_int_equal(rig_info().actual_pages, 0);
	assert_int_equal(rig_info().reported_pages, 0);
	assert_false(rig_info().hinting);
	assert_int_equal(rig_info().target_pages, 50);
	assert_int_equal(config_field(0), 50);
	assert_int_equal(config_field(4), 0);
	assert_int_equal(config_field(8), VIRTIO_BALLOON_CMD_ID_STOP);
	assert_int_equal(config_field(12), 0);
	/* What was counted since the device was made stays counted. */
	assert_int_equal(rig_info().reported_total, 1);
	/* An empty one that is reset isn't news. */
	virtio_driver_set_status(&rig.d, 0);
	assert_int_equal(rig.changes, 2);
}

static void the_driver_writes_only_its_own_fields(void **state)
{
	(void)state;
	rig_start_all();
	virtio_balloon_set_target(rig.dev, 50);
	for (unsigned offset = 0; offset < 16; offset++)
		for (unsigned len = 1; len <= 2; len++)
			guest_write(&rig.m, rig.d.device + offset, 0xffffffff, len);
	guest_write(&rig.m, rig.d.device, 0xffffffff, 4);
	guest_write(&rig.m, rig.d.device + 2, 0xffffffff, 4);
	guest_write(&rig.m, rig.d.device + 8, 0xffffffff, 4);
	assert_int_equal(config_field(0), 50);
	assert_int_equal(config_field(4), 0);
	assert_int_equal(config_field(8), 0);
	assert_int_equal(config_field(12), 0);
	guest_write(&rig.m, rig.d.device + 4, 1234, 4);
	assert_int_equal(config_field(4), 1234);
	/* A claim is a claim. */
	assert_int_equal(rig_info().claimed_pages, 1234);
	assert_int_equal(rig_info().actual_pages, 0);
}

static void what_is_not_in_the_configuration_can_not_be_written(void **state)
{
	(void)state;
	plug_anew(VIRTIO_BALLOON_BASE);
	assert_true(rig_start(0, 3));
	guest_write(&rig.m, rig.d.device + 8, 5, 4);
	guest_write(&rig.m, rig.d.device + 12, 5, 4);
	assert_int_equal(config_field(8), 0);
	assert_int_equal(config_field(12), 0);
	assert_int_equal(rig_info().poison_value, 0);
}

/*
 * Statistics.
 */

static void statistics_come_when_asked_for(void **state)
{
	struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_MEMFREE, 1ull << 40 },
					       { VIRTIO_BALLOON_S_MAJFLT, 3 } };
	struct timespec now;
	uint64_t now_ms;

	(void)state;
	rig_start_all();
	assert_false(rig_info().stats_valid);
	rig_offer(STATS, stats, sizeof(stats));
	rig_kick(STATS);
	clock_gettime(CLOCK_BOOTTIME, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	assert_in_range(rig_info().stats_time_ms, now_ms - 60000, now_ms);
	/* The driver's first ones are as good as any, and the buffer stays here. */
	assert_int_equal(rig_info().stats[VIRTIO_BALLOON_S_MEMFREE], 1ull << 40);
	assert_int_equal(rig_used(STATS), 0);
	assert_int_equal(rig.changes, 1);

	assert_int_equal(virtio_balloon_ask_stats(rig.dev, NULL), 0);
	assert_int_equal(rig_used(STATS), 1);
	assert_int_equal(rig.changes, 1);
	/* Asking again while the driver is at it changes nothing. */
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, NULL), 0);
	assert_int_equal(rig_used(STATS), 1);

	stats[0].tag = VIRTIO_BALLOON_S_CACHES;
	rig_offer(STATS, stats, sizeof(stats));
	rig_kick(STATS);
	assert_int_equal(rig.changes, 2);
	assert_true(rig_info().stats_present[VIRTIO_BALLOON_S_CACHES]);
	/* Those of last time aren't mixed in. */
	assert_false(rig_info().stats_present[VIRTIO_BALLOON_S_MEMFREE]);
	assert_int_equal(rig_info().stats[VIRTIO_BALLOON_S_MEMFREE], 0);
	assert_int_equal(rig_info().stats[VIRTIO_BALLOON_S_MAJFLT], 3);
}

/* Linux's driver offers them, and kicks, before DRIVER_OK. */
static void statistics_offered_early_are_seen(void **state)
{
	const struct virtio_balloon_stat stat = { VIRTIO_BALLOON_S_MEMTOT, 77 };

	(void)state;
	assert_true(virtio_driver_negotiate(&rig.d, F(STATS_VQ) | 1ull << VIRTIO_F_VERSION_1));
	for (unsigned q = 0; q < 3; q++)
		virtio_driver_setup_queue(&rig.d, q, RIG_QUEUE_SIZE);
	rig_offer(STATS, &stat, sizeof(stat));
	rig_kick(STATS);
	assert_false(rig_info().stats_valid);
	virtio_driver_set_status(&rig.d, 15);
	while (fake_loop_turn(rig.m.loop) > 0)
		;
	assert_int_equal(rig_info().stats[VIRTIO_BALLOON_S_MEMTOT], 77);
}

static void every_statistic_has_a_place_and_a_name(void **state)
{
	struct virtio_balloon_stat stats[VIRTIO_BALLOON_S_NR];

	(void)state;
	rig_start_all();
	for (unsigned i = 0; i < VIRTIO_BALLOON_S_NR; i++)
		stats[i] = (struct virtio_balloon_stat){ (uint16_t)i, 1000 + i };
	rig_offer(STATS, stats, sizeof(stats));
	rig_kick(STATS);
	for (unsigned i = 0; i < VIRTIO_BALLOON_STATS_MAX; i++) {
		assert_true(rig_info().stats_present[i]);
		assert_int_equal(rig_info().stats[i], 1000 + i);
		assert_non_null(virtio_balloon_stat_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(virtio_balloon_stat_name(i),
						virtio_balloon_stat_name(j));
	}
	assert_string_equal(virtio_balloon_stat_name(VIRTIO_BALLOON_S_SWAP_IN), "swap_in");
	assert_string_equal(virtio_balloon_stat_name(VIRTIO_BALLOON_S_DIRECT_RECLAIM),
			    "direct_reclaim");
}

static void unknown_statistics_and_broken_ends_are_passed_over(void **state)
{
	const struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_NR, 1 },
						     { 0xffff, 2 },
						     { VIRTIO_BALLOON_S_AVAIL, 3 },
						     { VIRTIO_BALLOON_S_MEMFREE, 4 } };

	(void)state;
	rig_start_all();
	rig_offer(STATS, stats, sizeof(stats) - 1);
	rig_kick(STATS);
	assert_false(rig_broken());
	for (unsigned i = 0; i < VIRTIO_BALLOON_STATS_MAX; i++)
		assert_int_equal(rig_info().stats_present[i], i == VIRTIO_BALLOON_S_AVAIL);
	assert_int_equal(rig_info().stats[VIRTIO_BALLOON_S_AVAIL], 3);
	/* One byte of statistics, and 64 KiB of them. */
	rig_offer(STATS, "x", 1);
	rig_kick(STATS);
	rig_offer_at(STATS, FREE * 4096ull, 65536, 0);
	rig_kick(STATS);
	assert_false(rig_broken());
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, NULL), 0);
}

static void of_many_statistics_buffers_one_is_kept(void **state)
{
	(void)state;
	rig_start_all();
	for (unsigned i = 0; i < RIG_QUEUE_SIZE; i++) {
		const struct virtio_balloon_stat stat = { VIRTIO_BALLOON_S_MEMFREE, i };

		rig_offer(STATS, &stat, sizeof(stat));
	}
	assert_in_range(rig_kick(STATS), 2, 4);
	assert_int_equal(rig_used(STATS), RIG_QUEUE_SIZE - 1);
	assert_int_equal(rig_info().stats[VIRTIO_BALLOON_S_MEMFREE], RIG_QUEUE_SIZE - 1);
}

static void statistics_to_write_into_break_the_device(void **state)
{
	(void)state;
	rig_start_all();
	rig_offer_at(STATS, RIG_BUFFERS, 10, VRING_DESC_F_WRITE);
	rig_kick(STATS);
	assert_true(rig_broken());
	assert_false(rig_info().stats_valid);
}

static void a_reset_takes_the_statistics_buffer_away(void **state)
{
	const struct virtio_balloon_stat stat = { VIRTIO_BALLOON_S_MEMTOT, 77 };

	(void)state;
	rig_start_all();
	rig_offer(STATS, &stat, sizeof(stat));
	rig_kick(STATS);
	rig_start_all();
	assert_false(rig_info().stats_valid);
	assert_false(rig_info().stats_present[VIRTIO_BALLOON_S_MEMTOT]);
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, NULL), 0);
	assert_int_equal(rig_used(STATS), 0);
}

static void who_can_not_answer_is_not_asked(void **state)
{
	struct err *err = NULL;

	(void)state;
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, &err), -1);
	assert_int_equal(err_code(err), ERR_STATE);
	assert_string_equal(err_message(err), "the guest has no balloon driver running");
	err_free(take_ptr(err));
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, &err), -1);
	assert_int_equal(err_code(err), ERR_STATE);
	err_free(take_ptr(err));

	assert_true(rig_start(0, 3));
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, &err), -1);
	assert_int_equal(err_code(err), ERR_STATE);
	assert_string_equal(err_message(err), "the guest's balloon driver sends no statistics");
	err_free(take_ptr(err));
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, &err), -1);
	assert_string_equal(err_message(err), "the guest's balloon driver gives no hints");
	err_free(take_ptr(err));

	plug_anew(VIRTIO_BALLOON_BASE);
	assert_true(rig_start(0, 3));
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, &err), -1);
	assert_string_equal(err_message(err), "the guest's balloon was made without statistics");
	err_free(take_ptr(err));
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, &err), -1);
	assert_string_equal(err_message(err), "the guest's balloon was made without hinting");
	err_free(take_ptr(err));
}

/* A driver without bus mastering (kexec is under way) isn't written to. */
static void who_may_not_be_written_to_is_not_asked(void **state)
{
	const struct virtio_balloon_stat stat = { VIRTIO_BALLOON_S_MEMTOT, 77 };

	(void)state;
	rig_start_all();
	rig_offer(STATS, &stat, sizeof(stat));
	rig_kick(STATS);
	config_write(&rig.m, RIG_SLOT, 4, 2, 2);
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, NULL), -1);
	assert_int_equal(rig_used(STATS), 0);
	config_write(&rig.m, RIG_SLOT, 4, 6, 2);
	assert_int_equal(virtio_balloon_ask_stats(rig.dev, NULL), 0);
	assert_int_equal(rig_used(STATS), 1);
}

/*
 * Hints.
 */

static void send_id(uint32_t id)
{
	rig_offer(HINTS, &id, sizeof(id));
	rig_kick(HINTS);
}

static void hint(uint64_t page, unsigned n)
{
	rig_offer_at(HINTS, page * 4096, n * 4096, VRING_DESC_F_WRITE);
	rig_kick(HINTS);
}

static void a_session_counts_pages_and_ends(void **state)
{
	(void)state;
	rig_start_all();
	memset(rig_page(FREE), 0xa5, 4096);
	assert_int_equal(config_field(8), VIRTIO_BALLOON_CMD_ID_STOP);
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, NULL), 0);
	assert_true(rig_info().hinting);
	assert_int_equal(config_field(8), 2);
	assert_int_equal(fakes.lines[CONFIG_LINE].raised, 1);
	send_id(2);
	hint(FREE, 4);
	hint(FREE + 2, 4);
	assert_int_equal(rig_info().hinted_pages, 6);
	assert_int_equal(rig.changes, 0);
	send_id(VIRTIO_BALLOON_CMD_ID_STOP);
	assert_int_equal(rig.changes, 1);
	assert_false(rig_info().hinting);
	assert_int_equal(rig_info().hinted_pages, 6);
	/* The driver is told that it may have its pages back. */
	assert_int_equal(config_field(8), VIRTIO_BALLOON_CMD_ID_DONE);
	assert_int_equal(fakes.lines[CONFIG_LINE].raised, 2);
	assert_int_equal(rig_used(HINTS), 4);
	/* Nothing happened to them. */
	assert_int_equal(*(uint8_t *)rig_page(FREE), 0xa5);
	assert_int_equal(rig_info().released_pages, 0);
	assert_int_equal(rig_info().reported_total, 0);
}

static void hints_of_no_session_do_not_count(void **state)
{
	(void)state;
	rig_start_all();
	hint(FREE, 4);
	send_id(VIRTIO_BALLOON_CMD_ID_STOP);
	send_id(VIRTIO_BALLOON_CMD_ID_DONE);
	send_id(17);
	hint(FREE, 4);
	assert_false(rig_info().hinting);
	assert_int_equal(rig_info().hinted_pages, 0);
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, NULL), 0);
	hint(FREE, 4);
	send_id(VIRTIO_BALLOON_CMD_ID_STOP);
	assert_true(rig_info().hinting);
	assert_int_equal(rig_info().hinted_pages, 0);
	assert_int_equal(rig.changes, 0);
	assert_false(rig_broken());
	assert_int_equal(rig_used(HINTS), 7);
}

static void a_new_session_takes_the_place_of_the_old(void **state)
{
	(void)state;
	rig_start_all();
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, NULL), 0);
	send_id(2);
	hint(FREE, 4);
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, NULL), 0);
	assert_int_equal(config_field(8), 3);
	assert_int_equal(rig_info().hinted_pages, 0);
	/* The driver ends the old one before it begins the new. */
	hint(FREE + 4, 1);
	send_id(VIRTIO_BALLOON_CMD_ID_STOP);
	assert_true(rig_info().hinting);
	send_id(2);
	hint(FREE + 5, 1);
	assert_int_equal(rig_info().hinted_pages, 0);
	send_id(3);
	hint(FREE + 6, 2);
	send_id(VIRTIO_BALLOON_CMD_ID_STOP);
	assert_int_equal(rig_info().hinted_pages, 2);
	assert_false(rig_info().hinting);
	assert_int_equal(rig.changes, 1);
}

static void half_an_id_breaks_the_device(void **state)
{
	(void)state;
	rig_start_all();
	assert_int_equal(virtio_balloon_ask_hints(rig.dev, NULL), 0);
	rig_offer(HINTS, "\2\0", 2);
	rig_kick(HINTS);
	assert_true(rig_broken());
	rig_start_all();
	assert_false(rig_info().hinting);
	rig_offer(HINTS, "\2\0\0\0\0\0\0\0", 8);
	rig_kick(HINTS);
	assert_true(rig_broken());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_option_is_offered_by_itself),
		T(a_driver_may_want_less_than_is_offered),
		T(without_gaps_queues_are_found),
		T(queues_numbered_as_specified_are_found),
		T(a_feature_alone_has_its_queue_either_way),
		T(a_queue_that_nobody_asked_for_is_left_alone),
		T(the_target_is_there_before_the_driver),
		T(the_target_is_at_most_all_memory),
		T(a_reset_empties_the_balloon_and_keeps_the_target),
		T(the_driver_writes_only_its_own_fields),
		T(what_is_not_in_the_configuration_can_not_be_written),
		T(statistics_come_when_asked_for),
		T(statistics_offered_early_are_seen),
		T(every_statistic_has_a_place_and_a_name),
		T(unknown_statistics_and_broken_ends_are_passed_over),
		T(of_many_statistics_buffers_one_is_kept),
		T(statistics_to_write_into_break_the_device),
		T(a_reset_takes_the_statistics_buffer_away),
		T(who_can_not_answer_is_not_asked),
		T(who_may_not_be_written_to_is_not_asked),
		T(a_session_counts_pages_and_ends),
		T(hints_of_no_session_do_not_count),
		T(a_new_session_takes_the_place_of_the_old),
		T(half_an_id_breaks_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
