/* SPDX-License-Identifier: Apache-2.0 */
/* base/loop.h by hand, a turn at a time: see fakes.h. */
#include "base/loop.h"

#include <poll.h>
#include <stdlib.h>

#include "base/err.h"
#include "tests/fakes/fakes.h"

enum { SOURCES_MAX = 16 };

struct loop_source {
	int fd; /* -1: none */
	loop_fn fn;
	void *arg;
};

struct loop {
	struct loop_source sources[SOURCES_MAX];
};

int loop_new(struct loop **ret_loop, struct err **err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return err_set(err, ERR_NO_SPACE, 0, "event loop");
	for (unsigned i = 0; i < SOURCES_MAX; i++)
		loop->sources[i].fd = -1;
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	free(loop);
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_fn fn, void *arg,
	     struct loop_source **ret_source, struct err **err)
{
	(void)events;
	for (unsigned i = 0; i < SOURCES_MAX; i++) {
		if (loop->sources[i].fd >= 0)
			continue;
		loop->sources[i] = (struct loop_source){ .fd = fd, .fn = fn, .arg = arg };
		*ret_source = &loop->sources[i];
		return 0;
	}
	return err_set(err, ERR_FAILED, 0, "event loop: full");
}

void loop_remove(struct loop_source *source)
{
	if (source)
		source->fd = -1;
}

unsigned fake_loop_turn(struct loop *loop)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SOURCES_MAX; i++) {
		struct loop_source *source = &loop->sources[i];
		struct pollfd fd = { .fd = source->fd, .events = POLLIN };

		if (source->fd < 0 || poll(&fd, 1, 0) != 1)
			continue;
		source->fn(source->arg, POLLIN);
		n++;
	}
	return n;
}
