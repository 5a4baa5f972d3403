/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions about KSM, over simulated hosts and hours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "govern/ksm_policy.h"
#include "govern/view.h"

enum { GUESTS_MAX = 8, TURN_MS = 10000, MIB = 1 << 20, PAGE = 4096 };

/* A host: what the kernel does with what the policy writes. */
static struct {
	struct govern_view view;
	struct govern_guest guests[GUESTS_MAX];
	struct ksm_memory memory;
	struct ksm_plan plan;
	uint64_t page_cost_ns; /* what KSM's thread really takes */
	double scanned;	       /* pages of the scan that runs */
	double share;	       /* of a CPU, that the thread took in the last turn */
} host;

static void make_host(bool advisor)
{
	memset(&host, 0, sizeof(host));
	host.view.has_ksm = true;
	host.view.guests = host.guests;
	for (int i = 0; i < KSM_KNOBS; i++)
		host.view.knobs[i] = HOST_UNKNOWN;
	host.view.knobs[KSM_RUN] = 0;
	host.view.knobs[KSM_SLEEP_MS] = 20;
	host.view.knobs[KSM_PAGES_TO_SCAN] = 100;
	host.view.now_ms = 1000000;
	host.page_cost_ns = 2000;
	if (!advisor)
		return;
	host.view.knobs[KSM_ADVISOR_MODE] = KSM_ADVISOR_NONE;
	host.view.knobs[KSM_ADVISOR_TARGET] = 200;
	host.view.knobs[KSM_ADVISOR_MAX_CPU] = 70;
	host.view.knobs[KSM_ADVISOR_MIN_PAGES] = 500;
	host.view.knobs[KSM_ADVISOR_MAX_PAGES] = 30000;
}

static void start_guest(const char *name, uint64_t mib, bool merge)
{
	struct govern_guest *guest = &host.guests[host.view.n_guests++];

	*guest = (struct govern_guest){ .memory = mib * MIB,
					.started_ns = host.view.now_ms * 1000000,
					.merge = merge };
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	if (merge)
		host.view.pages_tracked += mib * MIB / PAGE;
}

static void end_guest(void)
{
	const struct govern_guest *guest = &host.guests[--host.view.n_guests];

	if (guest->merge)
		host.view.pages_tracked -= guest->memory / PAGE;
}

/* mm/ksm.c: each switch of the advisor sets the batch. */
static void write_knob(enum ksm_knob knob, uint64_t value)
{
	uint64_t *knobs = host.view.knobs;

	assert_true(knobs[knob] != HOST_UNKNOWN);
	if (knob == KSM_PAGES_TO_SCAN)
		assert_true(knobs[KSM_ADVISOR_MODE] != KSM_ADVISOR_SCAN_TIME);
	if (knob == KSM_ADVISOR_MODE && knobs[knob] != value)
		knobs[KSM_PAGES_TO_SCAN] = value == KSM_ADVISOR_NONE ? 100
								     : knobs[KSM_ADVISOR_MIN_PAGES];
	knobs[knob] = value;
}

static void decide(void)
{
	ksm_decide(&host.view, &host.memory, &host.plan);
}

static void turn(void)
{
	decide();
	for (size_t i = 0; i < host.plan.n_writes; i++)
		write_knob(host.plan.writes[i].knob, host.plan.writes[i].value);
	host.memory = host.plan.memory;
	ksm_memory_done(&host.memory);
}

/* The time to the next turn passes, and KSM's thread works. */
static void pass(uint64_t ms)
{
	double sleep_s = (double)host.view.knobs[KSM_SLEEP_MS] / 1000;
	double batch = (double)host.view.knobs[KSM_PAGES_TO_SCAN];
	double work_s = batch * (double)host.page_cost_ns / 1e9;

	host.view.now_ms += ms;
	host.share = 0;
	if (host.view.knobs[KSM_RUN] != 1)
		return;
	host.share = work_s / (work_s + sleep_s);
	host.view.ksmd_ms += (uint64_t)((double)ms * host.share);
	host.scanned += batch * (double)ms / 1000 / (work_s + sleep_s);
	if (host.view.pages_tracked > 0 && host.scanned >= (double)host.view.pages_tracked) {
		host.scanned = 0;
		host.view.full_scans++;
	}
}

