/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a guest, and what moves it from one to another.
 *
 *             started              pause
 *   starting ---------> running ----------> paused
 *                          |    <----------
 *             power button |      resume
 *                          v
 *                       stopping        (no way back: the guest may still be about to obey)
 *
 *   stopped:  the guest powered itself off, or reset itself while it was stopping, or was killed
 *   panicked: the guest's kernel said that it panicked
 *   failed:   KVM or the VM process couldn't go on with it
 *
 * Those three are final. What the guest does (power-off, reset, panic) and a kill are taken in
 * every state that isn't final, since a vCPU may be on its way out while the state changes. What a
 * user asks for is refused by name where it makes no sense: a paused guest can't press its own
 * power button, a stopping one can't be paused.
 */
#ifndef LODGE_MACHINE_STATE_H
#define LODGE_MACHINE_STATE_H

#include <stdbool.h>

struct err;

enum vm_state {
	VM_STARTING, /* being put together; no vCPU has run yet */
	VM_RUNNING,
	VM_PAUSED,   /* the vCPUs stand still */
	VM_STOPPING, /* the power button was pressed; the vCPUs run */
	VM_STOPPED,
	VM_PANICKED,
	VM_FAILED,
	VM_STATES,
};

enum vm_event {
	VM_EVENT_STARTED,      /* the vCPUs begin to run */
	VM_EVENT_PAUSE,	       /* a user's request */
	VM_EVENT_RESUME,       /* a user's request */
	VM_EVENT_POWER_BUTTON, /* a user's request; pressing again while it stops is fine */
	VM_EVENT_KILL,	       /* a user's request: ended by force */
	VM_EVENT_BALLOON,      /* a user's request that the balloon's driver has to act on */
	VM_EVENT_POWERED_OFF,  /* the guest powered off, or reset itself and isn't to boot again */
	VM_EVENT_RESET,	   /* the guest reset itself and boots again in the same state; a stopping
			      one is stopped instead */
	VM_EVENT_PANICKED, /* the guest's kernel panicked */
	VM_EVENT_BROKE,	   /* KVM or the VM process can't go on */
	VM_EVENTS,
};

/* Where event leads from state. The state may stay the same. An event that isn't allowed there is
 * ERR_STATE, with a message such as "a guest that is stopping can't be paused". */
int vm_state_next(enum vm_state from, enum vm_event event, enum vm_state *ret_to, struct err **err);

/* Stopped, panicked and failed: nothing leads out of them. */
bool vm_state_is_final(enum vm_state state);

/* The exit status of a VM process that ends in a final state (docs/exit-status.md). killed tells a
 * guest that was stopped by VM_EVENT_KILL from one that powered off. */
int vm_state_exit_status(enum vm_state state, bool killed);

/* "starting" and so on, as users and the control socket see it. */
const char *vm_state_name(enum vm_state state);

#endif
