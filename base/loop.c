/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: see loop.h. */
#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { EVENTS_A_TURN = 16 };

struct loop_source {
	struct loop *loop;
	int fd; /* -1: removed, freed at the end of the turn */
	loop_fn fn;
	void *arg;
	struct loop_source *next_removed;
};

struct loop {
	int epoll_fd;
	int quit_fd;
	pthread_mutex_t *lock;
	bool quit;
	/* A source that is removed in the middle of a turn may still have an event in this turn's
	 * batch, so it lives until the turn is over. */
	struct loop_source *removed;
	struct loop_source quit_source;
};

static void loop_on_quit(void *arg, uint32_t events)
{
	(void)events;
	((struct loop *)arg)->quit = true;
}

int loop_new(struct loop **ret_loop, struct err **err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return err_set(err, ERR_NO_SPACE, errno, "event loop");
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->quit_source = (struct loop_source){
		.loop = loop, .fd = loop->quit_fd, .fn = loop_on_quit, .arg = loop
	};

	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &loop->quit_source };

	if (loop->epoll_fd < 0 || loop->quit_fd < 0 ||
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->quit_fd, &event) < 0) {
		err_set(err, ERR_FAILED, errno, "event loop");
		loop_free(loop);
		return -1;
	}
	*ret_loop = loop;
	return 0;
}

static void loop_free_removed(struct loop *loop)
{
	while (loop->removed) {
		struct loop_source *source = loop->removed;

		loop->removed = source->next_removed;
		free(source);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop_free_removed(loop);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->quit_fd >= 0)
		close(loop->quit_fd);
	free(loop);
}

void loop_set_lock(struct loop *loop, pthread_mutex_t *lock)
{
	loop->lock = lock;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_fn fn, void *arg,
	     struct loop_source **ret_source, struct err **err)
{
	struct loop_source *source = calloc(1, sizeof(*source));

	if (!source)
		return err_set(err, ERR_NO_SPACE, errno, "event loop");
	*source = (struct loop_source){ .loop = loop, .fd = fd, .fn = fn, .arg = arg };

	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(source);
		return err_set(err, ERR_FAILED, errno, "event loop: add descriptor %d", fd);
	}
	*ret_source = source;
	return 0;
}

void loop_modify(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_remove(struct loop_source *source)
{
	if (!source)
		return;
	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
	source->next_removed = source->loop->removed;
	source->loop->removed = source;
}

int loop_run(struct loop *loop, struct err **err)
{
	while (!loop->quit) {
		struct epoll_event events[EVENTS_A_TURN];
		int n = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, -1);

		if (n < 0 && errno != EINTR)
			return err_set(err, ERR_FAILED, errno, "event loop: wait");
		if (loop->lock)
			pthread_mutex_lock(loop->lock);
		for (int i = 0; i < n; i++) {
			struct loop_source *source = events[i].data.ptr;

			if (source->fd >= 0)
				source->fn(source->arg, events[i].events);
		}
		loop_free_removed(loop);
		if (loop->lock)
			pthread_mutex_unlock(loop->lock);
	}
	return 0;
}

void loop_quit(struct loop *loop)
{
	uint64_t one = 1;
	/* Can't fail: the counter is far from full. */
	ssize_t ignored __attribute__((unused)) = write(loop->quit_fd, &one, sizeof(one));
}
