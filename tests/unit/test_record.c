/* SPDX-License-Identifier: Apache-2.0 */
/* What the governor writes down comes back as it was, or not at all. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "govern/files.h"
#include "govern/record.h"
#include "govern/words.h"

enum { MANY = 10000, FILE_MAX = 64 << 20 };

static char base[64];
static int dir_fd = -1;

static int make_directory(void **state)
{
	(void)state;
	snprintf(base, sizeof(base), "/tmp/lodge-test-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	dir_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	close(dir_fd);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static void write_record(const char *text)
{
	_cleanup_close_ int fd = openat(dir_fd, GOVERN_RECORD_FILE,
					O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fdio_write(fd, text, strlen(text), NULL), 0);
}

static struct govern_decision a_decision(uint64_t time_ms)
{
	return (struct govern_decision){
		.time_ms = time_ms,
		.guest = "web",
		.reason = POLICY_TAKES_RECLAIM,
		.bytes = 12 << 20,
		.whom = "db",
		.state = POLICY_HARD,
		.text = "12M taken from web by reclaim, for \"db\"",
	};
}

/* No two members of it are the same, so that none can be taken for another. */
static struct govern_record a_record(struct govern_record_guest guests[2])
{
	guests[0] = (struct govern_record_guest){ .name = "db", .source = GOVERN_SOURCE_NONE };
	guests[0].seen.active = POLICY_UNKNOWN;
	guests[0].seen.spare = POLICY_UNKNOWN;
	guests[0].seen.high = POLICY_UNKNOWN;
	guests[1] = (struct govern_record_guest){
		.name = "web",
		.seen = {
			.floor = 101, .ceiling = 102, .weight = 103, .best_effort = true,
			.resident = 104, .swapped = 105, .active = 106, .spare = 107,
			.has_balloon = true, .balloon = 108, .refaulted = 109,
			.pain_permille = 110, .low = 111, .high = 112,
		},
		.source = GOVERN_SOURCE_DAMON,
		.target = 113,
		.untaxed = 114,
		.hurts = true,
		.last = a_decision(115),
	};

	struct govern_record record = {
		.time_ms = 201,
		.settings = { .tax_percent = 75, .interval_ms = 10000 },
		.host = { .now_ms = 202, .capacity = 203, .used = 204, .available = 205 },
		.state = POLICY_SOFT,
		.margin = 206,
		.wanted = 207,
		.guests = guests,
		.n_guests = 2,
		.decisions = { a_decision(114), a_decision(115) },
		.n_decisions = 2,
	};

	record.decisions[0].whom[0] = '\0';
	return record;
}

static void assert_same_decision(const struct govern_decision *a, const struct govern_decision *b)
{
	assert_int_equal(a->time_ms, b->time_ms);
	assert_string_equal(a->guest, b->guest);
	assert_int_equal(a->reason, b->reason);
	assert_int_equal(a->bytes, b->bytes);
	assert_string_equal(a->whom, b->whom);
	assert_int_equal(a->state, b->state);
	assert_string_equal(a->text, b->text);
}

static void assert_same_seen(const struct policy_guest *a, const struct policy_guest *b)
{
	assert_int_equal(a->floor, b->floor);
	assert_int_equal(a->ceiling, b->ceiling);
	assert_int_equal(a->weight, b->weight);
	assert_int_equal(a->best_effort, b->best_effort);
	assert_int_equal(a->resident, b->resident);
	assert_int_equal(a->swapped, b->swapped);
	assert_int_equal(a->active, b->active);
	assert_int_equal(a->spare, b->spare);
	assert_int_equal(a->has_balloon, b->has_balloon);
	assert_int_equal(a->balloon, b->balloon);
	assert_int_equal(a->refaulted, b->refaulted);
	assert_int_equal(a->pain_permille, b->pain_permille);
	assert_int_equal(a->low, b->low);
	assert_int_equal(a->high, b->high);
}

