/* SPDX-License-Identifier: Apache-2.0 */
/* A serial port: see serial.h. */
#include "dev/serial.h"

#include <linux/serial_reg.h>
#include <string.h>

/* What a terminal that is always there and always listening shows. */
enum { MSR_LINE = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS };

/* Bits that exist in a 16550A; the others read 0, which is how drivers tell it from newer chips. */
enum { IER_BITS = 0x0f, MCR_BITS = 0x1f };

/* Both bits: one alone is the 16550, whose FIFOs don't work. */
enum { IIR_FIFOS_ON = 0xc0 };

/* Interrupt causes as a set, with the bits of the IER that enable them. */
enum {
	CAUSE_RX = UART_IER_RDI,
	CAUSE_TX = UART_IER_THRI,
	CAUSE_LINE = UART_IER_RLSI,
	CAUSE_MODEM = UART_IER_MSI,
};

static bool fifos_on(const struct serial_state *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO;
}

static bool loopback(const struct serial_state *s)
{
	return s->mcr & UART_MCR_LOOP;
}

static bool dlab(const struct serial_state *s)
{
	return s->lcr & UART_LCR_DLAB;
}

static size_t fifo_capacity(const struct serial_state *s)
{
	return fifos_on(s) ? SERIAL_FIFO : 1;
}

static size_t fifo_trigger(const struct serial_state *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return fifos_on(s) ? levels[s->fcr >> 6] : 1;
}

static uint8_t causes(const struct serial_state *s)
{
	uint8_t set = 0;

	if (s->fifo_len)
		set |= CAUSE_RX;
	if (s->thr_pending)
		set |= CAUSE_TX;
	if (s->overrun)
		set |= CAUSE_LINE;
	if (s->msr_delta)
		set |= CAUSE_MODEM;
	return set & s->ier;
}

/* The line goes to an edge-triggered pin: every cause that is new gets an edge of its own, so that
 * none is lost behind another that the guest hasn't looked at yet. */
static void raise_new(struct serial *serial, uint8_t before)
{
	if (causes(&serial->state) & ~before)
		serial->host.set_irq(serial->host.opaque);
}

static void fifo_put(struct serial_state *s, uint8_t byte)
{
	if (s->fifo_len >= fifo_capacity(s)) {
		s->overrun = true;
		return;
	}
	s->fifo[(s->fifo_head + s->fifo_len++) % SERIAL_FIFO] = byte;
}

static uint8_t fifo_get(struct serial_state *s)
{
	if (s->fifo_len == 0)
		return 0;

	uint8_t byte = s->fifo[s->fifo_head];

	s->fifo_head = (s->fifo_head + 1) % SERIAL_FIFO;
	s->fifo_len--;
	return byte;
}

static void fifo_clear(struct serial_state *s)
{
	s->fifo_head = 0;
	s->fifo_len = 0;
}

/* Last in every register access that may have made room: the host answers by calling back. */
static void offer_room(struct serial *serial)
{
	struct serial_state *s = &serial->state;

	if (!s->input_waits || s->fifo_len || loopback(s))
		return;
	s->input_waits = false;
	if (serial->host.input_ready)
		serial->host.input_ready(serial->host.opaque);
}

static uint8_t msr_levels(const struct serial_state *s)
{
	uint8_t levels = 0;

	if (!loopback(s))
		return MSR_LINE;
	if (s->mcr & UART_MCR_RTS)
		levels |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		levels |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		levels |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		levels |= UART_MSR_DCD;
	return levels;
}

static void write_thr(struct serial *serial, uint8_t value)
{
	struct serial_state *s = &serial->state;

	if (loopback(s))
		fifo_put(s, value);
	else
		serial->host.output(serial->host.opaque, &value, 1);
	s->thr_pending = true;
}

static void write_ier(struct serial_state *s, uint8_t value)
{
	/* Asking for it while the transmitter is empty is a cause: drivers start sending so. */
	if (value & ~s->ier & UART_IER_THRI)
		s->thr_pending = true;
	s->ier = value & IER_BITS;
}

