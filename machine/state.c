/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a guest: see state.h. */
#include "machine/state.h"

#include <stdint.h>

#include "base/err.h"

static const char *const names[VM_STATES] = {
	[VM_STARTING] = "starting", [VM_RUNNING] = "running", [VM_PAUSED] = "paused",
	[VM_STOPPING] = "stopping", [VM_STOPPED] = "stopped", [VM_PANICKED] = "panicked",
	[VM_FAILED] = "failed",
};

/* "a guest that ... can't be paused" */
static const char *const conditions[VM_STATES] = {
	[VM_STARTING] = "is starting", [VM_RUNNING] = "is running",  [VM_PAUSED] = "is paused",
	[VM_STOPPING] = "is stopping", [VM_STOPPED] = "has stopped", [VM_PANICKED] = "has panicked",
	[VM_FAILED] = "has failed",
};

/* "a guest that is stopping can't ..." */
static const char *const deeds[VM_EVENTS] = {
	[VM_EVENT_STARTED] = "be started",	[VM_EVENT_PAUSE] = "be paused",
	[VM_EVENT_RESUME] = "be resumed",	[VM_EVENT_POWER_BUTTON] = "obey its power button",
	[VM_EVENT_BALLOON] = "use its balloon", [VM_EVENT_KILL] = "be killed",
	[VM_EVENT_POWERED_OFF] = "power off",	[VM_EVENT_RESET] = "reset itself",
	[VM_EVENT_PANICKED] = "panic",		[VM_EVENT_BROKE] = "fail",
};

enum { NO = -1 };

/* Where each event leads from starting, running, paused and stopping. Nothing leads out of the
 * states after those. */
static const int8_t next[VM_EVENTS][VM_STOPPED] = {
	[VM_EVENT_STARTED] = { VM_RUNNING, NO, NO, NO },
	[VM_EVENT_PAUSE] = { NO, VM_PAUSED, NO, NO },
	[VM_EVENT_RESUME] = { NO, NO, VM_RUNNING, NO },
	[VM_EVENT_POWER_BUTTON] = { NO, VM_STOPPING, NO, VM_STOPPING },
	[VM_EVENT_KILL] = { VM_STOPPED, VM_STOPPED, VM_STOPPED, VM_STOPPED },
	[VM_EVENT_BALLOON] = { NO, VM_RUNNING, NO, NO },
	[VM_EVENT_POWERED_OFF] = { VM_STOPPED, VM_STOPPED, VM_STOPPED, VM_STOPPED },
	[VM_EVENT_RESET] = { VM_STARTING, VM_RUNNING, VM_PAUSED, VM_STOPPED },
	[VM_EVENT_PANICKED] = { VM_PANICKED, VM_PANICKED, VM_PANICKED, VM_PANICKED },
	[VM_EVENT_BROKE] = { VM_FAILED, VM_FAILED, VM_FAILED, VM_FAILED },
};

bool vm_state_is_final(enum vm_state state)
{
	return state == VM_STOPPED || state == VM_PANICKED || state == VM_FAILED;
}

int vm_state_next(enum vm_state from, enum vm_event event, enum vm_state *ret_to, struct err **err)
{
	int to = vm_state_is_final(from) ? NO : next[event][from];

	if (to == NO) {
		const char *advice = from == VM_PAUSED && event == VM_EVENT_POWER_BUTTON
					 ? ": resume or kill it"
					 : "";

		return err_set(err, ERR_STATE, 0, "a guest that %s can't %s%s", conditions[from],
			       deeds[event], advice);
	}
	*ret_to = (enum vm_state)to;
	return 0;
}

int vm_state_exit_status(enum vm_state state, bool killed)
{
	switch (state) {
	case VM_STOPPED:
		return killed ? ERR_KILLED : 0;
	case VM_PANICKED:
		return ERR_PANICKED;
	default:
		return ERR_FAILED;
	}
}

const char *vm_state_name(enum vm_state state)
{
	return names[state];
}