static void what_is_saved_comes_back_the_same(void **state)
{
	struct govern_record_guest guests[2];
	struct govern_record saved = a_record(guests);
	_cleanup_(govern_record_clear) struct govern_record loaded = { 0 };

	(void)state;
	assert_int_equal(govern_record_save(dir_fd, &saved, NULL), 0);
	assert_int_equal(govern_record_load(dir_fd, &loaded, NULL), 0);
	assert_int_equal(loaded.time_ms, 201);
	assert_int_equal(loaded.settings.tax_percent, 75);
	assert_int_equal(loaded.settings.interval_ms, 10000);
	assert_int_equal(loaded.host.now_ms, 202);
	assert_int_equal(loaded.host.capacity, 203);
	assert_int_equal(loaded.host.used, 204);
	assert_int_equal(loaded.host.available, 205);
	assert_int_equal(loaded.state, POLICY_SOFT);
	assert_int_equal(loaded.margin, 206);
	assert_int_equal(loaded.wanted, 207);
	assert_int_equal(loaded.n_guests, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(loaded.guests[i].name, guests[i].name);
		assert_same_seen(&loaded.guests[i].seen, &guests[i].seen);
		assert_int_equal(loaded.guests[i].source, guests[i].source);
		assert_int_equal(loaded.guests[i].target, guests[i].target);
		assert_int_equal(loaded.guests[i].untaxed, guests[i].untaxed);
		assert_int_equal(loaded.guests[i].hurts, guests[i].hurts);
		assert_same_decision(&loaded.guests[i].last, &guests[i].last);
	}
	assert_int_equal(loaded.n_decisions, 2);
	for (size_t i = 0; i < 2; i++)
		assert_same_decision(&loaded.decisions[i], &saved.decisions[i]);
}

/* Programs read the file too. */
static void what_is_not_known_is_null_in_the_file(void **state)
{
	struct govern_record_guest guests[2];
	struct govern_record saved = a_record(guests);
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_int_equal(govern_record_save(dir_fd, &saved, NULL), 0);
	assert_int_equal(fdio_read_file(dir_fd, GOVERN_RECORD_FILE, FILE_MAX, &text, NULL, NULL),
			 0);
	assert_non_null(strstr(text, "\"active\":null"));
	assert_non_null(strstr(text, "\"high\":112"));
	assert_null(strstr(text, "18446744073709551615"));
}

static void the_largest_record_can_be_read_again(void **state)
{
	_cleanup_free_ struct govern_record_guest *guests = calloc(MANY, sizeof(*guests));
	_cleanup_(govern_record_clear) struct govern_record loaded = { 0 };
	struct govern_record_guest pair[2];
	struct govern_record saved = a_record(pair);

	(void)state;
	saved.guests = guests;
	saved.n_guests = MANY;
	for (int i = 0; i < MANY; i++) {
		guests[i] = pair[1];
		snprintf(guests[i].name, sizeof(guests[i].name), "%063d", i);
		memset(guests[i].last.guest, 'g', VM_NAME_MAX);
		memset(guests[i].last.whom, 'w', VM_NAME_MAX);
		memset(guests[i].last.text, '"', GOVERN_DECISION_TEXT_MAX - 1);
		guests[i].seen = (struct policy_guest){
			.floor = INT64_MAX,
			.ceiling = INT64_MAX,
			.weight = 10000,
			.resident = INT64_MAX,
			.swapped = INT64_MAX,
			.active = INT64_MAX,
			.spare = INT64_MAX,
			.balloon = INT64_MAX,
			.refaulted = INT64_MAX,
			.pain_permille = 1000,
			.low = INT64_MAX,
			.high = INT64_MAX,
		};
		guests[i].target = INT64_MAX;
		guests[i].untaxed = INT64_MAX;
	}
	assert_int_equal(govern_record_save(dir_fd, &saved, NULL), 0);
	assert_int_equal(govern_record_load(dir_fd, &loaded, NULL), 0);
	assert_int_equal(loaded.n_guests, MANY);
	for (int i = 0; i < MANY; i += 99)
		assert_ptr_equal(govern_record_find(&loaded, guests[i].name), &loaded.guests[i]);
	assert_ptr_equal(govern_record_find(&loaded, guests[MANY - 1].name),
			 &loaded.guests[MANY - 1]);
	assert_null(govern_record_find(&loaded, "web"));
}

static void without_a_governor_there_is_nothing_to_read(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct govern_record record = { .n_guests = 99 };

	(void)state;
	assert_int_equal(govern_record_load(dir_fd, &record, &err), -1);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	assert_int_equal(record.n_guests, 99);
}