static void write_fcr(struct serial_state *s, uint8_t value)
{
	/* Turning the FIFOs on or off empties them. */
	if ((value ^ s->fcr) & UART_FCR_ENABLE_FIFO)
		fifo_clear(s);
	if (!(value & UART_FCR_ENABLE_FIFO)) {
		s->fcr = 0;
		return;
	}
	if (value & UART_FCR_CLEAR_RCVR)
		fifo_clear(s);
	s->fcr = value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
}

static void write_mcr(struct serial_state *s, uint8_t value)
{
	uint8_t before = msr_levels(s);

	s->mcr = value & MCR_BITS;

	uint8_t after = msr_levels(s);

	s->msr_delta |= ((before ^ after) >> 4) & (UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	/* Ring is reported when it ends. */
	if (before & ~after & UART_MSR_RI)
		s->msr_delta |= UART_MSR_TERI;
}

/* The cause of the highest priority; reading that the transmitter is empty ends that cause. */
static uint8_t read_iir(struct serial_state *s)
{
	uint8_t set = causes(s);
	uint8_t id = UART_IIR_NO_INT;

	if (set & CAUSE_LINE) {
		id = UART_IIR_RLSI;
	} else if (set & CAUSE_RX) {
		id = s->fifo_len < fifo_trigger(s) ? UART_IIR_RX_TIMEOUT : UART_IIR_RDI;
	} else if (set & CAUSE_TX) {
		id = UART_IIR_THRI;
		s->thr_pending = false;
	} else if (set & CAUSE_MODEM) {
		id = UART_IIR_MSI;
	}
	return id | (fifos_on(s) ? IIR_FIFOS_ON : 0);
}

static uint8_t read_lsr(struct serial_state *s)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT;

	if (s->fifo_len)
		lsr |= UART_LSR_DR;
	if (s->overrun)
		lsr |= UART_LSR_OE;
	s->overrun = false;
	return lsr;
}

static uint8_t read_msr(struct serial_state *s)
{
	uint8_t msr = msr_levels(s) | s->msr_delta;

	s->msr_delta = 0;
	return msr;
}

static uint8_t read_port(struct serial *serial, uint64_t offset)
{
	struct serial_state *s = &serial->state;
	uint8_t value;

	switch (offset) {
	case UART_RX:
		if (dlab(s))
			return s->dll;
		value = fifo_get(s);
		offer_room(serial);
		return value;
	case UART_IER:
		return dlab(s) ? s->dlm : s->ier;
	case UART_IIR:
		return dlab(s) ? 0 : read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_port(struct serial *serial, uint64_t offset, uint8_t value)
{
	struct serial_state *s = &serial->state;
	uint8_t before = causes(s);

	switch (offset) {
	case UART_TX:
		if (dlab(s))
			s->dll = value;
		else
			write_thr(serial, value);
		break;
	case UART_IER:
		if (dlab(s))
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		if (!dlab(s))
			write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		write_mcr(s, value);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	default: /* the status registers can't be written */
		break;
	}
	raise_new(serial, before);
	offer_room(serial);
}

static void serial_read(void *opaque, uint64_t offset, uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		data[i] = read_port(opaque, offset + i);
}

static void serial_write(void *opaque, uint64_t offset, const uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		write_port(opaque, offset + i, data[i]);
}

const struct bus_ops serial_bus_ops = {
	.read = serial_read,
	.write = serial_write,
};

void serial_init(struct serial *serial, const struct serial_host *host)
{
	*serial = (struct serial){ .host = *host };
	serial->state.dll = 12; /* 9600 baud */
}

size_t serial_input(struct serial *serial, const uint8_t *data, size_t len)
{
	struct serial_state *s = &serial->state;
	size_t taken = 0;

	if (!loopback(s)) {
		while (taken < len && s->fifo_len < fifo_capacity(s))
			fifo_put(s, data[taken++]);
	}
	if (taken < len)
		s->input_waits = true;
	/* More data is news even if some was waiting already. */
	if (taken && s->ier & UART_IER_RDI)
		serial->host.set_irq(serial->host.opaque);
	return taken;
}
