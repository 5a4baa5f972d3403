/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Working sets: see damon.h.
 *
 * To have counts brought up to date is to wait for kdamond's next look, which can be a whole period
 * away. So a thread waits for it (collect()), and who reads takes what is there and wakes the
 * thread.
 */
#include "host/damon.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/damon_tree.h"
#include "host/fields.h"
#include "host/file.h"

#define ADMIN "sys/kernel/mm/damon/admin"

struct watched {
	uint64_t bytes;	  /* of its memory */
	uint64_t sampled; /* bytes of its stretches */
	uint64_t touched; /* bytes that were, in all periods so far */
	uint64_t active;  /* the estimate */
};

struct host_damon {
	int root_fd;
	size_t n;
	size_t stretches;  /* of all guests: looks in a period */
	uint64_t periods;  /* so far */
	uint64_t *touched; /* room for what the thread counts */
	pthread_t thread;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool wanted;
	bool stopping;
	struct err *failure; /* of the thread, which has ended then */
	struct watched guests[];
};

int host_damon_check(int root_fd, struct err **err)
{
	if (!host_exists(root_fd, ADMIN "/kdamonds/nr_kdamonds"))
		return err_set(err, ERR_FAILED, 0,
			       "this kernel has no DAMON: it takes CONFIG_DAMON_VADDR and "
			       "CONFIG_DAMON_SYSFS");
	if (!host_writable(root_fd, ADMIN "/kdamonds/nr_kdamonds"))
		return err_set(err, ERR_DENIED, 0, "DAMON is root's");
	return 0;
}

uint64_t host_damon_follow(uint64_t before, uint64_t touched, uint64_t periods)
{
	if (before == HOST_UNKNOWN || touched >= before)
		return touched;
	if (periods >= HOST_DAMON_FALL)
		return touched;
	return before - (before - touched) / HOST_DAMON_FALL * periods;
}

/* Takes counts that are newer by at least a period. */
static void take(struct host_damon *damon, uint64_t looks)
{
	uint64_t periods = looks / damon->stretches;

	if (periods <= damon->periods)
		return;
	for (size_t i = 0; i < damon->n; i++) {
		struct watched *guest = &damon->guests[i];
		uint64_t passed = periods - damon->periods;
		double part = (double)(damon->touched[i] - guest->touched) /
			      ((double)guest->sampled * (double)passed);

		part = part < 1.0 ? part : 1.0;
		guest->touched = damon->touched[i];
		guest->active = host_damon_follow(guest->active,
						  (uint64_t)(part * (double)guest->bytes), passed);
	}
	damon->periods = periods;
}

/* Waits until somebody wants to know; whether to go on. */
static bool await_order(struct host_damon *damon)
{
	pthread_mutex_lock(&damon->lock);
	while (!damon->wanted && !damon->stopping)
		pthread_cond_wait(&damon->wake, &damon->lock);

	bool go_on = !damon->stopping;

	damon->wanted = false;
	pthread_mutex_unlock(&damon->lock);
	return go_on;
}

/* The thread. */
static void *collect(void *arg)
{
	struct host_damon *damon = arg;
	struct err *err = NULL;

	while (!err && await_order(damon)) {
		uint64_t looks = 0;
		int rc = damon_tree_count(damon->root_fd, damon->n, &looks, damon->touched, &err);

		pthread_mutex_lock(&damon->lock);
		if (rc == 0)
			take(damon, looks);
		damon->failure = err;
		pthread_mutex_unlock(&damon->lock);
	}
	return NULL;
}

/* Signals are for the thread that has always had them. */
static int start_thread(struct host_damon *damon, struct err **err)
{
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);

	int rc = pthread_create(&damon->thread, NULL, collect, damon);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return err_set(err, ERR_FAILED, rc, "a thread for DAMON");
	return 0;
}

static struct host_damon *new_damon(int root_fd, size_t n)
{
	struct host_damon *damon = calloc(1, sizeof(*damon) + n * sizeof(damon->guests[0]));

	if (!damon)
		return NULL;
	damon->touched = calloc(n, sizeof(*damon->touched));
	if (!damon->touched) {
		free(damon);
		return NULL;
	}
	damon->root_fd = root_fd;
	damon->n = n;
	damon->wanted = true; /* so that the first who reads after a period has an answer */
	pthread_mutex_init(&damon->lock, NULL);
	pthread_cond_init(&damon->wake, NULL);
	return damon;
}

static void free_damon(struct host_damon *damon)
{
	pthread_cond_destroy(&damon->wake);
	pthread_mutex_destroy(&damon->lock);
	err_free(damon->failure);
	free(damon->touched);
	free(damon);
}

