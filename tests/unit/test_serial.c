/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port, driven as Linux's 8250 driver drives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/serial_reg.h>

#include "dev/serial.h"

enum { COM1 = 0x3f8 };

static struct serial serial;
static struct bus bus;
static char sent[1024];
static size_t n_sent;
static unsigned irqs;
static unsigned ready;

static void record_output(void *opaque, const uint8_t *data, size_t len)
{
	assert_ptr_equal(opaque, &serial);
	assert_true(n_sent + len <= sizeof(sent));
	memcpy(sent + n_sent, data, len);
	n_sent += len;
}

static void record_irq(void *opaque)
{
	assert_ptr_equal(opaque, &serial);
	irqs++;
}

static void record_ready(void *opaque)
{
	assert_ptr_equal(opaque, &serial);
	ready++;
}

static int setup(void **state)
{
	const struct serial_host host = {
		.output = record_output,
		.set_irq = record_irq,
		.input_ready = record_ready,
		.opaque = &serial,
	};

	(void)state;
	serial_init(&serial, &host);
	bus = (struct bus){ 0 };
	n_sent = 0;
	irqs = 0;
	ready = 0;
	return bus_add(&bus, COM1, SERIAL_PORTS, &serial_bus_ops, &serial, NULL);
}

static uint8_t in(unsigned reg)
{
	uint8_t value;

	bus_read(&bus, COM1 + reg, &value, 1);
	return value;
}

static void out(unsigned reg, uint8_t value)
{
	bus_write(&bus, COM1 + reg, &value, 1);
}

static void send(const char *text)
{
	bus_write(&bus, COM1 + UART_TX, (const uint8_t *)text, 1);
}

static size_t type(const char *text)
{
	return serial_input(&serial, (const uint8_t *)text, strlen(text));
}

static void linux_finds_a_16550a_and_looks_no_further(void **state)
{
	(void)state;
	/* autoconfig(): the interrupt enable register holds four bits. */
	out(UART_IER, 0);
	assert_int_equal(in(UART_IER), 0);
	out(UART_IER, 0x0f);
	assert_int_equal(in(UART_IER)&0x0f, 0x0f);
	out(UART_IER, 0xff);
	assert_int_equal(in(UART_IER), 0x0f);
	out(UART_IER, 0);

	/* The loopback test: OUT2 and RTS come back as DCD and CTS. */
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, 0);

	/* Both FIFO bits in the IIR: a 16550A. */
	out(UART_LCR, UART_LCR_CONF_MODE_B);
	assert_int_equal(in(UART_EFR), 0);
	out(UART_LCR, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_IIR) >> 6, 3);

	/* autoconfig_16550a(): the alternate function register of Freescale's DUART reads 0 and
	 * stays so, and there's no 64-byte FIFO: the search ends. */
	out(UART_LCR, UART_LCR_CONF_MODE_A);
	assert_int_equal(in(UART_EFR), 0);
	out(UART_EFR, 0xa8);
	assert_int_equal(in(UART_EFR), 0);
	out(UART_LCR, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	assert_int_equal(in(UART_IIR)&0xe0, 0xc0);
	out(UART_FCR, 0);
	assert_int_equal(in(UART_IIR)&0xc0, 0);
	assert_int_equal(n_sent, 0);
}

static void the_scratch_register_tells_it_from_an_8250(void **state)
{
	(void)state;
	out(UART_SCR, 0xa5);
	assert_int_equal(in(UART_SCR), 0xa5);
	out(UART_SCR, 0x5a);
	assert_int_equal(in(UART_SCR), 0x5a);
}

static void the_divisor_is_kept_apart_from_data_and_interrupts(void **state)
{
	(void)state;
	out(UART_IER, UART_IER_RDI);
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 0x01);
	out(UART_DLM, 0xc2);
	assert_int_equal(in(UART_DLL), 0x01);
	assert_int_equal(in(UART_DLM), 0xc2);
	out(UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(UART_IER), UART_IER_RDI);
	assert_int_equal(n_sent, 0);
}

