/* SPDX-License-Identifier: Apache-2.0 */
/* Output that may be slow: see output.h. */
#include "cmd/output.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fdio.h"

enum { CHUNK = 64 << 10, FIRST_ROOM = 128 << 10 };

struct output {
	int fd;
	int event_fd;
	pthread_t thread;

	pthread_mutex_t lock; /* for everything below */
	pthread_cond_t more;
	uint8_t *data; /* the queue is data[start .. start + len) of room bytes */
	size_t start;
	size_t len;
	size_t room;
	size_t wake_below; /* tell when len gets below this; 0: don't */
	bool writing;	   /* the thread is in a write, with bytes that aren't in the queue */
	bool closing;
	int errnum;
};

static bool condition_met(const struct output *o, size_t below)
{
	return o->errnum || (o->len < below && (below > 1 || !o->writing));
}

static void tell(struct output *o)
{
	uint64_t one = 1;

	if (!o->errnum && (!o->wake_below || !condition_met(o, o->wake_below)))
		return;
	o->wake_below = 0;
	/* An eventfd can't be full from ones. */
	ssize_t ignored __attribute__((unused)) = write(o->event_fd, &one, sizeof(one));
}

/* Called and returns with the lock held. */
static void write_chunk(struct output *o, uint8_t *chunk)
{
	size_t n = o->len < CHUNK ? o->len : CHUNK;
	struct err *err = NULL;

	memcpy(chunk, o->data + o->start, n);
	o->start += n;
	o->len -= n;
	o->writing = true;
	pthread_mutex_unlock(&o->lock);

	int r = fdio_write(o->fd, chunk, n, &err);

	pthread_mutex_lock(&o->lock);
	o->writing = false;
	if (r < 0) {
		o->errnum = err_errno(err) ? err_errno(err) : EIO;
		o->len = 0;
		err_free(err);
	}
	tell(o);
}

static void *output_thread(void *arg)
{
	struct output *o = arg;
	uint8_t chunk[CHUNK];

	pthread_mutex_lock(&o->lock);
	while (!o->closing) {
		if (o->len > 0)
			write_chunk(o, chunk);
		else
			pthread_cond_wait(&o->more, &o->lock);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

int output_new(int fd, struct output **ret_output, struct err **err)
{
	struct output *o = calloc(1, sizeof(*o));
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (!o || event_fd < 0) {
		free(o);
		if (event_fd >= 0)
			close(event_fd);
		return err_set(err, ERR_NO_SPACE, errno, "console output");
	}
	o->fd = fd;
	o->event_fd = event_fd;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->more, NULL);

	int errnum = pthread_create(&o->thread, NULL, output_thread, o);

	if (errnum) {
		close(event_fd);
		free(o);
		return err_set(err, ERR_NO_SPACE, errnum, "console output");
	}
	*ret_output = o;
	return 0;
}

void output_free(struct output *o)
{
	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	o->closing = true;
	o->len = 0;

	bool stuck = o->writing;

	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
	if (stuck) {
		pthread_detach(o->thread);
		return;
	}
	pthread_join(o->thread, NULL);
	close(o->event_fd);
	pthread_cond_destroy(&o->more);
	pthread_mutex_destroy(&o->lock);
	free(o->data);
	free(o);
}

size_t output_room(struct output *o)
{
	pthread_mutex_lock(&o->lock);

	size_t room = OUTPUT_MAX - o->len;

	pthread_mutex_unlock(&o->lock);
	return room;
}

/* Makes len bytes fit behind the queue. */
static int make_room(struct output *o, size_t len)
{
	if (o->start > 0 && o->start + o->len + len > o->room) {
		memmove(o->data, o->data + o->start, o->len);
		o->start = 0;
	}
	if (o->len + len <= o->room)
		return 0;

	size_t room = o->room ? o->room : FIRST_ROOM;

	while (room < o->len + len)
		room *= 2;

	uint8_t *data = realloc(o->data, room);

	if (!data)
		return -1;
	o->data = data;
	o->room = room;
	return 0;
}

int output_push(struct output *o, const void *data, size_t len)
{
	pthread_mutex_lock(&o->lock);

	int r = o->errnum ? 0 : make_room(o, len);

	if (r == 0 && !o->errnum) {
		memcpy(o->data + o->start + o->len, data, len);
		o->len += len;
		pthread_cond_signal(&o->more);
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}

int output_event_fd(const struct output *o)
{
	return o->event_fd;
}

bool output_ask(struct output *o, bool drained)
{
	size_t below = drained ? 1 : OUTPUT_MAX / 2;

	pthread_mutex_lock(&o->lock);

	bool met = condition_met(o, below);

	o->wake_below = met ? 0 : below;
	pthread_mutex_unlock(&o->lock);
	return met;
}

int output_errno(struct output *o)
{
	pthread_mutex_lock(&o->lock);

	int errnum = o->errnum;

	pthread_mutex_unlock(&o->lock);
	return errnum;
}
