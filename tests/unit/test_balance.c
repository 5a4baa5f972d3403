/* SPDX-License-Identifier: Apache-2.0 */
/* Guests' memory, turn by turn, on a tree of plain files that stands for the host: what is sensed
 * of groups, what is written into them, and what is written down. */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "files.h"
#include "govern/balance.h"
#include "govern/record.h"
#include "govern/sensor.h"

#define MIB   (UINT64_C(1) << 20)
#define SLICE "slice"

static int dir_fd = -1;
static struct ledger ledger;
static const struct policy_settings settings = { .tax_percent = 75, .interval_ms = 10000 };

static void write_number(const char *group, const char *file, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", number);
	files_write_in(group, file, text);
}

/* Sizes in MiB. */
static void set_usage(const char *group, uint64_t current, uint64_t swap, uint64_t refaults)
{
	char stat[128];

	write_number(group, "memory.current", current * MIB);
	write_number(group, "memory.swap.current", swap * MIB);
	snprintf(stat, sizeof(stat),
		 "anon %" PRIu64 "\nfile 0\nshmem 0\nworkingset_refault_anon %" PRIu64 "\n",
		 current * MIB, refaults);
	files_write_in(group, "memory.stat", stat);
}

static void set_pressure(const char *group, uint64_t total_us)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "some avg10=0.00 avg60=0.00 avg300=0.00 total=%" PRIu64 "\n"
		 "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		 total_us);
	files_write_in(group, "memory.pressure", text);
}

static void make_group(const char *group, uint64_t min, uint64_t max, uint64_t current)
{
	files_dir(group);
	files_write_in(group, "cgroup.events", "populated 1\nfrozen 0\n");
	files_write_in(group, "cgroup.procs", "4711\n");
	write_number(group, "memory.min", min * MIB);
	write_number(group, "memory.max", max * MIB);
	write_number(group, "memory.swap.max", max * MIB);
	files_write_in(group, "memory.low", "0\n");
	files_write_in(group, "memory.high", "max\n");
	files_write_in(group, "memory.reclaim", "");
	files_write_in(group, "cpu.weight", "100\n");
	set_usage(group, current, 0, 0);
	set_pressure(group, 0);
}

