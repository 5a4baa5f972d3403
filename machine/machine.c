/* SPDX-License-Identifier: Apache-2.0 */
/* A guest put together: see machine.h. */
#include "machine/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/size.h"
#include "dev/rtc.h"
#include "machine/board.h"
#include "machine/config.h"
#include "mem/guest_ram.h"
#include "virtio/balloon.h"

struct machine {
	struct machine_host host;
	struct guest_ram *ram;
	struct rtc rtc;
	struct board *board; /* NULL once the guest has ended */
	enum vm_state state;

	/* Events that vCPU threads noted, a bit each, and what wakes the loop for them. */
	unsigned noted;
	char reason[160]; /* of the one that weighs most */
	int event_fd;
	struct loop_source *event_source;

	struct vm_exits exits_before; /* on boards before the current one */
	uint64_t resets;
	uint64_t balloon_pages; /* the balloon's target */
};

/* The one that counts if several vCPUs noted different things before they stopped. */
static enum vm_event machine_first_noted(unsigned noted)
{
	static const enum vm_event by_weight[] = { VM_EVENT_BROKE, VM_EVENT_PANICKED,
						   VM_EVENT_POWERED_OFF };

	for (size_t i = 0; i < ARRAY_SIZE(by_weight); i++) {
		if (noted & (1U << by_weight[i]))
			return by_weight[i];
	}
	return VM_EVENT_RESET;
}

/* On a vCPU's thread. */
static void machine_note(void *opaque, enum vm_event event, const char *reason)
{
	struct machine *machine = opaque;
	uint64_t one = 1;

	/* A vCPU may still be on its way out of a guest that has just been killed. */
	if (!machine->board)
		return;
	log_limited("the guest: %s", reason);
	machine->noted |= 1U << event;
	if (machine_first_noted(machine->noted) == event)
		snprintf(machine->reason, sizeof(machine->reason), "%s", reason);
	board_pause_soon(machine->board);
	/* Can't fail: the counter is far from full. */
	ssize_t ignored __attribute__((unused)) = write(machine->event_fd, &one, sizeof(one));
}

static void machine_balloon_changed(void *opaque)
{
	struct machine *machine = opaque;

	machine->host.balloon_changed(machine->host.opaque);
}

static int machine_make_board(struct machine *machine, struct err **err)
{
	const struct board_host host = {
		.kvm_fd = machine->host.kvm_fd,
		.cpus = machine->host.config->cpus,
		.ram = machine->ram,
		.kernel = machine->host.kernel,
		.console = machine->host.console,
		.rtc = &machine->rtc,
		.loop = machine->host.loop,
		.lock = machine->host.lock,
		.event = machine_note,
		.balloon = machine->host.config->balloon,
		.balloon_pages = machine->balloon_pages,
		.balloon_changed = machine_balloon_changed,
		.opaque = machine,
	};

	return board_new(&host, &machine->board, err);
}

static void machine_drop_board(struct machine *machine)
{
	struct board *board = take_ptr(machine->board);

	if (!board)
		return;

	struct vm_exits exits = board_count_exits(board);

	machine->exits_before.pio += exits.pio;
	machine->exits_before.mmio += exits.mmio;
	machine->exits_before.other += exits.other;
	board_free(board);
}

static void machine_end(struct machine *machine, bool killed)
{
	log_line("the guest is %s", vm_state_name(machine->state));
	machine_drop_board(machine);
	/* The process may live on for a while, to tell how the guest ended. */
	guest_ram_drop(machine->ram);
	machine->host.ended(machine->host.opaque, machine->state, killed);
}

/* The same memory and the same files, and everything else new. */
static int machine_restart(struct machine *machine, struct err **err)
{
	machine_drop_board(machine);
	machine->resets++;
	if (guest_ram_clear(machine->ram, err) < 0 || machine_make_board(machine, err) < 0)
		return -1;
	if (machine->state == VM_PAUSED)
		return 0;
	return board_run(machine->board, err);
}

static void on_noted(void *arg, uint32_t events)
{
	struct machine *machine = arg;
	_cleanup_err_ struct err *err = NULL;
	uint64_t count;
	ssize_t ignored __attribute__((unused)) = read(machine->event_fd, &count, sizeof(count));

	(void)events;
	if (!machine->board)
		return;
	board_pause(machine->board);
	/* While the vCPUs stopped, one more may have noted something. It was handled with the rest,
	 * and only its call is left. */
	if (machine->noted == 0)
		return;

	enum vm_event event = machine_first_noted(machine->noted);

	machine->noted = 0;
	if (event == VM_EVENT_RESET && machine->host.config->on_reset == VM_RESET_STOP)
		event = VM_EVENT_POWERED_OFF;
	if (vm_state_next(machine->state, event, &machine->state, &err) < 0) {
		log_line("%s", err_message(err));
		return;
	}
	if (!vm_state_is_final(machine->state) && machine_restart(machine, &err) < 0) {
		log_line("restart: %s", err_message(err));
		snprintf(machine->reason, sizeof(machine->reason), "restart: %s", err_message(err));
		machine->state = VM_FAILED;
	}
	if (vm_state_is_final(machine->state))
		machine_end(machine, false);
	else
		machine->host.balloon_changed(machine->host.opaque);
}

