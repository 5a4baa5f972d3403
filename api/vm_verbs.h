/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM process answers on its control socket: the verbs of docs/api.md on a machine.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_API_VM_VERBS_H
#define LODGE_API_VM_VERBS_H

#include <stdbool.h>

#include "machine/state.h"

struct console;
struct err;
struct guest_cgroup;
struct kernel;
struct loop;
struct machine;
struct vm_config;
struct vm_verbs;

/* Everything stays the caller's and outlives the verbs. */
struct vm_verbs_host {
	const struct vm_config *config;
	const struct kernel *kernel;
	struct console *console;
	struct machine *machine;
	const struct guest_cgroup *cgroup;
	struct loop *loop;
	int listen_fd;
	/* After vm_verbs_ended() returned false: somebody has now asked how the guest ended. */
	void (*collected)(void *opaque);
	void *opaque;
};

int vm_verbs_new(const struct vm_verbs_host *host, struct vm_verbs **ret_verbs, struct err **err);
/* NULL is fine. */
void vm_verbs_free(struct vm_verbs *verbs);

/* The guest has ended: answers everybody who waits for that, and tells whether there was anybody.
 */
bool vm_verbs_ended(struct vm_verbs *verbs, enum vm_state state, int exit_status);

/* The machine's balloon_changed(): answers those who wait for statistics or hints, if that's what
 * came, or if they can't come any more. */
void vm_verbs_balloon_changed(struct vm_verbs *verbs);

#endif