/* 1000 MiB for guests db, of weight 200, and web; 60 MiB of margin are wanted. */
static int make_host(void **state)
{
	(void)state;
	if (files_make() < 0)
		return -1;
	setenv("LODGE_RUNTIME_DIR", "/nonexistent", 1);
	files_dir("run");
	dir_fd = openat(files_root_fd, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	files_dir("proc");
	files_write("proc/meminfo",
		    "MemTotal: 4194304 kB\nMemFree: 100 kB\nMemAvailable: 3145728 kB\n");
	make_group(SLICE, 0, 1000, 800);
	make_group(SLICE "/web", 10, 900, 400);
	make_group(SLICE "/db", 110, 900, 400);
	write_number(SLICE "/db", "cpu.weight", 200);
	ledger = (struct ledger){ .capital = { .ram = 4096 * MIB, .limit = 1000 * MIB } };
	return 0;
}

static int remove_host(void **state)
{
	(void)state;
	close(dir_fd);
	return files_remove();
}

static void sense(struct sensor *sensor)
{
	_cleanup_err_ struct err *err = NULL;

	if (sensor_read(sensor, files_root_fd, SLICE, &ledger, &err) < 0)
		fail_msg("%s", err_message(err));
}

static void sleep_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static void guests_are_seen_as_their_groups_say(void **state)
{
	_cleanup_(sensor_clear) struct sensor sensor = { 0 };

	(void)state;
	set_usage(SLICE "/web", 300, 70, 5);
	write_number(SLICE "/web", "memory.low", 33 * MIB);
	write_number(SLICE "/web", "memory.high", 44 * MIB);
	sense(&sensor);
	assert_int_equal(sensor.n, 2);
	assert_string_equal(sensor.about[0].name, "db");
	assert_int_equal(sensor.guests[0].floor, 110 * MIB);
	assert_int_equal(sensor.guests[0].ceiling, 900 * MIB);
	assert_int_equal(sensor.guests[0].weight, 200);
	assert_int_equal(sensor.guests[0].high, POLICY_UNKNOWN);
	assert_string_equal(sensor.about[1].name, "web");
	assert_int_equal(sensor.about[1].pid, 4711);
	assert_int_equal(sensor.guests[1].weight, 100);
	assert_int_equal(sensor.guests[1].resident, 300 * MIB);
	assert_int_equal(sensor.guests[1].swapped, 70 * MIB);
	assert_int_equal(sensor.guests[1].low, 33 * MIB);
	assert_int_equal(sensor.guests[1].high, 44 * MIB);
	assert_int_equal(sensor.guests[1].active, POLICY_UNKNOWN);
	/* What happened before it was first seen doesn't count. */
	assert_int_equal(sensor.guests[1].refaulted, 0);
	assert_int_equal(sensor.host.capacity, 1000 * MIB);
	assert_int_equal(sensor.host.used, 800 * MIB);
	assert_int_equal(sensor.host.available, 3072 * MIB);
}

static void what_happened_is_since_the_turn_before(void **state)
{
	_cleanup_(sensor_clear) struct sensor sensor = { 0 };

	(void)state;
	set_usage(SLICE "/web", 300, 70, 1000);
	set_pressure(SLICE "/web", 5000000);
	sense(&sensor);
	sleep_ms(20);
	set_usage(SLICE "/web", 300, 70, 1256);
	set_pressure(SLICE "/web", 5000000 + 10000);
	sense(&sensor);
	assert_int_equal(sensor.guests[1].refaulted, MIB);
	/* 10 ms of about 20, or of more on a busy machine. */
	assert_in_range(sensor.guests[1].pain_permille, 1, 600);
	sense(&sensor);
	assert_int_equal(sensor.guests[1].refaulted, 0);
	assert_int_equal(sensor.guests[1].pain_permille, 0);
}

static void another_guest_of_the_same_name_inherits_nothing(void **state)
{
	_cleanup_(sensor_clear) struct sensor sensor = { 0 };

	(void)state;
	sense(&sensor);
	sensor.memories[1].backoff = 3;
	sense(&sensor);
	assert_int_equal(sensor.memories[1].backoff, 3);
	assert_int_equal(renameat(files_root_fd, SLICE "/web", files_root_fd, "old"), 0);
	make_group(SLICE "/web", 10, 900, 400);
	sense(&sensor);
	assert_int_equal(sensor.memories[1].backoff, 0);
}

static void empty_groups_and_those_without_limits_are_no_guests(void **state)
{
	_cleanup_(sensor_clear) struct sensor sensor = { 0 };

	(void)state;
	files_write_in(SLICE "/db", "cgroup.events", "populated 0\n");
	files_write_in(SLICE "/web", "memory.max", "max\n");
	sense(&sensor);
	assert_int_equal(sensor.n, 0);
}

static unsigned turn(struct balance *balance)
{
	_cleanup_err_ struct err *err = NULL;
	unsigned next_ms = 0;

	if (balance_turn(balance, SLICE, &ledger, &next_ms, &err) < 0)
		fail_msg("%s", err_message(err));
	return next_ms;
}

static void take_turn(bool dry_run)
{
	struct balance *balance;

	assert_int_equal(balance_new(files_root_fd, dir_fd, &settings, dry_run, &balance, NULL), 0);
	turn(balance);
	balance_free(balance);
}

static uint64_t read_number(const char *path)
{
	_cleanup_close_ int fd = openat(files_root_fd, path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	return strtoull(text, NULL, 10);
}

static void what_guests_use_is_protected_and_the_slice_as_far(void **state)
{
	(void)state;
	take_turn(false);
	/* 400 MiB and an eighth, and 4 MiB. */
	assert_int_equal(read_number(SLICE "/web/memory.low"), 454 * MIB);
	assert_int_equal(read_number(SLICE "/db/memory.low"), 454 * MIB);
	assert_int_equal(read_number(SLICE "/memory.low"), 908 * MIB);
}

static void what_was_found_and_decided_is_written_down(void **state)
{
	_cleanup_(govern_record_clear) struct govern_record record = { 0 };

	(void)state;
	take_turn(false);
	assert_int_equal(govern_record_load(dir_fd, &record, NULL), 0);
	assert_int_equal(record.n_guests, 2);
	assert_string_equal(record.guests[1].name, "web");
	assert_int_equal(record.guests[1].target, 454 * MIB);
	assert_int_equal(record.state, POLICY_HIGH);
	assert_int_equal(record.margin, 200 * MIB);
	assert_int_equal(record.wanted, 60 * MIB);
	assert_int_equal(record.settings.tax_percent, 75);
	assert_int_equal(record.n_decisions, 0);
}

static void who_has_too_much_is_asked_for_it_and_that_is_written_down(void **state)
{
	_cleanup_(govern_record_clear) struct govern_record record = { 0 };

	(void)state;
	set_usage(SLICE, 990, 0, 0);
	set_usage(SLICE "/web", 700, 0, 0);
	set_usage(SLICE "/db", 290, 200, 0);
	take_turn(false);
	/* 65 MiB are lacking, and a 16th of 700 MiB is the most. A plain file keeps what was asked
	 * for last, of pieces. */
	assert_true(read_number(SLICE "/web/memory.reclaim") > 0);
	assert_int_equal(govern_record_load(dir_fd, &record, NULL), 0);
	assert_int_equal(record.state, POLICY_LOW);
	assert_string_equal(record.guests[1].name, "web");
}

static void a_dry_run_writes_nothing(void **state)
{
	(void)state;
	set_usage(SLICE, 990, 0, 0);
	set_usage(SLICE "/web", 700, 0, 0);
	take_turn(true);
	files_assert_in(SLICE "/web", "memory.low", "0\n");
	files_assert_in(SLICE "/web", "memory.reclaim", "");
	assert_false(files_there("run/" GOVERN_RECORD_FILE));
}

static void a_guest_that_cannot_be_acted_on_keeps_no_other_from_it(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct balance *balance;
	unsigned next_ms;

	(void)state;
	/* Not gone: a directory is where the file should be. */
	files_unlink(SLICE "/db/memory.low");
	files_dir(SLICE "/db/memory.low");
	assert_int_equal(balance_new(files_root_fd, dir_fd, &settings, false, &balance, NULL), 0);
	assert_int_equal(balance_turn(balance, SLICE, &ledger, &next_ms, &err), -1);
	assert_non_null(strstr(err_message(err), "guest db"));
	assert_int_equal(read_number(SLICE "/web/memory.low"), 454 * MIB);
	balance_free(balance);
}

static void no_guest_stays_throttled_when_the_governor_ends(void **state)
{
	struct balance *balance;

	(void)state;
	assert_int_equal(balance_new(files_root_fd, dir_fd, &settings, false, &balance, NULL), 0);
	turn(balance);
	write_number(SLICE "/web", "memory.high", 500 * MIB);
	balance_let_go(balance, SLICE);
	/* What is written to a plain file leaves what was longer before. */
	assert_int_equal(read_number(SLICE "/web/memory.high"), 0);
	balance_free(balance);
}

static void a_throttle_that_a_killed_governor_left_is_taken_back(void **state)
{
	(void)state;
	write_number(SLICE "/web", "memory.high", 500 * MIB);
	take_turn(false);
	assert_int_equal(read_number(SLICE "/web/memory.high"), 0);
}

static void without_guests_there_is_nothing_to_do_but_wait(void **state)
{
	struct balance *balance;

	(void)state;
	files_write_in(SLICE "/db", "cgroup.events", "populated 0\n");
	files_write_in(SLICE "/web", "cgroup.events", "populated 0\n");
	assert_int_equal(balance_new(files_root_fd, dir_fd, &settings, false, &balance, NULL), 0);
	assert_int_equal(turn(balance), settings.interval_ms);
	balance_free(balance);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(guests_are_seen_as_their_groups_say, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(what_happened_is_since_the_turn_before, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(another_guest_of_the_same_name_inherits_nothing,
						make_host, remove_host),
		cmocka_unit_test_setup_teardown(empty_groups_and_those_without_limits_are_no_guests,
						make_host, remove_host),
		cmocka_unit_test_setup_teardown(what_guests_use_is_protected_and_the_slice_as_far,
						make_host, remove_host),
		cmocka_unit_test_setup_teardown(what_was_found_and_decided_is_written_down,
						make_host, remove_host),
		cmocka_unit_test_setup_teardown(
		    who_has_too_much_is_asked_for_it_and_that_is_written_down, make_host,
		    remove_host),
		cmocka_unit_test_setup_teardown(a_dry_run_writes_nothing, make_host, remove_host),
		cmocka_unit_test_setup_teardown(
		    a_guest_that_cannot_be_acted_on_keeps_no_other_from_it, make_host, remove_host),
		cmocka_unit_test_setup_teardown(no_guest_stays_throttled_when_the_governor_ends,
						make_host, remove_host),
		cmocka_unit_test_setup_teardown(
		    a_throttle_that_a_killed_governor_left_is_taken_back, make_host, remove_host),
		cmocka_unit_test_setup_teardown(without_guests_there_is_nothing_to_do_but_wait,
						make_host, remove_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
