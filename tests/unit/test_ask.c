/* SPDX-License-Identifier: Apache-2.0 */
/* Asking guests what their kernels can spare: what their answers come to, and those that don't. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/rundir.h"
#include "base/clock.h"
#include "files.h"
#include "govern/ask.h"

#define MIB (UINT64_C(1) << 20)

/* A guest that gives one answer to whatever it's asked. */
struct fake {
	struct rundir *rundir;
	int listen_fd;
	const char *answer; /* NULL: none */
	pthread_t thread;
};

enum { GUESTS_MAX = 3 };

static struct fake fakes[GUESTS_MAX];
static size_t n_fakes;
static struct sensor sensor;
static char root[128];

static void *serve(void *arg)
{
	const struct fake *fake = arg;
	int fd = accept(fake->listen_fd, NULL, NULL);
	char request[256];

	if (fd < 0)
		return NULL;
	if (recv(fd, request, sizeof(request), 0) > 0)
		(void)!send(fd, fake->answer, strlen(fake->answer), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static int make_host(void **state)
{
	(void)state;
	if (files_make() < 0)
		return -1;
	files_dir("run");
	snprintf(root, sizeof(root), "%s/run", files_base);
	setenv("LODGE_RUNTIME_DIR", root, 1);
	n_fakes = 0;
	sensor = (struct sensor){
		.about = calloc(GUESTS_MAX, sizeof(*sensor.about)),
		.guests = calloc(GUESTS_MAX, sizeof(*sensor.guests)),
		.memories = calloc(GUESTS_MAX, sizeof(*sensor.memories)),
	};
	return 0;
}

static int remove_host(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_fakes; i++) {
		shutdown(fakes[i].listen_fd, SHUT_RDWR);
		if (fakes[i].answer)
			pthread_join(fakes[i].thread, NULL);
		close(fakes[i].listen_fd);
		rundir_remove(fakes[i].rundir);
		rundir_free(fakes[i].rundir);
	}
	sensor_clear(&sensor);
	return files_remove();
}

/* It has 300 MiB in RAM and 100 MiB in swap. */
static void add(const char *name, const char *answer)
{
	struct fake *fake = &fakes[n_fakes++];
	int flags;

	*fake = (struct fake){ .answer = answer };
	assert_int_equal(rundir_create(name, &fake->rundir, NULL), 0);
	assert_int_equal(
	    rundir_listen(fake->rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &fake->listen_fd, NULL), 0);
	/* The thread waits. */
	flags = fcntl(fake->listen_fd, F_GETFL);
	fcntl(fake->listen_fd, F_SETFL, flags & ~O_NONBLOCK);
	if (answer)
		assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
	snprintf(sensor.about[sensor.n].name, sizeof(sensor.about[0].name), "%s", name);
	sensor.guests[sensor.n++] = (struct policy_guest){
		.resident = 300 * MIB,
		.swapped = 100 * MIB,
		.active = POLICY_UNKNOWN,
		.spare = POLICY_UNKNOWN,
	};
}

/* total 400 MiB, available 80 MiB */
#define STATS "\"stats\": {\"total\": 419430400, \"available\": 83886080, \"free\": 1048576}"
#define USUAL "\"negotiated\": [\"stats\", \"deflate-on-oom\"]"

static char *answer(const char *members)
{
	static char text[1024];

	snprintf(text, sizeof(text), "{\"result\": {%s}}", members);
	return text;
}

static void what_a_guest_says_is_taken_as_far_as_the_host_can_have_it(void **state)
{
	(void)state;
	add("web", answer("\"target\": 0, \"actual\": 0, " USUAL ", " STATS));
	govern_ask_guests(&sensor);
	assert_true(sensor.guests[0].has_balloon);
	assert_int_equal(sensor.guests[0].spare, 80 * MIB);
	/* Where nothing better is known it says what it uses, too. */
	assert_int_equal(sensor.guests[0].active, 300 * MIB);
	assert_int_equal(sensor.about[0].source, GOVERN_SOURCE_GUEST);
}

static void what_damon_says_is_not_written_over(void **state)
{
	(void)state;
	add("web", answer("\"target\": 0, \"actual\": 0, " USUAL ", " STATS));
	sensor.guests[0].active = 7 * MIB;
	sensor.about[0].source = GOVERN_SOURCE_DAMON;
	govern_ask_guests(&sensor);
	assert_int_equal(sensor.guests[0].active, 7 * MIB);
	assert_int_equal(sensor.about[0].source, GOVERN_SOURCE_DAMON);
}

static void a_balloon_that_somebody_else_has_set_is_theirs(void **state)
{
	(void)state;
	add("web", answer("\"target\": 4194304, \"actual\": 4194304, " USUAL ", " STATS));
	govern_ask_guests(&sensor);
	assert_false(sensor.guests[0].has_balloon);
}

static void a_balloon_is_ours_also_if_asking_for_more_has_failed(void **state)
{
	(void)state;
	add("web", answer("\"target\": 4194304, \"actual\": 4194304, " USUAL ", " STATS));
	sensor.memories[0] = (struct policy_guest_memory){ .balloon = 8 * MIB,
							   .balloon_before = 4 * MIB };
	govern_ask_guests(&sensor);
	assert_true(sensor.guests[0].has_balloon);
	assert_int_equal(sensor.guests[0].balloon, 4 * MIB);
}

static void one_that_a_governor_before_used_is_adopted(void **state)
{
	(void)state;
	add("web", answer("\"target\": 4194304, \"actual\": 4194304, " USUAL ", " STATS));
	sensor.memories[0].balloon = SENSOR_ADOPT_BALLOON;
	govern_ask_guests(&sensor);
	assert_true(sensor.guests[0].has_balloon);
	assert_int_equal(sensor.memories[0].balloon, 4 * MIB);
}

static void a_balloon_that_has_not_got_what_it_was_asked_for_is_not_asked_for_more(void **state)
{
	(void)state;
	add("web", answer("\"target\": 41943040, \"actual\": 1048576, " USUAL ", " STATS));
	sensor.memories[0].balloon = 40 * MIB;
	govern_ask_guests(&sensor);
	assert_true(sensor.guests[0].has_balloon);
	assert_int_equal(sensor.guests[0].spare, 0);
}

static void a_driver_that_cannot_give_back_when_it_runs_short_is_not_used(void **state)
{
	(void)state;
	add("web", answer("\"target\": 0, \"actual\": 0, \"negotiated\": [\"stats\"], " STATS));
	govern_ask_guests(&sensor);
	assert_false(sensor.guests[0].has_balloon);
}

static void nonsense_is_nothing_known(void **state)
{
	static const char *const nonsense[] = {
		"{\"result\": {\"target\": -1, \"actual\": 0, " USUAL ", " STATS "}}",
		"{\"result\": {\"target\": \"much\"}}",
		"{\"error\": {\"code\": \"state\", \"message\": \"no\"}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		char name[8];

		snprintf(name, sizeof(name), "g%zu", i);
		add(name, nonsense[i]);
	}
	govern_ask_guests(&sensor);
	for (size_t i = 0; i < sensor.n; i++) {
		assert_false(sensor.guests[i].has_balloon);
		assert_int_equal(sensor.guests[i].spare, POLICY_UNKNOWN);
		assert_int_equal(sensor.guests[i].active, POLICY_UNKNOWN);
	}
}

static void who_does_not_answer_holds_up_nobody(void **state)
{
	int64_t began = clock_monotonic_ms();

	(void)state;
	add("silent", NULL);
	add("web", answer("\"target\": 0, \"actual\": 0, " USUAL ", " STATS));
	govern_ask_guests(&sensor);
	assert_true(clock_monotonic_ms() - began < 10 * GOVERN_ASK_MS);
	assert_int_equal(sensor.guests[0].spare, POLICY_UNKNOWN);
	assert_int_equal(sensor.guests[1].spare, 80 * MIB);
}

static void where_a_guest_s_ram_is_is_asked_once(void **state)
{
	(void)state;
	add("web", answer("\"ram\": [{\"gpa\": 0, \"hva\": 4096, \"bytes\": 8192}, "
			  "{\"gpa\": 4294967296, \"hva\": 12288, \"bytes\": 4096}]"));
	govern_ask_ram(&sensor);
	assert_int_equal(sensor.about[0].ram.start, 4096);
	assert_int_equal(sensor.about[0].ram.len, 12288);
	/* Its one answer is spent: asked again, it would be waited for. */
	int64_t began = clock_monotonic_ms();

	govern_ask_ram(&sensor);
	assert_true(clock_monotonic_ms() - began < GOVERN_ASK_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_a_guest_says_is_taken_as_far_as_the_host_can_have_it, make_host,
		    remove_host),
		cmocka_unit_test_setup_teardown(what_damon_says_is_not_written_over, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(a_balloon_that_somebody_else_has_set_is_theirs,
						make_host, remove_host),
		cmocka_unit_test_setup_teardown(
		    a_balloon_is_ours_also_if_asking_for_more_has_failed, make_host, remove_host),
		cmocka_unit_test_setup_teardown(one_that_a_governor_before_used_is_adopted,
						make_host, remove_host),
		cmocka_unit_test_setup_teardown(
		    a_balloon_that_has_not_got_what_it_was_asked_for_is_not_asked_for_more,
		    make_host, remove_host),
		cmocka_unit_test_setup_teardown(
		    a_driver_that_cannot_give_back_when_it_runs_short_is_not_used, make_host,
		    remove_host),
		cmocka_unit_test_setup_teardown(nonsense_is_nothing_known, make_host, remove_host),
		cmocka_unit_test_setup_teardown(who_does_not_answer_holds_up_nobody, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(where_a_guest_s_ram_is_is_asked_once, make_host,
						remove_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
