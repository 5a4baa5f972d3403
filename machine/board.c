/* SPDX-License-Identifier: Apache-2.0 */
/* The board: see board.h. */
#include "machine/board.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "boot/kernel.h"
#include "dev/console.h"
#include "dev/power.h"
#include "dev/pvpanic.h"
#include "dev/rtc.h"
#include "dev/serial.h"
#include "mem/guest_ram.h"
#include "pci/bus.h"
#include "virtio/balloon.h"
#include "virtio/console.h"
#include "virtio/device.h"
#include "virtio/pci_transport.h"
#include "virtio/rng.h"
#include "vm/bus.h"
#include "vm/irq.h"

/* Where things are: docs/architecture.md. The DSDT (boot/dsdt.asl) says the same to the guest. */
enum {
	SERIAL_BASE = 0x3f8,
	SERIAL_PIN = 4,
	RTC_BASE = 0x70,
	PVPANIC_BASE = 0x505,
	POWER_BASE = 0x600,
	POWER_BUTTON_PIN = 5,
};

/* The serial port's interrupt enable register: received data available; and its modem control
 * register: the pin that lets the interrupt out of a PC's serial port. */
enum { SERIAL_IER_RDI = 0x01, SERIAL_MCR_OUT2 = 0x08 };

enum { BOARD_PCI_DEVICES = 3 };

struct board {
	struct board_host host;
	struct bus pio;
	struct bus mmio;
	struct vm *vm;

	struct serial serial;
	struct power power;
	struct pvpanic pvpanic;
	struct irq_line *serial_irq;
	struct irq_line *power_button;

	struct pci_bus *pci;
	struct virtio_pci *pci_devices[BOARD_PCI_DEVICES];
	struct virtio_device *balloon; /* one of them, or NULL */
};

static void on_vm_event(void *opaque, enum vm_exit_event event, const char *reason)
{
	struct board *board = opaque;

	board->host.event(board->host.opaque,
			  event == VM_EXIT_RESET ? VM_EVENT_RESET : VM_EVENT_BROKE, reason);
}

static void on_power_off(void *opaque)
{
	struct board *board = opaque;

	board->host.event(board->host.opaque, VM_EVENT_POWERED_OFF, "powered off");
}

static void on_reset(void *opaque)
{
	struct board *board = opaque;

	board->host.event(board->host.opaque, VM_EVENT_RESET, "reset itself");
}

static void on_panicked(void *opaque)
{
	struct board *board = opaque;

	board->host.event(board->host.opaque, VM_EVENT_PANICKED, "panicked");
}

static void on_crash_loaded(void *opaque)
{
	(void)opaque;
	log_limited("the guest panicked and goes on in its crash kernel");
}

static void on_serial_output(void *opaque, const uint8_t *data, size_t len)
{
	struct board *board = opaque;

	console_write(board->host.console, data, len);
}

static void on_serial_irq(void *opaque)
{
	struct board *board = opaque;

	irq_line_raise(board->serial_irq);
}

static void on_serial_ready(void *opaque)
{
	struct board *board = opaque;

	console_input_ready(board->host.console);
}

static size_t serial_take_input(void *opaque, const uint8_t *data, size_t len)
{
	struct board *board = opaque;

	return serial_input(&board->serial, data, len);
}

static void serial_port_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	struct board *board = opaque;

	serial_bus_ops.read(&board->serial, offset, data, len);
}

/* A program in the guest has the port open: it wants to be interrupted when something comes in. A
 * driver that only looks for ports sets the one bit for a moment, but not the other. */
static bool serial_listens(const struct board *board)
{
	return (board->serial.state.ier & SERIAL_IER_RDI) &&
	       (board->serial.state.mcr & SERIAL_MCR_OUT2);
}

/* The serial port takes what is typed only while the guest listens to it. */
static void serial_port_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	struct board *board = opaque;
	bool listened = serial_listens(board);

	serial_bus_ops.write(&board->serial, offset, data, len);

	bool listens = serial_listens(board);

	if (listens && !listened)
		console_attach(
		    board->host.console, CONSOLE_SERIAL,
		    &(struct console_input){ .input = serial_take_input, .opaque = board });
	else if (!listens && listened) {
		console_detach(board->host.console, CONSOLE_SERIAL);
		/* What it didn't take is for the other device. */
		console_input_ready(board->host.console);
	}
}

static const struct bus_ops serial_port_ops = { .read = serial_port_read,
						.write = serial_port_write };