static void turns(int n)
{
	for (int i = 0; i < n; i++) {
		pass(TURN_MS);
		turn();
	}
}

/* Turns until a scan has ended, in which gain pages were merged. */
static void scan(uint64_t gain)
{
	host.view.full_scans++;
	host.view.pages_saved += gain;
	host.view.now_ms += TURN_MS;
	turn();
}

static bool said(const char *words)
{
	return strstr(host.plan.reason, words);
}

static uint64_t knob(enum ksm_knob which)
{
	return host.view.knobs[which];
}

static void ksm_is_switched_on_for_a_guest_that_wants_merging(void **state)
{
	(void)state;
	for (int advisor = 0; advisor <= 1; advisor++) {
		make_host(advisor);
		start_guest("web", 256, true);
		turn();
		assert_int_equal(knob(KSM_RUN), 1);
		assert_int_equal(host.plan.writes[host.plan.n_writes - 1].knob, KSM_RUN);
		assert_true(said("switched on") && said("guest web is new"));
	}
	assert_int_equal(knob(KSM_ADVISOR_MODE), KSM_ADVISOR_SCAN_TIME);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_FAST_S);
	assert_int_equal(knob(KSM_ADVISOR_MAX_CPU), KSM_CPU_PERCENT);
}

static void without_guests_that_want_merging_nothing_is_done(void **state)
{
	(void)state;
	make_host(true);
	turns(3);
	start_guest("web", 256, false);
	turns(3);
	assert_int_equal(host.plan.n_writes, 0);
	assert_string_equal(host.plan.reason, "");
	assert_int_equal(knob(KSM_RUN), 0);
}

static void a_kernel_without_ksm_is_left_in_peace(void **state)
{
	(void)state;
	make_host(true);
	host.view.has_ksm = false;
	start_guest("web", 256, true);
	turn();
	assert_int_equal(host.plan.n_writes, 0);
}

static void settings_are_put_back_when_the_last_such_guest_goes(void **state)
{
	(void)state;
	for (int advisor = 0; advisor <= 1; advisor++) {
		make_host(advisor);
		host.view.knobs[KSM_PAGES_TO_SCAN] = 333;
		host.view.knobs[KSM_SLEEP_MS] = 77;

		uint64_t before[KSM_KNOBS];

		memcpy(before, host.view.knobs, sizeof(before));
		start_guest("web", 256, true);
		turn();
		start_guest("db", 256, true);
		turns(100);
		end_guest();
		turns(5);
		assert_int_equal(knob(KSM_RUN), 1);
		end_guest();
		turn();
		assert_memory_equal(host.view.knobs, before, sizeof(before));
		assert_true(said("no guest wants merging"));
		turn();
		assert_int_equal(host.plan.n_writes, 0);
		assert_string_equal(host.plan.reason, "");
	}
}

static void an_advisor_that_was_chosen_before_stays_chosen(void **state)
{
	(void)state;
	make_host(true);
	host.view.knobs[KSM_ADVISOR_MODE] = KSM_ADVISOR_SCAN_TIME;
	start_guest("web", 256, true);
	turn();
	end_guest();
	turn();
	assert_int_equal(knob(KSM_ADVISOR_MODE), KSM_ADVISOR_SCAN_TIME);
	assert_int_equal(knob(KSM_RUN), 0);
	assert_int_equal(knob(KSM_ADVISOR_MAX_CPU), 70);
}

