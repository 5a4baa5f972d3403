/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's verbs on a machine that is only told what to answer: which requests reach
 * it, and who is answered when.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/client.h"
#include "api/guest_cgroup.h"
#include "api/rundir.h"
#include "api/vm_verbs.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "boot/kernel.h"
#include "dev/console.h"
#include "machine/config.h"
#include "machine/machine.h"
#include "virtio/balloon.h"
#include "vm/guest_memory.h"

enum { PATIENCE_MS = 10000, PAGE = 4096 };

static struct {
	char root[sizeof("/tmp/lodge-test-XXXXXX")];
	struct rundir *rundir;
	int listen_fd;
	struct loop *loop;
	struct vm_verbs *verbs;
	struct guest_cgroup *cgroup;
	struct vm_config config;
	pthread_mutex_t lock;
	pthread_t thread;

	/* The machine, with the lock held. */
	bool present;
	struct virtio_balloon_info balloon;
	enum err_code refuse; /* what requests are answered with, if not 0 */
	uint64_t target;
	int asked;
} vm;

/* The machine. */
bool machine_balloon_info(const struct machine *machine, struct virtio_balloon_info *ret_info)
{
	(void)machine;
	*ret_info = vm.balloon;
	return vm.present;
}

static int answer(struct err **err)
{
	return vm.refuse ? err_set(err, vm.refuse, 0, "not now") : 0;
}

int machine_set_balloon(struct machine *machine, uint64_t bytes, struct err **err)
{
	(void)machine;
	if (answer(err) < 0)
		return -1;
	vm.target = bytes;
	vm.balloon.target_pages = bytes / PAGE;
	return 0;
}

int machine_ask_stats(struct machine *machine, struct err **err)
{
	(void)machine;
	vm.asked++;
	return answer(err);
}

int machine_ask_hints(struct machine *machine, struct err **err)
{
	(void)machine;
	vm.asked++;
	vm.balloon.hinting = true;
	return answer(err);
}

enum vm_state machine_state(const struct machine *machine)
{
	(void)machine;
	return VM_RUNNING;
}

const char *machine_reason(const struct machine *machine)
{
	(void)machine;
	return "";
}

int machine_pause(struct machine *machine, struct err **err)
{
	(void)machine;
	return answer(err);
}

int machine_resume(struct machine *machine, struct err **err)
{
	(void)machine;
	return answer(err);
}

int machine_press_power_button(struct machine *machine, struct err **err)
{
	(void)machine;
	return answer(err);
}

int machine_kill(struct machine *machine, struct err **err)
{
	(void)machine;
	return answer(err);
}

struct vm_exits machine_count_exits(const struct machine *machine)
{
	(void)machine;
	return (struct vm_exits){ 0 };
}

uint64_t machine_count_resets(const struct machine *machine)
{
	(void)machine;
	return 0;
}

const struct guest_memory *machine_memory(const struct machine *machine)
{
	static const struct guest_memory none;

	(void)machine;
	return &none;
}

void kernel_info(const struct kernel *kernel, struct kernel_info *ret_info)
{
	(void)kernel;
	*ret_info = (struct kernel_info){ .fd = -1, .release = "6.1", .cmdline = "" };
}

void console_set_size(struct console *console, uint16_t columns, uint16_t rows)
{
	(void)console;
	(void)columns;
	(void)rows;
}

static void on_collected(void *opaque)
{
	(void)opaque;
}

static void *run_loop(void *arg)
{
	(void)arg;
	loop_run(vm.loop, NULL);
	return NULL;
}

static int start(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	strcpy(vm.root, "/tmp/lodge-test-XXXXXX");
	if (!mkdtemp(vm.root))
		return -1;
	setenv("LODGE_RUNTIME_DIR", vm.root, 1);
	pthread_mutex_init(&vm.lock, NULL);
	vm_config_init(&vm.config);
	vm.config.name = strdup("web");
	vm.config.kernel = strdup("/vmlinuz");
	vm.present = true;
	vm.balloon = (struct virtio_balloon_info){
		.driver = true,
		.options = VIRTIO_BALLOON_ALL,
		.negotiated = VIRTIO_BALLOON_BASE | VIRTIO_BALLOON_STATS | VIRTIO_BALLOON_HINTING,
	};

	const struct guest_cgroup_promise nothing = { .promise.best_effort = true };

	if (rundir_create("web", &vm.rundir, NULL) < 0 ||
	    rundir_listen(vm.rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &vm.listen_fd, NULL) < 0 ||
	    guest_cgroup_make(-1, "web", &nothing, &vm.cgroup, NULL) < 0 ||
	    loop_new(&vm.loop, NULL) < 0)
		return -1;
	loop_set_lock(vm.loop, &vm.lock);

	const struct vm_verbs_host host = {
		.config = &vm.config,
		.cgroup = vm.cgroup,
		.loop = vm.loop,
		.listen_fd = vm.listen_fd,
		.collected = on_collected,
	};

	if (vm_verbs_new(&host, &vm.verbs, NULL) < 0)
		return -1;
	return pthread_create(&vm.thread, NULL, run_loop, NULL);
}