static int board_add_ports(struct board *board, struct err **err)
{
	serial_init(&board->serial, &(struct serial_host){ .output = on_serial_output,
							   .set_irq = on_serial_irq,
							   .input_ready = on_serial_ready,
							   .opaque = board });
	power_init(
	    &board->power,
	    &(struct power_host){ .power_off = on_power_off, .reset = on_reset, .opaque = board });
	board->pvpanic = (struct pvpanic){ .panicked = on_panicked,
					   .crash_loaded = on_crash_loaded,
					   .opaque = board };
	if (bus_add(&board->pio, SERIAL_BASE, SERIAL_PORTS, &serial_port_ops, board, err) < 0 ||
	    bus_add(&board->pio, RTC_BASE, RTC_PORTS, &rtc_bus_ops, board->host.rtc, err) < 0 ||
	    bus_add(&board->pio, PVPANIC_BASE, PVPANIC_PORTS, &pvpanic_bus_ops, &board->pvpanic,
		    err) < 0 ||
	    bus_add(&board->pio, POWER_BASE, POWER_PORTS, &power_bus_ops, &board->power, err) < 0)
		return -1;
	return 0;
}

/* Puts a device into the slot after the last one. Takes dev over, also if it fails. */
static int board_plug(struct board *board, unsigned index, struct virtio_device *dev,
		      struct err **err)
{
	const struct virtio_pci_host host = {
		.vm = board->vm,
		.memory = guest_ram_memory(board->host.ram),
		.bus = board->pci,
		.irqs = vm_irqs(board->vm),
		.loop = board->host.loop,
	};

	if (virtio_pci_new(&host, dev, index + 1, &board->pci_devices[index], err) < 0) {
		virtio_device_free(dev);
		return -1;
	}
	return 0;
}

static int board_add_balloon(struct board *board, struct err **err)
{
	const struct virtio_balloon_host host = {
		.ram = board->host.ram,
		.changed = board->host.balloon_changed,
		.opaque = board->host.opaque,
	};
	struct virtio_device *dev;

	if (!board->host.balloon)
		return 0;
	if (virtio_balloon_new(&host, board->host.balloon, &dev, err) < 0)
		return -1;
	virtio_balloon_set_target(dev, board->host.balloon_pages);
	if (board_plug(board, 2, dev, err) < 0)
		return -1;
	board->balloon = dev;
	return 0;
}

static int board_add_pci(struct board *board, struct err **err)
{
	struct virtio_device *dev;

	if (pci_bus_new(board->vm, &board->mmio, &board->pci, err) < 0)
		return -1;
	if (virtio_console_new(board->host.console, &dev, err) < 0 ||
	    board_plug(board, 0, dev, err) < 0)
		return err_wrap(err, "virtio-console");
	if (virtio_rng_new(&dev, err) < 0 || board_plug(board, 1, dev, err) < 0)
		return err_wrap(err, "virtio-rng");
	if (board_add_balloon(board, err) < 0)
		return err_wrap(err, "virtio-balloon");
	return 0;
}

static int board_load(struct board *board, struct err **err)
{
	struct vm_entry entry;

	if (kernel_load(board->host.kernel, board->host.ram, board->host.cpus, &entry, err) < 0 ||
	    guest_ram_prefault(board->host.ram, err) < 0)
		return -1;
	return vm_set_entry(board->vm, &entry, err);
}

int board_new(const struct board_host *host, struct board **ret_board, struct err **err)
{
	struct board *board = calloc(1, sizeof(*board));

	if (!board)
		return err_set(err, ERR_NO_SPACE, errno, "board");
	board->host = *host;

	const struct vm_host vm_host = {
		.lock = host->lock,
		.pio = &board->pio,
		.mmio = &board->mmio,
		.event = on_vm_event,
		.opaque = board,
	};

	if (vm_new(host->kvm_fd, host->cpus, guest_ram_memory(host->ram), &vm_host, &board->vm,
		   err) < 0 ||
	    irq_line_new_pin(vm_irqs(board->vm), SERIAL_PIN, &board->serial_irq, err) < 0 ||
	    irq_line_new_pin(vm_irqs(board->vm), POWER_BUTTON_PIN, &board->power_button, err) < 0 ||
	    board_add_ports(board, err) < 0 || board_add_pci(board, err) < 0 ||
	    board_load(board, err) < 0) {
		board_free(board);
		return -1;
	}
	*ret_board = board;
	return 0;
}

void board_free(struct board *board)
{
	if (!board)
		return;
	/* No vCPU may come out of the guest while its devices go away. */
	if (board->vm)
		vm_pause(board->vm);
	console_detach(board->host.console, CONSOLE_SERIAL);
	for (size_t i = 0; i < BOARD_PCI_DEVICES; i++)
		virtio_pci_free(board->pci_devices[i]);
	pci_bus_free(board->pci);
	irq_line_free(board->serial_irq);
	irq_line_free(board->power_button);
	vm_free(board->vm);
	free(board);
}

int board_run(struct board *board, struct err **err)
{
	return vm_run(board->vm, err);
}

void board_pause(struct board *board)
{
	vm_pause(board->vm);
}

void board_pause_soon(struct board *board)
{
	vm_pause_soon(board->vm);
}

void board_press_power_button(struct board *board)
{
	irq_line_raise(board->power_button);
}

struct vm_exits board_count_exits(const struct board *board)
{
	return vm_count_exits(board->vm);
}

struct virtio_device *board_balloon(const struct board *board)
{
	return board->balloon;
}