/* One that can't be replaced is left as it was, and nothing is left beside it. */
static void a_record_that_can_not_be_saved_leaves_the_old_one(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	_cleanup_(govern_record_clear) struct govern_record loaded = { 0 };
	struct govern_record_guest guests[2];
	struct govern_record saved = a_record(guests);

	(void)state;
	assert_int_equal(govern_record_save(dir_fd, &saved, NULL), 0);
	saved.time_ms = 999;
	assert_int_equal(mkdirat(dir_fd, GOVERN_RECORD_FILE ".new", 0700), 0);
	assert_int_equal(govern_record_save(dir_fd, &saved, &err), -1);
	assert_non_null(strstr(err_message(err), GOVERN_RECORD_FILE));
	assert_int_equal(unlinkat(dir_fd, GOVERN_RECORD_FILE ".new", AT_REMOVEDIR), 0);
	assert_int_equal(govern_record_load(dir_fd, &loaded, NULL), 0);
	assert_int_equal(loaded.time_ms, 201);

	assert_int_equal(unlinkat(dir_fd, GOVERN_RECORD_FILE, 0), 0);
	assert_int_equal(mkdirat(dir_fd, GOVERN_RECORD_FILE, 0700), 0);
	assert_int_equal(govern_record_save(dir_fd, &saved, NULL), -1);
	assert_int_equal(faccessat(dir_fd, GOVERN_RECORD_FILE ".new", F_OK, 0), -1);
}

static void assert_refused(const char *what)
{
	_cleanup_err_ struct err *err = NULL;
	struct govern_record record = { .n_guests = 99 };

	assert_int_equal(govern_record_load(dir_fd, &record, &err), -1);
	assert_int_equal(err_code(err), ERR_FAILED);
	assert_non_null(strstr(err_message(err), GOVERN_RECORD_FILE));
	if (!strstr(err_message(err), what))
		fail_msg("\"%s\" doesn't name %s", err_message(err), what);
	assert_int_equal(record.n_guests, 99);
}

static void a_file_that_is_no_record_is_named(void **state)
{
	(void)state;
	write_record("");
	assert_refused(GOVERN_RECORD_FILE);
	write_record("[]");
	assert_refused("time_ms");
	write_record("{\"time_ms\": 1, \"guests\"");
	assert_refused(GOVERN_RECORD_FILE);
}