static unsigned samples_of(const struct host_damon_sampling *sampling, size_t n)
{
	size_t most = HOST_DAMON_LOOKS_MAX / n;

	if (most < HOST_DAMON_SAMPLES_LEAST)
		most = HOST_DAMON_SAMPLES_LEAST;
	return sampling->samples < most ? sampling->samples : (unsigned)most;
}

/* Every guest's memory in stretches; on failure too, what is in strata is to be freed. */
static int divide_all(struct host_damon *damon, const struct host_damon_target *targets,
		      unsigned samples, struct damon_strata *strata, struct err **err)
{
	for (size_t i = 0; i < damon->n; i++) {
		const struct host_damon_target *target = &targets[i];

		if (damon_divide(target->ram, target->n_ram, samples, &strata[i], err) < 0)
			return -1;
		for (size_t k = 0; k < target->n_ram; k++)
			damon->guests[i].bytes += target->ram[k].len;
		damon->guests[i].sampled = strata[i].bytes;
		damon->guests[i].active = HOST_UNKNOWN;
		damon->stretches += strata[i].n;
	}
	return 0;
}

/* DAMON as ours to describe, or who else's it is. */
static int make_room(int root_fd, struct err **err)
{
	enum damon_owner owner;

	if (damon_tree_owner(root_fd, &owner, err) < 0)
		return -1;
	if (owner == DAMON_OTHERS)
		return err_set(err, ERR_EXISTS, 0,
			       "somebody else uses DAMON (/" ADMIN
			       "/kdamonds/nr_kdamonds isn't 0)");
	return owner == DAMON_OURS ? damon_tree_remove_left(root_fd, err) : 0;
}

static int switch_on(struct host_damon *damon, const struct host_damon_target *targets,
		     const struct damon_strata *strata, unsigned period_ms, struct err **err)
{
	if (make_room(damon->root_fd, err) < 0)
		return -1;
	if (damon_tree_build(damon->root_fd, targets, strata, damon->n, period_ms, err) < 0 ||
	    start_thread(damon, err) < 0) {
		damon_tree_off(damon->root_fd);
		damon_tree_remove(damon->root_fd, NULL);
		return -1;
	}
	return 0;
}

int host_damon_start(int root_fd, const struct host_damon_target *targets, size_t n,
		     const struct host_damon_sampling *sampling, struct host_damon **ret_damon,
		     struct err **err)
{
	_cleanup_free_ struct damon_strata *strata = calloc(n, sizeof(*strata));
	struct host_damon *damon = new_damon(root_fd, n);
	int rc = -1;

	if (!strata || !damon)
		err_set(err, ERR_NO_SPACE, 0, "working sets of %zu guests", n);
	else if (divide_all(damon, targets, samples_of(sampling, n), strata, err) == 0)
		rc = switch_on(damon, targets, strata, sampling->period_ms, err);
	for (size_t i = 0; strata && i < n; i++)
		free(strata[i].stretches);
	if (rc == 0)
		*ret_damon = damon;
	else if (damon)
		free_damon(damon);
	return rc;
}

int host_damon_read(struct host_damon *damon, uint64_t *active, struct err **err)
{
	int rc = 0;

	pthread_mutex_lock(&damon->lock);
	if (damon->failure)
		rc = err_set(err, err_code(damon->failure), 0, "%s", err_message(damon->failure));
	for (size_t i = 0; rc == 0 && i < damon->n; i++)
		active[i] = damon->guests[i].active;
	damon->wanted = true;
	pthread_cond_signal(&damon->wake);
	pthread_mutex_unlock(&damon->lock);
	return rc;
}

void host_damon_stop(struct host_damon *damon)
{
	if (!damon)
		return;
	pthread_mutex_lock(&damon->lock);
	damon->stopping = true;
	pthread_cond_signal(&damon->wake);
	pthread_mutex_unlock(&damon->lock);
	damon_tree_off(damon->root_fd);
	pthread_join(damon->thread, NULL);
	damon_tree_remove(damon->root_fd, NULL);
	free_damon(damon);
}

int host_damon_clean_up(int root_fd, struct err **err)
{
	enum damon_owner owner;

	if (!host_exists(root_fd, ADMIN "/kdamonds/nr_kdamonds"))
		return 0;
	if (damon_tree_owner(root_fd, &owner, err) < 0)
		return -1;
	return owner == DAMON_OURS ? damon_tree_remove_left(root_fd, err) : 0;
}