static void ksm_that_runs_already_is_left_as_it_is(void **state)
{
	(void)state;
	make_host(true);
	host.view.knobs[KSM_RUN] = 1;
	start_guest("web", 256, true);
	turn();
	assert_int_equal(host.plan.n_writes, 0);
	assert_true(said("running already"));
	turns(10);
	assert_string_equal(host.plan.reason, "");
	end_guest();
	turns(2);
	assert_int_equal(knob(KSM_RUN), 1);
	assert_int_equal(host.plan.n_writes, 0);
}

static void who_stops_ksm_is_obeyed_until_those_guests_are_gone(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 256, true);
	turns(3);
	host.view.knobs[KSM_RUN] = 0;
	turn();
	assert_true(said("somebody else set KSM's run to 0"));
	start_guest("db", 256, true);
	turns(10);
	assert_int_equal(knob(KSM_RUN), 0);
	end_guest();
	end_guest();
	turn();
	start_guest("new", 256, true);
	turn();
	assert_int_equal(knob(KSM_RUN), 1);
}

static void unmerged_ksm_stays_so_until_run_is_0(void **state)
{
	(void)state;
	make_host(true);
	host.view.knobs[KSM_RUN] = 2;
	start_guest("web", 256, true);
	turn();
	assert_true(said("KSM's run is 2"));
	turn();
	assert_string_equal(host.plan.reason, "");
	assert_int_equal(knob(KSM_RUN), 2);
	host.view.knobs[KSM_RUN] = 0;
	turn();
	assert_int_equal(knob(KSM_RUN), 1);
}

static void a_setting_that_somebody_changes_is_left_to_them(void **state)
{
	(void)state;
	make_host(false);
	start_guest("web", 256, true);
	turn();
	host.view.knobs[KSM_PAGES_TO_SCAN] = 4321;
	turn();
	assert_true(said("pages_to_scan was set to 4321 by somebody else"));
	start_guest("db", 2048, true);
	turns(300);
	assert_int_equal(knob(KSM_PAGES_TO_SCAN), 4321);
	end_guest();
	end_guest();
	turn();
	assert_int_equal(knob(KSM_PAGES_TO_SCAN), 4321);
	assert_int_equal(knob(KSM_SLEEP_MS), 20);
	assert_int_equal(knob(KSM_RUN), 0);
}

static void what_somebody_has_set_is_theirs_even_if_it_is_what_we_had(void **state)
{
	(void)state;
	make_host(false);
	start_guest("web", 256, true);
	turn();

	uint64_t ours = knob(KSM_SLEEP_MS);

	host.view.knobs[KSM_SLEEP_MS] = 4321;
	turn();
	host.view.knobs[KSM_SLEEP_MS] = ours;
	turn();
	end_guest();
	turn();
	assert_int_equal(knob(KSM_SLEEP_MS), ours);
}

static void an_advisor_that_somebody_switches_off_stays_off(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 256, true);
	turn();
	write_knob(KSM_ADVISOR_MODE, KSM_ADVISOR_NONE);
	turns(10);
	assert_int_equal(knob(KSM_ADVISOR_MODE), KSM_ADVISOR_NONE);
	assert_int_equal(knob(KSM_PAGES_TO_SCAN), 100);
}

static void new_guests_are_scanned_fast_and_then_less(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 1024, true);
	turn();
	for (int i = 0; i < KSM_FAST_SCANS - 1; i++) {
		scan(50000);
		assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_FAST_S);
	}
	scan(50000);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_S);
	assert_true(said("have been scanned"));
	start_guest("db", 1024, true);
	host.view.now_ms += TURN_MS;
	turn();
	assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_FAST_S);
	assert_true(said("guest db is new"));
}

static void scans_that_find_nothing_get_rarer_and_a_gain_brings_them_back(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 1024, true);
	turn();
	for (int i = 0; i < KSM_FAST_SCANS; i++)
		scan(0);
	scan(0);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_S);
	scan(0);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), 2 * KSM_SCAN_S);
	assert_true(said("next to nothing new"));
	scan(0);
	scan(0);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), 4 * KSM_SCAN_S);
	for (int i = 0; i < 10; i++)
		scan(0);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), 4 * KSM_SCAN_S);
	/* 1024 MiB are 262144 pages; 2 % of them are 5243. */
	scan(5250);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_S);
	assert_true(said("merged 5250 more pages"));
}