/* Where each member is in the file, and what may not be there. */
static void each_member_is_checked_and_the_wrong_one_is_named(void **state)
{
	static const struct {
		const char *path[3]; /* objects on the way, NULL: none */
		const char *member;
		const char *value; /* JSON; NULL takes the member away */
		const char *named;
	} rows[] = {
		{ { NULL }, "time_ms", "null", "time_ms" },
		{ { NULL }, "time_ms", "-1", "time_ms" },
		{ { NULL }, "margin", "\"much\"", "margin" },
		{ { NULL }, "wanted", NULL, "wanted" },
		{ { NULL }, "state", "\"bad\"", "state" },
		{ { NULL }, "state", "1", "state" },
		{ { NULL }, "settings", NULL, "settings: tax_percent" },
		{ { "settings" }, "interval_ms", "4294967296", "settings: interval_ms" },
		{ { "host" }, "capacity", "1.5", "host: capacity" },
		{ { "host" }, "now_ms", "null", "host: now_ms" },
		{ { NULL }, "guests", "{}", "guests" },
		{ { NULL }, "guests", "[1]", "guests: 0: name" },
		{ { "guests", "1" }, "name", "\"../x\"", "guests: 1: name" },
		{ { "guests", "1" }, "name", "\"a\"", "guests: 1: not in order" },
		{ { "guests", "1" }, "name", "\"db\"", "guests: 1: not in order" },
		{ { "guests", "0" }, "source", "\"guess\"", "guests: 0: source" },
		{ { "guests", "0" }, "target", "true", "guests: 0: target" },
		{ { "guests", "0" }, "hurts", "1", "guests: 0: hurts" },
		{ { "guests", "0" }, "seen", "[]", "guests: 0: seen: floor" },
		{ { "guests", "0", "seen" }, "weight", "null", "guests: 0: seen: weight" },
		{ { "guests", "0", "seen" }, "best_effort", NULL, "guests: 0: seen: best_effort" },
		{ { "guests", "1" }, "last", "1", "guests: 1: last" },
		{ { "guests", "1", "last" }, "guest", NULL, "guests: 1: last: guest" },
		{ { NULL }, "decisions", NULL, "decisions" },
		{ { "decisions", "1" }, "reason", "\"why\"", "decisions: 1: reason" },
		{ { "decisions", "1" }, "state", "\"\"", "decisions: 1: state" },
		{ { "decisions", "1" }, "whom", "\"\"", "decisions: 1: whom" },
		{ { "decisions", "1" }, "bytes", "-1", "decisions: 1: bytes" },
		{ { "decisions", "1" }, "text", "1", "decisions: 1: text" },
	};
	struct govern_record_guest guests[2];
	struct govern_record saved = a_record(guests);

	(void)state;
	assert_int_equal(govern_record_save(dir_fd, &saved, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_free_ char *damaged = NULL;
		json_t *json;
		json_t *at;

		assert_int_equal(govern_record_save(dir_fd, &saved, NULL), 0);
		assert_int_equal(
		    fdio_read_file(dir_fd, GOVERN_RECORD_FILE, FILE_MAX, &text, NULL, NULL), 0);
		at = json = json_loads(text, 0, NULL);
		for (size_t j = 0; j < 3 && rows[i].path[j]; j++)
			at = json_is_array(at)
				 ? json_array_get(at, strtoul(rows[i].path[j], NULL, 10))
				 : json_object_get(at, rows[i].path[j]);
		assert_true(json_is_object(at) && json_object_get(at, rows[i].member));
		if (rows[i].value)
			json_object_set_new(at, rows[i].member,
					    json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(at, rows[i].member);
		damaged = json_dumps(json, 0);
		json_decref(json);
		write_record(damaged);
		assert_refused(rows[i].named);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	struct govern_record_guest guests[2];
	struct govern_record saved = a_record(guests);
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *damaged = NULL;
	_cleanup_free_ char *longer = calloc(1, GOVERN_DECISION_TEXT_MAX + 1);
	_cleanup_(json_decrefp) json_t *json = NULL;
	json_t *decisions;

	(void)state;
	assert_int_equal(govern_record_save(dir_fd, &saved, NULL), 0);
	assert_int_equal(fdio_read_file(dir_fd, GOVERN_RECORD_FILE, FILE_MAX, &text, NULL, NULL),
			 0);
	json = json_loads(text, 0, NULL);
	decisions = json_object_get(json, "decisions");
	memset(longer, 'x', GOVERN_DECISION_TEXT_MAX);
	json_object_set_new(json_array_get(decisions, 0), "text", json_string(longer));
	damaged = json_dumps(json, 0);
	write_record(damaged);
	assert_refused("decisions: 0: text");

	json_object_set_new(json_array_get(decisions, 0), "text", json_string("short"));
	while (json_array_size(decisions) <= GOVERN_DECISIONS_MAX)
		json_array_append(decisions, json_array_get(decisions, 1));
	free(damaged);
	damaged = json_dumps(json, 0);
	write_record(damaged);
	assert_refused("decisions");
}

static void a_later_version_may_say_more(void **state)
{
	_cleanup_(govern_record_clear) struct govern_record loaded = { 0 };

	(void)state;
	write_record("{\"of a later version\": 1, \"time_ms\": 5, \"margin\": 1, \"wanted\": null, "
		     "\"settings\": {\"tax_percent\": 75, \"interval_ms\": 1}, \"host\": "
		     "{\"now_ms\": 1, \"capacity\": 2, \"used\": 3, \"available\": 4}, "
		     "\"state\": \"low\", \"guests\": [], \"decisions\": []}");
	assert_int_equal(govern_record_load(dir_fd, &loaded, NULL), 0);
	assert_int_equal(loaded.state, POLICY_LOW);
	assert_true(loaded.wanted == POLICY_UNKNOWN);
}

static void a_governor_runs_while_it_holds_its_lock(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	char pid[32];
	int fd = -1;
	int second = -1;

	(void)state;
	assert_false(govern_is_running(dir_fd));
	assert_int_equal(govern_lock(dir_fd, &fd, NULL), 0);
	assert_true(govern_is_running(dir_fd));
	assert_int_equal(govern_lock(dir_fd, &second, &err), -1);
	assert_int_equal(err_code(err), ERR_EXISTS);
	snprintf(pid, sizeof(pid), "(process %d)", (int)getpid());
	assert_non_null(strstr(err_message(err), pid));
	assert_int_equal(second, -1);
	/* Neither of them has taken it away. */
	assert_true(govern_is_running(dir_fd));
	close(fd);
	assert_false(govern_is_running(dir_fd));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		TEST(what_is_saved_comes_back_the_same),
		TEST(what_is_not_known_is_null_in_the_file),
		TEST(the_largest_record_can_be_read_again),
		TEST(without_a_governor_there_is_nothing_to_read),
		TEST(a_record_that_can_not_be_saved_leaves_the_old_one),
		TEST(a_file_that_is_no_record_is_named),
		TEST(each_member_is_checked_and_the_wrong_one_is_named),
		TEST(what_does_not_fit_is_refused),
		TEST(a_later_version_may_say_more),
		TEST(a_governor_runs_while_it_holds_its_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