int machine_new(const struct machine_host *host, struct machine **ret_machine, struct err **err)
{
	struct machine *machine = calloc(1, sizeof(*machine));

	if (!machine)
		return err_set(err, ERR_NO_SPACE, errno, "machine");
	machine->host = *host;
	machine->state = VM_STARTING;
	rtc_init(&machine->rtc, &(struct rtc_host){ .now = NULL });
	machine->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->event_fd < 0) {
		err_set(err, ERR_FAILED, errno, "machine");
		goto fail;
	}
	if (loop_add(host->loop, machine->event_fd, EPOLLIN, on_noted, machine,
		     &machine->event_source, err) < 0 ||
	    guest_ram_new(host->config->memory, &host->config->ram, &machine->ram, err) < 0 ||
	    machine_make_board(machine, err) < 0)
		goto fail;
	*ret_machine = machine;
	return 0;

fail:
	machine_free(machine);
	return -1;
}

void machine_free(struct machine *machine)
{
	if (!machine)
		return;
	board_free(take_ptr(machine->board));
	guest_ram_free(machine->ram);
	loop_remove(machine->event_source);
	if (machine->event_fd >= 0)
		close(machine->event_fd);
	free(machine);
}

int machine_start(struct machine *machine, struct err **err)
{
	enum vm_state next;

	if (vm_state_next(machine->state, VM_EVENT_STARTED, &next, err) < 0 ||
	    board_run(machine->board, err) < 0)
		return -1;
	machine->state = next;
	return 0;
}

int machine_pause(struct machine *machine, struct err **err)
{
	if (vm_state_next(machine->state, VM_EVENT_PAUSE, &machine->state, err) < 0)
		return -1;
	board_pause(machine->board);
	return 0;
}

int machine_resume(struct machine *machine, struct err **err)
{
	enum vm_state next;

	if (vm_state_next(machine->state, VM_EVENT_RESUME, &next, err) < 0)
		return -1;
	/* A guest that has something noted goes on to that instead. */
	if (machine->noted == 0 && board_run(machine->board, err) < 0)
		return -1;
	machine->state = next;
	return 0;
}

int machine_press_power_button(struct machine *machine, struct err **err)
{
	if (vm_state_next(machine->state, VM_EVENT_POWER_BUTTON, &machine->state, err) < 0)
		return -1;
	board_press_power_button(machine->board);
	return 0;
}

int machine_kill(struct machine *machine, struct err **err)
{
	if (vm_state_next(machine->state, VM_EVENT_KILL, &machine->state, err) < 0)
		return -1;
	machine_end(machine, true);
	return 0;
}

const char *machine_reason(const struct machine *machine)
{
	return machine->reason;
}

enum vm_state machine_state(const struct machine *machine)
{
	return machine->state;
}

struct vm_exits machine_count_exits(const struct machine *machine)
{
	struct vm_exits sum = machine->exits_before;

	if (machine->board) {
		struct vm_exits now = board_count_exits(machine->board);

		sum.pio += now.pio;
		sum.mmio += now.mmio;
		sum.other += now.other;
	}
	return sum;
}

uint64_t machine_count_resets(const struct machine *machine)
{
	return machine->resets;
}

const struct guest_memory *machine_memory(const struct machine *machine)
{
	return guest_ram_memory(machine->ram);
}

bool machine_balloon_info(const struct machine *machine, struct virtio_balloon_info *ret_info)
{
	const struct virtio_device *balloon = machine->board ? board_balloon(machine->board) : NULL;

	*ret_info = (struct virtio_balloon_info){ 0 };
	if (balloon)
		virtio_balloon_info(balloon, ret_info);
	return balloon != NULL;
}

/* The device, if the guest can be asked to do something with it. */
static int machine_find_balloon(struct machine *machine, struct virtio_device **ret_balloon,
				struct err **err)
{
	struct virtio_balloon_info info;

	if (vm_state_next(machine->state, VM_EVENT_BALLOON, &machine->state, err) < 0)
		return -1;
	if (!machine_balloon_info(machine, &info))
		return err_set(err, ERR_STATE, 0, "it has no balloon device");
	if (!info.driver)
		return err_set(err, ERR_STATE, 0, "no driver in the guest uses its balloon");
	*ret_balloon = board_balloon(machine->board);
	return 0;
}

int machine_set_balloon(struct machine *machine, uint64_t bytes, struct err **err)
{
	uint64_t memory = machine->host.config->memory;
	struct virtio_device *balloon = NULL;
	char there[SIZE_TEXT_MAX];

	if (bytes % GUEST_RAM_PAGE)
		return err_set(err, ERR_USAGE, 0, "balloon: %llu bytes are no whole pages of %d",
			       (unsigned long long)bytes, GUEST_RAM_PAGE);
	if (bytes > memory)
		return err_set(err, ERR_USAGE, 0,
			       "balloon: %llu bytes are more than the guest's memory, %s",
			       (unsigned long long)bytes, size_format(memory, there));
	if (machine_find_balloon(machine, &balloon, err) < 0)
		return -1;
	machine->balloon_pages = bytes / GUEST_RAM_PAGE;
	virtio_balloon_set_target(balloon, machine->balloon_pages);
	return 0;
}

int machine_ask_stats(struct machine *machine, struct err **err)
{
	struct virtio_device *balloon = NULL;

	if (machine_find_balloon(machine, &balloon, err) < 0)
		return -1;
	return virtio_balloon_ask_stats(balloon, err);
}

int machine_ask_hints(struct machine *machine, struct err **err)
{
	struct virtio_device *balloon = NULL;

	if (machine_find_balloon(machine, &balloon, err) < 0)
		return -1;
	return virtio_balloon_ask_hints(balloon, err);
}
