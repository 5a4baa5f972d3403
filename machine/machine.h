/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest put together: its configuration, its state (machine/state.h), and the board that it runs
 * on, which is made anew whenever the guest resets.
 *
 * What the guest does (power-off, reset, panic, a triple fault) is noticed on a vCPU's thread.
 * There it's only noted and the vCPUs stopped; the event loop's thread then moves the state.
 *
 * Called with the device lock held, on the event loop's thread, unless said otherwise.
 */
#ifndef LODGE_MACHINE_MACHINE_H
#define LODGE_MACHINE_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/state.h"
#include "vm/vm.h"

struct console;
struct err;
struct guest_memory;
struct kernel;
struct loop;
struct machine;
struct virtio_balloon_info;
struct vm_config;

/* What a machine gets from its process; everything stays the caller's and outlives it. */
struct machine_host {
	int kvm_fd;
	const struct vm_config *config;
	struct kernel *kernel;
	struct console *console;
	struct loop *loop;
	pthread_mutex_t *lock; /* the device lock, which is the loop's lock too */
	/* The guest reached a final state; the vCPUs don't run any more. killed: by machine_kill().
	 */
	void (*ended)(void *opaque, enum vm_state state, bool killed);
	/* The balloon's size moved, statistics came, a hinting session ended, or the guest reset
	 * itself. */
	void (*balloon_changed)(void *opaque);
	void *opaque;
};

int machine_new(const struct machine_host *host, struct machine **ret_machine, struct err **err);
/* Ends the vCPUs and gives everything back. NULL is fine. */
void machine_free(struct machine *machine);

/* From starting to running. */
int machine_start(struct machine *machine, struct err **err);

/* What users ask for; ERR_STATE where the state doesn't allow it. */
int machine_pause(struct machine *machine, struct err **err);
int machine_resume(struct machine *machine, struct err **err);
int machine_press_power_button(struct machine *machine, struct err **err);
int machine_kill(struct machine *machine, struct err **err);

enum vm_state machine_state(const struct machine *machine);
/* What brought the guest to its final state or made it reset last, such as "panicked" or "vCPU 0:
 * ..."; "" before that. Valid as long as the machine. */
const char *machine_reason(const struct machine *machine);
/* Exits to user space since the start, resets included. */
struct vm_exits machine_count_exits(const struct machine *machine);
/* How often the guest reset itself. */
uint64_t machine_count_resets(const struct machine *machine);
const struct guest_memory *machine_memory(const struct machine *machine);

/* What the balloon holds and its driver said (virtio/balloon.h). False, and all zero, if there's no
 * such device, or the guest has ended. */
bool machine_balloon_info(const struct machine *machine, struct virtio_balloon_info *ret_info);
/* What users ask the balloon's driver for. ERR_STATE where the state doesn't allow it, and without
 * device, driver or the feature. The target, in bytes, is kept through resets; ERR_USAGE if it
 * isn't a number of whole pages, or more than the guest's memory. Statistics and the end of a
 * hinting session come with balloon_changed(). */
int machine_set_balloon(struct machine *machine, uint64_t bytes, struct err **err);
int machine_ask_stats(struct machine *machine, struct err **err);
int machine_ask_hints(struct machine *machine, struct err **err);

#endif
