/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: one epoll instance, one thread.
 *
 * Callbacks run in the thread that called loop_run(), with the loop's lock held if it has one:
 * that lock is the device lock of a VM process (docs/architecture.md), so a callback and a vCPU's
 * exit handler never touch a device at the same time. The loop has no timers of its own and never
 * wakes without an event.
 */
#ifndef LODGE_BASE_LOOP_H
#define LODGE_BASE_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct loop;
struct loop_source;

/* events: EPOLLIN and so on, as epoll_wait(2) gave them. */
typedef void (*loop_fn)(void *arg, uint32_t events);

int loop_new(struct loop **ret_loop, struct err **err);
void loop_free(struct loop *loop);

/* Lock to hold while callbacks run; NULL for none. Must outlive the loop. */
void loop_set_lock(struct loop *loop, pthread_mutex_t *lock);

/* Calls fn(arg, events) whenever fd has one of the events. The descriptor stays the caller's and
 * must be removed before it is closed. */
int loop_add(struct loop *loop, int fd, uint32_t events, loop_fn fn, void *arg,
	     struct loop_source **ret_source, struct err **err);
/* Waits for other events from now on; 0 waits for none (but EPOLLHUP and EPOLLERR always come). */
void loop_modify(struct loop_source *source, uint32_t events);
/* Safe from any callback, also for the source whose callback is running. NULL is fine. */
void loop_remove(struct loop_source *source);

/* Runs until loop_quit(), which any thread may call. Returns -1 only if epoll itself failed. */
int loop_run(struct loop *loop, struct err **err);
void loop_quit(struct loop *loop);

#endif