static void gains_between_little_and_much_change_nothing(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 1024, true);
	turn();
	for (int i = 0; i < KSM_FAST_SCANS; i++)
		scan(0);
	for (int i = 0; i < 20; i++) {
		scan(i % 2 ? 0 : 4000);
		assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_S);
		assert_int_equal(host.plan.n_writes, 0);
	}
}

static void a_gain_that_is_not_large_does_not_make_scans_more_frequent(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 1024, true);
	turn();
	for (int i = 0; i < KSM_FAST_SCANS + 2; i++)
		scan(0);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), 2 * KSM_SCAN_S);
	for (int i = 0; i < 5; i++)
		scan(4000);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), 2 * KSM_SCAN_S);
}

static void a_gain_is_counted_from_scan_to_scan_and_not_from_turn_to_turn(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 1024, true);
	turn();
	for (int i = 0; i < KSM_FAST_SCANS + 2; i++)
		scan(0);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), 2 * KSM_SCAN_S);
	for (int i = 0; i < 10; i++) {
		host.view.pages_saved += 600;
		host.view.now_ms += TURN_MS;
		turn();
	}
	scan(0);
	assert_int_equal(knob(KSM_ADVISOR_TARGET), KSM_SCAN_S);
}

static void a_scan_takes_the_time_that_it_is_to_take(void **state)
{
	(void)state;
	make_host(false);
	start_guest("web", 2048, true);
	turn();
	turns(100);
	assert_int_equal(host.memory.fast_scans, 0);
	host.memory.level = 0;
	host.memory.idle_scans = 0;
	turn();
	host.scanned = 0;

	uint64_t scans = host.view.full_scans;
	int n = 0;

	while (host.view.full_scans == scans && n++ < 100)
		pass(1000);
	pass(0);
	/* Between 1.5 and 12.5 minutes for what may be at any of the levels. */
	for (; host.view.full_scans == scans && n < 2000; n++)
		pass(1000);
	assert_in_range(n, KSM_SCAN_S / 2, 2 * KSM_SCAN_S);
}

static void the_thread_stays_within_its_budget_on_a_slow_host(void **state)
{
	(void)state;
	for (uint64_t cost = 1000; cost <= 200000; cost *= 3) {
		make_host(false);
		host.page_cost_ns = cost;
		start_guest("big", 65536, true);
		turn();
		turns(3);
		for (int i = 0; i < 200; i++) {
			host.view.pages_saved += host.view.pages_tracked / 20;
			turns(1);
			/* What is nearly right is left alone. */
			assert_true(host.share * 100 < KSM_CPU_PERCENT * 1.3);
		}
		if (cost < 10000)
			assert_true(host.share * 100 > KSM_CPU_PERCENT * 0.3);
	}
}

static void short_turns_are_measured_too(void **state)
{
	(void)state;
	make_host(false);
	host.page_cost_ns = 200000;
	start_guest("big", 65536, true);
	turn();
	for (int i = 0; i < 60; i++) {
		pass(1000);
		turn();
	}
	assert_true(host.share * 100 < KSM_CPU_PERCENT * 1.3);
}

static void what_ksm_has_not_reached_yet_is_reckoned_with(void **state)
{
	(void)state;
	make_host(false);
	start_guest("web", 1024, true);
	/* It has only just begun. */
	host.view.pages_tracked = 6;
	turn();
	assert_in_range(knob(KSM_PAGES_TO_SCAN) * 1000 / knob(KSM_SLEEP_MS), 4000, 5000);
	/* However it comes that it knows so few. */
	host.memory.fast_scans = 0;
	turn();
	assert_in_range(knob(KSM_PAGES_TO_SCAN) * 1000 / knob(KSM_SLEEP_MS), 150, 250);
}

