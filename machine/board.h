/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board: a VM with all its devices, from power-on to the next reset.
 *
 *   port 0x3f8  serial port, I/O APIC pin 4      port 0x70   real-time clock
 *   port 0x505  panic device                     port 0x600  power-off and reset
 *   pin 5       power button (ACPI GED)
 *   PCI 00:01.0 virtio-console                   PCI 00:02.0 virtio-rng
 *   PCI 00:03.0 virtio-balloon, if there is one
 *
 * Called with the device lock held.
 */
#ifndef LODGE_MACHINE_BOARD_H
#define LODGE_MACHINE_BOARD_H

#include <pthread.h>
#include <stdint.h>

#include "machine/state.h"
#include "vm/vm.h"

struct board;
struct console;
struct err;
struct guest_ram;
struct kernel;
struct loop;
struct rtc;
struct virtio_device;

struct board_host {
	int kvm_fd;
	unsigned cpus;
	struct guest_ram *ram; /* cleared; the kernel is loaded into it */
	struct kernel *kernel;
	struct console *console;
	struct rtc *rtc; /* goes on through resets, as a clock with a battery does */
	struct loop *loop;
	pthread_mutex_t *lock;
	/* The guest did something (VM_EVENT_POWERED_OFF, RESET, PANICKED or BROKE); reason is
	 * "powered off" and the like. May come more than once. */
	void (*event)(void *opaque, enum vm_event event, const char *reason);
	unsigned balloon;	/* enum virtio_balloon_option, 0 for none */
	uint64_t balloon_pages; /* what the balloon is to hold from the start, 4 KiB pages */
	void (*balloon_changed)(void *opaque); /* see struct virtio_balloon_host */
	void *opaque;
};

/* A board whose vCPUs stand at the kernel's entry. What host points to outlives it. */
int board_new(const struct board_host *host, struct board **ret_board, struct err **err);
void board_free(struct board *board);

int board_run(struct board *board, struct err **err);
/* See vm_pause() and vm_pause_soon(). */
void board_pause(struct board *board);
void board_pause_soon(struct board *board);

void board_press_power_button(struct board *board);
struct vm_exits board_count_exits(const struct board *board);

/* The balloon (virtio/balloon.h), or NULL if the guest has none. */
struct virtio_device *board_balloon(const struct board *board);

#endif
