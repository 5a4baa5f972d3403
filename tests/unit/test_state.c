/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "machine/state.h"

static void assert_leads(enum vm_state from, enum vm_event event, enum vm_state expected)
{
	enum vm_state to = VM_STATES;

	assert_int_equal(vm_state_next(from, event, &to, NULL), 0);
	assert_int_equal(to, expected);
}

static void assert_refused(enum vm_state from, enum vm_event event, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	enum vm_state to = VM_STATES;

	assert_int_equal(vm_state_next(from, event, &to, &err), -1);
	assert_int_equal(to, VM_STATES);
	assert_int_equal(err_code(err), ERR_STATE);
	assert_string_equal(err_message(err), message);
}

static void a_guest_starts_runs_and_powers_off(void **state)
{
	(void)state;
	assert_leads(VM_STARTING, VM_EVENT_STARTED, VM_RUNNING);
	assert_leads(VM_RUNNING, VM_EVENT_POWER_BUTTON, VM_STOPPING);
	assert_leads(VM_STOPPING, VM_EVENT_POWERED_OFF, VM_STOPPED);
}

static void a_paused_guest_runs_again_only_when_resumed(void **state)
{
	(void)state;
	assert_leads(VM_RUNNING, VM_EVENT_PAUSE, VM_PAUSED);
	assert_leads(VM_PAUSED, VM_EVENT_RESUME, VM_RUNNING);
	assert_refused(VM_PAUSED, VM_EVENT_PAUSE, "a guest that is paused can't be paused");
	assert_refused(VM_RUNNING, VM_EVENT_RESUME, "a guest that is running can't be resumed");
}

static void illegal_requests_are_refused_by_name(void **state)
{
	(void)state;
	assert_refused(VM_STOPPING, VM_EVENT_PAUSE, "a guest that is stopping can't be paused");
	assert_refused(VM_STARTING, VM_EVENT_PAUSE, "a guest that is starting can't be paused");
	assert_refused(VM_STOPPED, VM_EVENT_KILL, "a guest that has stopped can't be killed");
	assert_refused(VM_RUNNING, VM_EVENT_STARTED, "a guest that is running can't be started");
	assert_refused(VM_PAUSED, VM_EVENT_POWER_BUTTON,
		       "a guest that is paused can't obey its power button: resume or kill it");
	assert_refused(VM_STARTING, VM_EVENT_BALLOON,
		       "a guest that is starting can't use its balloon");
	assert_refused(VM_PAUSED, VM_EVENT_BALLOON, "a guest that is paused can't use its balloon");
	assert_refused(VM_STOPPING, VM_EVENT_BALLOON,
		       "a guest that is stopping can't use its balloon");
}

static void the_power_button_can_be_pressed_again(void **state)
{
	(void)state;
	assert_leads(VM_STOPPING, VM_EVENT_POWER_BUTTON, VM_STOPPING);
}

static void a_reset_keeps_the_state_unless_the_guest_is_stopping(void **state)
{
	(void)state;
	assert_leads(VM_RUNNING, VM_EVENT_RESET, VM_RUNNING);
	assert_leads(VM_PAUSED, VM_EVENT_RESET, VM_PAUSED);
	assert_leads(VM_STOPPING, VM_EVENT_RESET, VM_STOPPED);
}

/* A vCPU may be on its way out with one of these while the state changes under it. */
static void what_ends_a_guest_is_taken_in_every_live_state(void **state)
{
	(void)state;
	for (int from = 0; from < VM_STATES; from++) {
		enum vm_state to;

		if (vm_state_is_final((enum vm_state)from))
			continue;
		assert_leads((enum vm_state)from, VM_EVENT_KILL, VM_STOPPED);
		assert_leads((enum vm_state)from, VM_EVENT_POWERED_OFF, VM_STOPPED);
		assert_leads((enum vm_state)from, VM_EVENT_PANICKED, VM_PANICKED);
		assert_leads((enum vm_state)from, VM_EVENT_BROKE, VM_FAILED);
		assert_int_equal(vm_state_next((enum vm_state)from, VM_EVENT_RESET, &to, NULL), 0);
	}
}

static void nothing_leads_out_of_a_final_state(void **state)
{
	(void)state;
	for (int from = VM_STOPPED; from < VM_STATES; from++) {
		assert_true(vm_state_is_final((enum vm_state)from));
		for (int event = 0; event < VM_EVENTS; event++) {
			enum vm_state to;

			assert_int_equal(
			    vm_state_next((enum vm_state)from, (enum vm_event)event, &to, NULL),
			    -1);
		}
	}
}

static void exit_statuses_are_the_documented_ones(void **state)
{
	(void)state;
	assert_int_equal(vm_state_exit_status(VM_STOPPED, false), 0);
	assert_int_equal(vm_state_exit_status(VM_STOPPED, true), 7);
	assert_int_equal(vm_state_exit_status(VM_PANICKED, false), 6);
	assert_int_equal(vm_state_exit_status(VM_FAILED, false), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_starts_runs_and_powers_off),
		cmocka_unit_test(a_paused_guest_runs_again_only_when_resumed),
		cmocka_unit_test(illegal_requests_are_refused_by_name),
		cmocka_unit_test(the_power_button_can_be_pressed_again),
		cmocka_unit_test(a_reset_keeps_the_state_unless_the_guest_is_stopping),
		cmocka_unit_test(what_ends_a_guest_is_taken_in_every_live_state),
		cmocka_unit_test(nothing_leads_out_of_a_final_state),
		cmocka_unit_test(exit_statuses_are_the_documented_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