static void little_memory_is_scanned_with_few_wake_ups(void **state)
{
	(void)state;
	make_host(false);
	start_guest("small", 64, true);
	turn();
	assert_in_range(knob(KSM_SLEEP_MS), 300, 420);
	assert_in_range(knob(KSM_PAGES_TO_SCAN), 90, 200);
	make_host(false);
	start_guest("smaller", 1, true);
	turn();
	assert_int_equal(knob(KSM_SLEEP_MS), 500);
}

static void a_guest_that_comes_late_in_a_slow_scan_is_not_kept_waiting(void **state)
{
	(void)state;
	make_host(true);
	start_guest("small", 64, true);
	turn();
	/* The advisor has made batches small meanwhile. */
	host.view.knobs[KSM_PAGES_TO_SCAN] = 20;
	start_guest("big", 8192, true);
	host.view.now_ms += TURN_MS;
	host.guests[1].started_ns += 1;
	turn();
	assert_int_equal(knob(KSM_ADVISOR_MODE), KSM_ADVISOR_SCAN_TIME);
	assert_true(knob(KSM_PAGES_TO_SCAN) == knob(KSM_ADVISOR_MIN_PAGES));
	assert_true(knob(KSM_PAGES_TO_SCAN) >= 400);
}

static void a_host_that_does_not_change_is_left_alone(void **state)
{
	(void)state;
	for (int advisor = 0; advisor <= 1; advisor++) {
		int writes = 0;

		make_host(advisor);
		start_guest("web", 512, true);
		turn();
		turns(1000);
		for (int i = 0; i < 1000; i++) {
			turns(1);
			writes += (int)host.plan.n_writes;
		}
		assert_int_equal(writes, 0);
	}
}

static void a_host_that_hardly_changes_is_left_alone(void **state)
{
	int writes = 0;

	(void)state;
	make_host(false);
	start_guest("web", 2048, true);
	turn();
	turns(1000);

	uint64_t tracked = host.view.pages_tracked;

	for (int i = 0; i < 100; i++) {
		host.view.pages_tracked = tracked - tracked / 10 + (uint64_t)(i % 5) * tracked / 20;
		turns(1);
		writes += (int)host.plan.n_writes;
	}
	assert_int_equal(writes, 0);
	host.view.pages_tracked = tracked * 2;
	turns(1);
	assert_true(host.plan.n_writes > 0);
	assert_true(said("pages to look at"));
}

static void a_write_that_was_only_intended_is_made_up_for(void **state)
{
	(void)state;
	make_host(true);
	start_guest("web", 256, true);
	/* Killed after the intention was kept and before anything was written. */
	decide();
	host.memory = host.plan.memory;
	turn();
	assert_int_equal(knob(KSM_RUN), 1);
	assert_int_equal(knob(KSM_ADVISOR_MODE), KSM_ADVISOR_SCAN_TIME);
	end_guest();
	turn();
	assert_int_equal(knob(KSM_RUN), 0);
	assert_int_equal(knob(KSM_ADVISOR_MAX_CPU), 70);
	assert_int_equal(knob(KSM_PAGES_TO_SCAN), 100);
}

static void being_killed_between_any_two_writes_loses_nothing(void **state)
{
	(void)state;
	for (size_t written = 0; written < 8; written++) {
		uint64_t before[KSM_KNOBS];

		make_host(true);
		memcpy(before, host.view.knobs, sizeof(before));
		start_guest("web", 256, true);
		decide();
		host.memory = host.plan.memory;
		for (size_t i = 0; i < written && i < host.plan.n_writes; i++)
			write_knob(host.plan.writes[i].knob, host.plan.writes[i].value);
		turns(3);
		assert_int_equal(knob(KSM_RUN), 1);
		/* And again while it puts back: then the memory is still the old one. */
		end_guest();
		decide();
		for (size_t i = 0; i < written && i < host.plan.n_writes; i++)
			write_knob(host.plan.writes[i].knob, host.plan.writes[i].value);
		turn();
		assert_memory_equal(host.view.knobs, before, sizeof(before));
	}
}

