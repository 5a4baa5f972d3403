/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's console as the host sees it: one stream of bytes each way.
 *
 * Whatever the guest writes, on the serial port or on virtio-console, goes to every client that is
 * connected to the console socket, and into a ring of CONSOLE_RING bytes from which a new client
 * first gets what no client has seen yet. A client that can't keep up loses the middle and is told
 * so: the guest never waits for a client, and the VM process never grows.
 *
 * What clients type goes to one input device: the serial port while the guest listens to it, else
 * virtio-console once its driver is ready. Until then it waits.
 */
#ifndef LODGE_DEV_CONSOLE_H
#define LODGE_DEV_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console;
struct err;
struct loop;

enum { CONSOLE_RING = 65536 };

/* Where typed bytes can go. */
struct console_input {
	/* Takes up to len bytes, returns how many it took. If fewer, it calls
	 * console_input_ready() when it can take more. */
	size_t (*input)(void *opaque, const uint8_t *data, size_t len);
	/* The size of the terminal changed; NULL if the device has no way to say so. */
	void (*resize)(void *opaque, uint16_t columns, uint16_t rows);
	void *opaque;
};

int console_new(struct loop *loop, struct console **ret_console, struct err **err);
void console_free(struct console *console);

/* From the guest to the clients. Never blocks, never fails. */
void console_write(struct console *console, const void *data, size_t len);

/* Gets the last output to the clients: returns when they have it, or when none of them took
 * anything for timeout_ms. The one call here that waits. */
void console_finish(struct console *console, int timeout_ms);

/* The input devices, by rank: the highest rank that is attached gets what is typed. virtio-console
 * attaches when its driver is ready, which says nothing of who uses it; the serial port when a
 * program in the guest has it open, and so comes first. */
enum console_rank { CONSOLE_VIRTIO, CONSOLE_SERIAL, CONSOLE_RANKS };
void console_attach(struct console *console, enum console_rank rank,
		    const struct console_input *input);
void console_detach(struct console *console, enum console_rank rank);
/* The attached input can take more. */
void console_input_ready(struct console *console);

/* Accepts clients on a listening socket, which stays the caller's and outlives the console. */
int console_listen(struct console *console, int listen_fd, struct err **err);

/* The terminal's size, in characters; 0 and 0 until a client told it. */
void console_set_size(struct console *console, uint16_t columns, uint16_t rows);
void console_get_size(const struct console *console, uint16_t *ret_columns, uint16_t *ret_rows);

#endif