static void what_is_sent_is_gone_at_once(void **state)
{
	(void)state;
	for (const char *p = "lodge"; *p; p++) {
		assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
		send(p);
	}
	assert_int_equal(n_sent, 5);
	assert_memory_equal(sent, "lodge", 5);
	assert_int_equal(irqs, 0);
}

static void asking_for_an_empty_transmitter_interrupts_each_time(void **state)
{
	(void)state;
	/* The THRE test of serial8250_do_startup(): a port that doesn't do this gets a timer. */
	out(UART_IER, UART_IER_THRI);
	assert_int_equal(irqs, 1);
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	assert_int_equal(irqs, 2);
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);

	send("x");
	assert_int_equal(irqs, 3);
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	out(UART_IER, UART_IER_THRI);
	assert_int_equal(irqs, 3);
}

static void typed_bytes_arrive_in_order_with_an_interrupt(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(UART_IER, UART_IER_RDI);
	assert_int_equal(type("abc"), 3);
	assert_int_equal(irqs, 1);
	assert_int_equal(in(UART_IIR)&UART_IIR_RX_TIMEOUT, UART_IIR_RX_TIMEOUT);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'a');
	assert_int_equal(type("defghijk"), 8);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RDI);
	for (const char *p = "bcdefghijk"; *p; p++)
		assert_int_equal(in(UART_RX), *p);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	assert_int_equal(in(UART_IIR)&UART_IIR_NO_INT, UART_IIR_NO_INT);
	assert_int_equal(in(UART_RX), 0);
}

static void input_waits_outside_until_there_is_room(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(type("0123456789abcdefXY"), SERIAL_FIFO);
	assert_int_equal(type("XY"), 0);
	for (int i = 0; i < SERIAL_FIFO - 1; i++)
		in(UART_RX);
	assert_int_equal(ready, 0);
	assert_int_equal(in(UART_RX), 'f');
	assert_int_equal(ready, 1);
	assert_int_equal(in(UART_LSR)&UART_LSR_OE, 0);
	assert_int_equal(type("XY"), 2);
	assert_int_equal(in(UART_RX), 'X');
	assert_int_equal(in(UART_RX), 'Y');
	assert_int_equal(ready, 1);
}

static void without_fifos_it_takes_one_byte(void **state)
{
	(void)state;
	assert_int_equal(type("ab"), 1);
	assert_int_equal(in(UART_RX), 'a');
	assert_int_equal(ready, 1);
}

static void clearing_the_fifo_makes_room(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(type("0123456789abcdefXY"), SERIAL_FIFO);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(ready, 1);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
}

static void loopback_sends_to_itself_and_reports_overruns(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_IER, UART_IER_RLSI);
	assert_int_equal(type("x"), 0);
	for (int i = 0; i < SERIAL_FIFO + 4; i++)
		out(UART_TX, (uint8_t)i);
	assert_int_equal(n_sent, 0);
	assert_int_equal(irqs, 1);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RLSI);
	assert_int_equal(in(UART_LSR)&UART_LSR_OE, UART_LSR_OE);
	assert_int_equal(in(UART_LSR)&UART_LSR_OE, 0);
	for (int i = 0; i < SERIAL_FIFO; i++)
		assert_int_equal(in(UART_RX), i);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	/* Out of loopback, the host may send what it kept. */
	assert_int_equal(ready, 0);
	out(UART_MCR, 0);
	assert_int_equal(ready, 1);
}

static void a_changed_modem_line_interrupts_once(void **state)
{
	(void)state;
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	in(UART_MSR);
	out(UART_IER, UART_IER_MSI);
	assert_int_equal(irqs, 0);
	out(UART_MCR, UART_MCR_LOOP);
	assert_int_equal(irqs, 1);
	assert_int_equal(in(UART_IIR), UART_IIR_MSI);
	assert_int_equal(in(UART_MSR), UART_MSR_DCTS);
	assert_int_equal(in(UART_MSR), 0);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
}

