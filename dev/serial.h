/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A serial port: a 16550A UART at eight ports, without a line behind it.
 *
 * What the guest sends is gone at once, so the transmitter is always empty and there are no
 * timers: the baud rate is kept and means nothing. What comes in waits in the 16-byte receive
 * FIFO (one byte with the FIFOs off), and a character timeout is reported as soon as there is
 * less than the trigger level in it.
 *
 *   offset  read                        write                   with DLAB set
 *   0       RBR  received byte          THR  byte to send       DLL  divisor, low
 *   1       IER  interrupts wanted      IER                     DLM  divisor, high
 *   2       IIR  interrupt's cause      FCR  FIFO control       AFR  reads 0, writes dropped
 *   3       LCR  line control           LCR                     (bit 7 is DLAB)
 *   4       MCR  modem control          MCR  (bit 4: loopback)
 *   5       LSR  line status            -
 *   6       MSR  modem status           -
 *   7       SCR  scratch                SCR
 *
 * One register follows another chip than TI's: with DLAB set, offset 2 is the alternate function
 * register of Freescale's DUART (MPC8xxx), which reads 0. A Linux built to look for variants of the
 * 16550A (SERIAL_8250_16550A_VARIANTS; Debian's isn't) ends its search there. Else it would send
 * 256 bytes in loopback mode to measure the FIFO: 300 exits for each port in every boot.
 *
 * Source: TI PC16550D; Linux drivers/tty/serial/8250/8250_port.c, autoconfig().
 *
 * Called with the device lock held.
 */
#ifndef LODGE_DEV_SERIAL_H
#define LODGE_DEV_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/bus.h"

enum { SERIAL_PORTS = 8, SERIAL_FIFO = 16 };

/* What the guest can see or has set: to save the device is to write this. */
struct serial_state {
	uint8_t ier;
	uint8_t fcr; /* of the FIFO control register: enable and trigger level */
	uint8_t lcr;
	uint8_t mcr;
	uint8_t msr_delta; /* the low four bits of the modem status */
	uint8_t scr;
	uint8_t dll, dlm;
	bool overrun;	   /* LSR: overrun error */
	bool thr_pending;  /* the transmitter became empty and IIR hasn't told it yet */
	bool input_waits;  /* the host had more input than fitted */
	uint8_t fifo_head; /* index of the oldest byte */
	uint8_t fifo_len;
	uint8_t fifo[SERIAL_FIFO];
};

/* What the port is connected to. */
struct serial_host {
	/* The guest sent bytes. */
	void (*output)(void *opaque, const uint8_t *data, size_t len);
	/* An edge on the interrupt line. */
	void (*set_irq)(void *opaque);
	/* After serial_input() took less than was offered: there is room again. It may call
	 * serial_input(). NULL if nobody cares. */
	void (*input_ready)(void *opaque);
	void *opaque;
};

struct serial {
	struct serial_state state;
	struct serial_host host;
};

/* The port as after power-on. host is copied. */
void serial_init(struct serial *serial, const struct serial_host *host);

/* Bytes that come in on the line. Takes what fits into the FIFO and returns how many that were:
 * 0 also while the guest has the port in loopback mode. */
size_t serial_input(struct serial *serial, const uint8_t *data, size_t len);

/* The opaque pointer of the range is the struct serial, its length SERIAL_PORTS. An access of
 * several bytes is one access to each port in turn, as on an 8-bit bus. */
extern const struct bus_ops serial_bus_ops;

#endif