static int end(void **state)
{
	char command[64];

	(void)state;
	loop_quit(vm.loop);
	pthread_join(vm.thread, NULL);
	vm_verbs_free(vm.verbs);
	loop_free(vm.loop);
	close(vm.listen_fd);
	guest_cgroup_free(vm.cgroup);
	rundir_remove(vm.rundir);
	rundir_free(vm.rundir);
	vm_config_clear(&vm.config);
	snprintf(command, sizeof(command), "rm -r %s", vm.root);
	return system(command);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static json_t *call(json_t *request)
{
	_cleanup_err_ struct err *err = NULL;
	json_t *reply = NULL;

	if (client_call("web", request, PATIENCE_MS, &reply, &err) < 0)
		fail_msg("%s", err_message(err));
	return reply;
}

static void assert_fails(json_t *request, enum err_code code, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	json_t *reply = NULL;

	assert_int_equal(client_call("web", request, PATIENCE_MS, &reply, &err), -1);
	assert_int_equal(err_code(err), code);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
}

static void assert_member(const json_t *object, const char *name, json_int_t expected)
{
	assert_true(json_is_integer(json_object_get(object, name)));
	assert_int_equal(json_integer_value(json_object_get(object, name)), expected);
}

/* A client whose request isn't answered yet. */
static int ask(const char *verb)
{
	char text[64];
	int fd = -1;
	int before;

	pthread_mutex_lock(&vm.lock);
	before = vm.asked;
	pthread_mutex_unlock(&vm.lock);
	assert_int_equal(rundir_connect("web", RUNDIR_CONTROL, SOCK_SEQPACKET, -1, &fd, NULL), 0);
	snprintf(text, sizeof(text), "{\"verb\":\"%s\"}", verb);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		pthread_mutex_lock(&vm.lock);
		int asked = vm.asked;
		pthread_mutex_unlock(&vm.lock);
		if (asked > before)
			return fd;
		usleep(1000);
	}
	fail_msg("the machine wasn't asked");
	return -1;
}

static void assert_silent(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 30), 0);
}

static void assert_hears(int fd, const char *part)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[4096] = "";

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
	if (!strstr(text, part))
		fail_msg("\"%s\" doesn't say \"%s\"", text, part);
	close(fd);
}

/* The device says that something changed. */
static void change(void)
{
	vm_verbs_balloon_changed(vm.verbs);
	pthread_mutex_unlock(&vm.lock);
}

static void the_balloon_is_shown_in_bytes_and_words(void **state)
{
	(void)state;
	vm.balloon.target_pages = 10;
	vm.balloon.actual_pages = 9;
	vm.balloon.claimed_pages = 8;
	vm.balloon.released_pages = 7;
	vm.balloon.reported_pages = 6;
	vm.balloon.reported_total = 5;
	vm.balloon.hinted_pages = 4;
	vm.balloon.poison_value = 0xaaaaaaaa;

	json_t *b = call(json_pack("{s:s}", "verb", "balloon"));
	char *words = json_dumps(json_object_get(b, "negotiated"), JSON_COMPACT);

	assert_true(json_is_true(json_object_get(b, "present")));
	assert_true(json_is_true(json_object_get(b, "driver")));
	assert_true(json_is_false(json_object_get(b, "hinting")));
	assert_member(b, "target", 10 * PAGE);
	assert_member(b, "actual", 9 * PAGE);
	assert_member(b, "claimed", 8 * PAGE);
	assert_member(b, "released", 7 * PAGE);
	assert_member(b, "reported", 6 * PAGE);
	assert_member(b, "reported_total", 5 * PAGE);
	assert_member(b, "hinted", 4 * PAGE);
	assert_member(b, "poison_value", 0xaaaaaaaa);
	assert_string_equal(words, "[\"stats\",\"hinting\"]");
	assert_int_equal(json_array_size(json_object_get(b, "offered")), 5);
	assert_true(json_is_null(json_object_get(b, "stats_age_ms")));
	assert_int_equal(json_object_size(json_object_get(b, "stats")), 0);
	free(words);
	json_decref(b);
}

static void statistics_that_the_guest_sent_are_shown_and_no_others(void **state)
{
	(void)state;
	vm.balloon.stats_valid = true;
	vm.balloon.stats_time_ms = now_ms();
	vm.balloon.stats_present[0] = true;
	vm.balloon.stats[0] = 4711;
	vm.balloon.stats_present[1] = true;
	vm.balloon.stats[1] = UINT64_MAX; /* a guest may say anything */
	vm.balloon.stats[2] = 5;	  /* not sent */

	json_t *b = call(json_pack("{s:s}", "verb", "balloon"));
	const json_t *stats = json_object_get(b, "stats");

	assert_int_equal(json_object_size(stats), 2);
	assert_member(stats, virtio_balloon_stat_name(0), 4711);
	assert_member(stats, virtio_balloon_stat_name(1), INT64_MAX);
	assert_true(json_integer_value(json_object_get(b, "stats_age_ms")) < PATIENCE_MS);
	json_decref(b);
}