/* Anybody does anything at any time: what must hold all the same. */
static void no_course_of_events_unmerges_or_runs_ksm_for_nobody(void **state)
{
	static const uint64_t runs[] = { 0, 1, 2 };

	(void)state;
	srandom(1);
	for (int round = 0; round < 200; round++) {
		bool touched = false;

		make_host(round % 2);
		for (int i = 0; i < 200; i++) {
			long dice = random() % 20;

			if (dice < 3 && host.view.n_guests < GUESTS_MAX)
				start_guest("a", 64 + (uint64_t)random() % 512, random() % 2);
			else if (dice < 6 && host.view.n_guests > 0)
				end_guest();
			else if (dice == 6 && round % 4 > 1)
				touched = true, host.view.knobs[KSM_RUN] = runs[random() % 3];
			else if (dice == 7)
				host.view.pages_saved = (uint64_t)random() % 100000;
			pass((uint64_t)random() % 60000);
			turn();

			bool merging = false;

			for (size_t g = 0; g < host.view.n_guests; g++)
				merging |= host.guests[g].merge;
			for (size_t w = 0; w < host.plan.n_writes; w++)
				if (host.plan.writes[w].knob == KSM_RUN)
					assert_int_equal(host.plan.writes[w].value, merging);
			if (!touched)
				assert_int_equal(knob(KSM_RUN), merging);
			if (host.memory.hands_off)
				assert_int_equal(host.plan.n_writes, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ksm_is_switched_on_for_a_guest_that_wants_merging),
		cmocka_unit_test(without_guests_that_want_merging_nothing_is_done),
		cmocka_unit_test(a_kernel_without_ksm_is_left_in_peace),
		cmocka_unit_test(settings_are_put_back_when_the_last_such_guest_goes),
		cmocka_unit_test(an_advisor_that_was_chosen_before_stays_chosen),
		cmocka_unit_test(ksm_that_runs_already_is_left_as_it_is),
		cmocka_unit_test(who_stops_ksm_is_obeyed_until_those_guests_are_gone),
		cmocka_unit_test(unmerged_ksm_stays_so_until_run_is_0),
		cmocka_unit_test(a_setting_that_somebody_changes_is_left_to_them),
		cmocka_unit_test(what_somebody_has_set_is_theirs_even_if_it_is_what_we_had),
		cmocka_unit_test(an_advisor_that_somebody_switches_off_stays_off),
		cmocka_unit_test(new_guests_are_scanned_fast_and_then_less),
		cmocka_unit_test(scans_that_find_nothing_get_rarer_and_a_gain_brings_them_back),
		cmocka_unit_test(gains_between_little_and_much_change_nothing),
		cmocka_unit_test(a_gain_that_is_not_large_does_not_make_scans_more_frequent),
		cmocka_unit_test(a_gain_is_counted_from_scan_to_scan_and_not_from_turn_to_turn),
		cmocka_unit_test(a_scan_takes_the_time_that_it_is_to_take),
		cmocka_unit_test(the_thread_stays_within_its_budget_on_a_slow_host),
		cmocka_unit_test(short_turns_are_measured_too),
		cmocka_unit_test(what_ksm_has_not_reached_yet_is_reckoned_with),
		cmocka_unit_test(little_memory_is_scanned_with_few_wake_ups),
		cmocka_unit_test(a_guest_that_comes_late_in_a_slow_scan_is_not_kept_waiting),
		cmocka_unit_test(a_host_that_does_not_change_is_left_alone),
		cmocka_unit_test(a_host_that_hardly_changes_is_left_alone),
		cmocka_unit_test(a_write_that_was_only_intended_is_made_up_for),
		cmocka_unit_test(being_killed_between_any_two_writes_loses_nothing),
		cmocka_unit_test(no_course_of_events_unmerges_or_runs_ksm_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
