/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output that may be slow: a queue in memory and a thread that writes it.
 *
 * A terminal can stand still for as long as its user likes. Making it non-blocking would do the
 * same to every program that shares it, so a thread waits for it instead, and the console goes on
 * reading what the guest writes, until OUTPUT_MAX bytes are queued.
 */
#ifndef LODGE_CMD_OUTPUT_H
#define LODGE_CMD_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct output;

enum { OUTPUT_MAX = 64 << 20 }; /* bytes */

/* fd stays the caller's. Signals that the thread isn't to take are blocked by the caller. */
int output_new(int fd, struct output **ret_output, struct err **err);
/* What is still queued is lost. If the thread is stuck in a write, it and the queue are left to the
 * end of the process. NULL is fine. */
void output_free(struct output *output);

/* How many bytes output_push() takes now. */
size_t output_room(struct output *output);
/* Queues len bytes, at most output_room(). -1 if there's no memory. After a failed write, bytes are
 * thrown away. */
int output_push(struct output *output, const void *data, size_t len);

/* An eventfd that becomes readable when what output_ask() asked for has happened, or when writing
 * has failed. */
int output_event_fd(const struct output *output);
/* Asks to be told when less than half of the queue is full (or, with drained, when all of it is
 * written). Returns true if that's so already, or writing has failed. */
bool output_ask(struct output *output, bool drained);

/* The errno of a failed write, or 0. */
int output_errno(struct output *output);

#endif