static void show_has_the_balloon_and_says_why_there_is_no_cgroup(void **state)
{
	(void)state;
	vm.present = false;
	vm.balloon = (struct virtio_balloon_info){ 0 };

	json_t *show = call(json_pack("{s:s}", "verb", "show"));
	const json_t *b = json_object_get(show, "balloon");

	assert_true(json_is_false(json_object_get(b, "present")));
	assert_true(json_is_false(json_object_get(b, "driver")));
	assert_true(json_is_null(json_object_get(show, "cgroup")));
	assert_true(json_string_length(json_object_get(show, "cgroup_reason")) > 0);
	json_decref(show);
}

static void set_takes_a_number_of_bytes_and_nothing_else(void **state)
{
	(void)state;
	json_t *b = call(json_pack("{s:s, s:i}", "verb", "set", "balloon", 64 << 20));

	assert_member(b, "target", 64 << 20);
	json_decref(b);
	assert_int_equal(vm.target, 64 << 20);
	assert_fails(json_pack("{s:s, s:i}", "verb", "set", "balloon", -1), ERR_USAGE, "balloon");
	assert_fails(
	    json_pack("{s:s, s:I}", "verb", "set", "balloon", (json_int_t)VM_MEMORY_MAX + 1),
	    ERR_USAGE, "balloon");
	assert_fails(json_pack("{s:s, s:s}", "verb", "set", "balloon", "64M"), ERR_USAGE,
		     "balloon");
	assert_fails(json_pack("{s:s}", "verb", "set"), ERR_USAGE, "balloon");
	assert_int_equal(vm.target, 64 << 20);
}

static void what_the_machine_refuses_is_answered_at_once(void **state)
{
	(void)state;
	vm.refuse = ERR_STATE;
	assert_fails(json_pack("{s:s, s:i}", "verb", "set", "balloon", 0), ERR_STATE, "not now");
	assert_fails(json_pack("{s:s}", "verb", "stats"), ERR_STATE, "not now");
	assert_fails(json_pack("{s:s}", "verb", "hints"), ERR_STATE, "not now");
}

static void new_statistics_answer_everybody_who_asked(void **state)
{
	(void)state;
	int one = ask("stats");
	int other = ask("stats");
	int third = ask("hints");

	pthread_mutex_lock(&vm.lock);
	vm.balloon.stats_valid = true;
	vm.balloon.stats_time_ms = now_ms();
	vm.balloon.stats_present[0] = true;
	vm.balloon.stats[0] = 4711;
	change();
	assert_hears(one, ":4711");
	assert_hears(other, ":4711");
	assert_silent(third);
	close(third);
}

static void old_statistics_answer_nobody(void **state)
{
	(void)state;
	vm.balloon.stats_valid = true;
	vm.balloon.stats_time_ms = now_ms() - 1;

	int fd = ask("stats");

	/* The balloon's size moved. */
	pthread_mutex_lock(&vm.lock);
	vm.balloon.actual_pages++;
	change();
	assert_silent(fd);
	pthread_mutex_lock(&vm.lock);
	vm.balloon.stats_time_ms = now_ms();
	change();
	assert_hears(fd, "stats_age_ms");
}

static void hints_are_answered_when_the_session_ends(void **state)
{
	(void)state;
	int fd = ask("hints");

	pthread_mutex_lock(&vm.lock);
	vm.balloon.hinted_pages = 2;
	change();
	assert_silent(fd);
	pthread_mutex_lock(&vm.lock);
	vm.balloon.hinting = false;
	change();
	assert_hears(fd, "\"hinted\":8192");
}

static void a_driver_that_goes_away_leaves_nobody_waiting(void **state)
{
	(void)state;
	int one = ask("stats");
	int other = ask("hints");

	pthread_mutex_lock(&vm.lock);
	vm.balloon.driver = false;
	change();
	assert_hears(one, "{\"error\":{\"code\":\"state\",\"message\":\"its balloon driver went");
	assert_hears(other, "\"code\":\"state\"");
}

static void a_guest_that_ends_leaves_nobody_waiting(void **state)
{
	(void)state;
	int fd = ask("stats");

	pthread_mutex_lock(&vm.lock);
	vm.balloon = (struct virtio_balloon_info){ 0 };
	vm.present = false;
	assert_false(vm_verbs_ended(vm.verbs, VM_STOPPED, 0));
	pthread_mutex_unlock(&vm.lock);
	assert_hears(fd, "it ended before it answered");
}

int main(void)
{
#define vm_test(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		vm_test(the_balloon_is_shown_in_bytes_and_words),
		vm_test(statistics_that_the_guest_sent_are_shown_and_no_others),
		vm_test(show_has_the_balloon_and_says_why_there_is_no_cgroup),
		vm_test(set_takes_a_number_of_bytes_and_nothing_else),
		vm_test(what_the_machine_refuses_is_answered_at_once),
		vm_test(new_statistics_answer_everybody_who_asked),
		vm_test(old_statistics_answer_nobody),
		vm_test(hints_are_answered_when_the_session_ends),
		vm_test(a_driver_that_goes_away_leaves_nobody_waiting),
		vm_test(a_guest_that_ends_leaves_nobody_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