static void each_modem_output_comes_back_as_an_input(void **state)
{
	static const struct {
		uint8_t output, input;
	} rows[] = {
		{ UART_MCR_RTS, UART_MSR_CTS },
		{ UART_MCR_DTR, UART_MSR_DSR },
		{ UART_MCR_OUT1, UART_MSR_RI },
		{ UART_MCR_OUT2, UART_MSR_DCD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		out(UART_MCR, UART_MCR_LOOP | rows[i].output);
		assert_int_equal(in(UART_MSR)&0xf0, rows[i].input);
	}
	/* Ringing is reported when it ends, not when it begins. */
	out(UART_MCR, UART_MCR_LOOP);
	in(UART_MSR);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	assert_int_equal(in(UART_MSR), UART_MSR_RI);
	out(UART_MCR, UART_MCR_LOOP);
	assert_int_equal(in(UART_MSR), UART_MSR_TERI);
	/* Bits that a 16550A doesn't have, as a 16750's flow control, stay 0. */
	out(UART_MCR, 0xff);
	assert_int_equal(in(UART_MCR), 0x1f);
}

static void turning_the_fifos_off_empties_them(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(type("abc"), 3);
	out(UART_FCR, 0);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	assert_int_equal(type("d"), 1);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
}

static void a_second_cause_interrupts_while_the_first_waits(void **state)
{
	(void)state;
	out(UART_IER, UART_IER_RDI | UART_IER_THRI);
	assert_int_equal(irqs, 1);
	type("x");
	assert_int_equal(irqs, 2);
	assert_int_equal(in(UART_IIR), UART_IIR_RDI);
	in(UART_RX);
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
}

static void wide_accesses_go_port_by_port(void **state)
{
	const uint8_t divisor[2] = { 0x34, 0x12 };
	uint8_t all[8];
	uint8_t beyond[2] = { 0, 0 };

	(void)state;
	out(UART_LCR, UART_LCR_DLAB);
	bus_write(&bus, COM1 + UART_DLL, divisor, 2);
	assert_int_equal(in(UART_DLL), 0x34);
	assert_int_equal(in(UART_DLM), 0x12);
	bus_read(&bus, COM1, all, 8);
	assert_int_equal(all[UART_LCR], UART_LCR_DLAB);
	assert_int_equal(all[UART_LSR], UART_LSR_THRE | UART_LSR_TEMT);
	bus_read(&bus, COM1 + UART_SCR, beyond, 2);
	assert_int_equal(beyond[0], 0xff);
	assert_int_equal(beyond[1], 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(linux_finds_a_16550a_and_looks_no_further, setup),
		cmocka_unit_test_setup(the_scratch_register_tells_it_from_an_8250, setup),
		cmocka_unit_test_setup(the_divisor_is_kept_apart_from_data_and_interrupts, setup),
		cmocka_unit_test_setup(what_is_sent_is_gone_at_once, setup),
		cmocka_unit_test_setup(asking_for_an_empty_transmitter_interrupts_each_time, setup),
		cmocka_unit_test_setup(typed_bytes_arrive_in_order_with_an_interrupt, setup),
		cmocka_unit_test_setup(input_waits_outside_until_there_is_room, setup),
		cmocka_unit_test_setup(without_fifos_it_takes_one_byte, setup),
		cmocka_unit_test_setup(clearing_the_fifo_makes_room, setup),
		cmocka_unit_test_setup(loopback_sends_to_itself_and_reports_overruns, setup),
		cmocka_unit_test_setup(a_changed_modem_line_interrupts_once, setup),
		cmocka_unit_test_setup(each_modem_output_comes_back_as_an_input, setup),
		cmocka_unit_test_setup(turning_the_fifos_off_empties_them, setup),
		cmocka_unit_test_setup(a_second_cause_interrupts_while_the_first_waits, setup),
		cmocka_unit_test_setup(wide_accesses_go_port_by_port, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
