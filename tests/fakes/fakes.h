/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stand-ins for what needs a kernel or a second thread: interrupts, windows, doorbells, the event
 * loop and the console. They implement the same headers as the real ones and record what happens,
 * so that a device can be tested and fuzzed without KVM.
 *
 * What they record is global; fakes_reset() begins anew.
 */
#ifndef LODGE_TESTS_FAKES_H
#define LODGE_TESTS_FAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dev/console.h"

enum { FAKE_LINES_MAX = 16, FAKE_WINDOWS_MAX = 8, FAKE_DOORBELLS_MAX = 16, FAKE_OUTPUT_MAX = 4096 };

struct fake_line {
	bool live;
	uint64_t address;
	uint32_t data;
	unsigned raised;
};

struct fake_window {
	bool live;
	uint64_t gpa;
	const uint8_t *hva;
	uint64_t len;
};

struct fake_doorbell {
	bool live;
	uint64_t gpa;
	int event_fd;
};

struct fakes {
	/* In the order in which they were made. */
	struct fake_line lines[FAKE_LINES_MAX];
	unsigned n_lines;
	struct fake_window windows[FAKE_WINDOWS_MAX];
	unsigned windows_made;
	struct fake_doorbell doorbells[FAKE_DOORBELLS_MAX];
	/* Makes what is asked for next fail. */
	bool fail_windows;
	bool fail_doorbells;
	bool fail_lines;

	/* What was written to the console, and what is attached to it. */
	uint8_t output[FAKE_OUTPUT_MAX];
	size_t output_len; /* all of it, also what didn't fit */
	uint32_t output_sum;
	const struct console_input *input;
	unsigned input_ready;
	uint16_t columns, rows;
};

extern struct fakes fakes;

void fakes_reset(void);
/* Windows, doorbells and lines that are still there. */
unsigned fakes_live(void);

/* A guest's load at gpa: from a window if there is one (true), else it would be an exit. */
bool fake_window_read(uint64_t gpa, void *data, size_t len);
/* A guest's store at gpa: true if a doorbell took it. */
bool fake_doorbell_ring(uint64_t gpa);

/* Calls back for every descriptor that is ready now, each once. Returns how many there were. */
struct loop;
unsigned fake_loop_turn(struct loop *loop);

/* A handle for headers that want one. */
struct irqs *fake_irqs(void);
struct vm *fake_vm(void);
struct console *fake_console(void);

#endif
