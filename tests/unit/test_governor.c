/* SPDX-License-Identifier: Apache-2.0 */
/* The governor around its policy: what it sees, what it writes, and what it remembers. The kernel's
 * files are plain ones in a directory, of a kernel without an advisor. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "base/log.h"
#include "govern/governor.h"
#include "govern/ksm_act.h"
#include "govern/notify.h"
#include "govern/view.h"

static char base[64];
static int root_fd = -1;
static struct rundir *guests[4];
static size_t n_guests;

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
					0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* What is written to a plain file leaves what was longer before, so only the start counts. */
static bool starts_with(const char *path, const char *text)
{
	_cleanup_free_ char *content = NULL;

	assert_int_equal(fdio_read_file(root_fd, path, 65536, &content, NULL, NULL), 0);
	return strncmp(content, text, strlen(text)) == 0;
}

static bool is_there(const char *path)
{
	return faccessat(root_fd, path, F_OK, 0) == 0;
}

static int make_host(void **state)
{
	char path[128];

	(void)state;
	snprintf(base, sizeof(base), "/tmp/lodge-test-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	root_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(root_fd, "sys", 0700);
	mkdirat(root_fd, "sys/kernel", 0700);
	mkdirat(root_fd, "sys/kernel/mm", 0700);
	mkdirat(root_fd, "sys/kernel/mm/ksm", 0700);
	mkdirat(root_fd, "proc", 0700);
	write_file("sys/kernel/mm/ksm/run", "0\n");
	write_file("sys/kernel/mm/ksm/pages_to_scan", "9\n");
	write_file("sys/kernel/mm/ksm/sleep_millisecs", "7\n");
	write_file("sys/kernel/mm/ksm/full_scans", "3\n");
	snprintf(path, sizeof(path), "%s/run", base);
	setenv("LODGE_RUNTIME_DIR", path, 1);
	return 0;
}

static void end_guests(void)
{
	for (size_t i = 0; i < n_guests; i++) {
		rundir_remove(guests[i]);
		rundir_free(guests[i]);
	}
	n_guests = 0;
}

static int remove_host(void **state)
{
	char command[128];

	(void)state;
	end_guests();
	close(root_fd);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static void start_guest(const char *name, const char *config)
{
	json_t *json = json_loads(config, 0, NULL);

	assert_non_null(json);
	assert_int_equal(rundir_create(name, &guests[n_guests], NULL), 0);
	assert_int_equal(rundir_write_json(guests[n_guests++], RUNDIR_CONFIG, json, NULL), 0);
	json_decref(json);
}

#define MERGING "{\"memory\": 268435456, \"merge\": true, \"of a later version\": 1}"

static int run(bool dry_run, struct err **err)
{
	struct governor_options options = { .once = true, .dry_run = dry_run, .interval_s = 1 };

	return governor_run(root_fd, &options, err);
}

static void ksm_is_read_as_the_kernel_shows_it(void **state)
{
	_cleanup_close_ int tree = open(TEST_SOURCE_DIR "/trees/governed",
					O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(govern_view_clear) struct govern_view view = { 0 };
	pid_t ksmd = 0;

	(void)state;
	assert_int_equal(govern_view_read(tree, &ksmd, &view, NULL), 0);
	assert_true(view.has_ksm);
	assert_int_equal(view.knobs[KSM_RUN], 1);
	assert_int_equal(view.knobs[KSM_ADVISOR_MODE], KSM_ADVISOR_SCAN_TIME);
	assert_int_equal(view.knobs[KSM_ADVISOR_TARGET], 60);
	assert_int_equal(view.knobs[KSM_ADVISOR_MAX_CPU], 20);
	assert_int_equal(view.knobs[KSM_ADVISOR_MIN_PAGES], 123);
	assert_int_equal(view.knobs[KSM_ADVISOR_MAX_PAGES], 124);
	assert_int_equal(view.knobs[KSM_PAGES_TO_SCAN], 119);
	assert_int_equal(view.knobs[KSM_SLEEP_MS], 21);
	assert_int_equal(view.full_scans, 7);
	assert_int_equal(view.pages_saved, 4500);
	assert_int_equal(view.pages_tracked, 6130);
	assert_int_equal(ksmd, 37);
	assert_int_equal(view.ksmd_ms, 3340);
}

static void guests_are_seen_with_what_they_want(void **state)
{
	_cleanup_(govern_view_clear) struct govern_view view = { 0 };
	pid_t ksmd = 0;

	(void)state;
	start_guest("a", MERGING);
	start_guest("b", "{\"memory\": 1048576, \"merge\": false}");
	start_guest("c", "{}");
	assert_int_equal(rundir_create("starting", &guests[n_guests++], NULL), 0);
	assert_int_equal(govern_view_read(root_fd, &ksmd, &view, NULL), 0);
	assert_int_equal(view.n_guests, 3);
	assert_string_equal(view.guests[0].name, "a");
	assert_true(view.guests[0].merge);
	assert_int_equal(view.guests[0].memory, 268435456);
	assert_true(view.guests[0].started_ns > 0);
	assert_false(view.guests[1].merge);
	assert_false(view.guests[2].merge);
	assert_int_equal(view.knobs[KSM_ADVISOR_MODE], HOST_UNKNOWN);
	assert_int_equal(view.ksmd_ms, HOST_UNKNOWN);
}

static void what_was_switched_on_is_switched_off_by_the_next_one(void **state)
{
	(void)state;
	start_guest("a", MERGING);
	assert_int_equal(run(false, NULL), 0);
	assert_true(starts_with("sys/kernel/mm/ksm/run", "1"));
	assert_false(starts_with("sys/kernel/mm/ksm/sleep_millisecs", "7"));
	assert_true(is_there("run/" GOVERN_STATE_FILE));
	/* One that takes over has nothing to change, though KSM has hardly begun. */
	write_file("sys/kernel/mm/ksm/run", "1\n");
	write_file("sys/kernel/mm/ksm/pages_shared", "6\n");
	assert_int_equal(run(false, NULL), 0);
	assert_true(starts_with("sys/kernel/mm/ksm/sleep_millisecs", "91"));
	end_guests();
	assert_int_equal(run(false, NULL), 0);
	assert_true(starts_with("sys/kernel/mm/ksm/run", "0"));
}

static void without_what_was_written_down_ksm_is_somebody_else_s(void **state)
{
	(void)state;
	start_guest("a", MERGING);
	assert_int_equal(run(false, NULL), 0);
	write_file("run/" GOVERN_STATE_FILE, "{\"ksm\": 3}");
	end_guests();
	assert_int_equal(run(false, NULL), 0);
	assert_true(starts_with("sys/kernel/mm/ksm/run", "1"));
}

static void a_dry_run_writes_nothing_at_all(void **state)
{
	(void)state;
	assert_int_equal(run(true, NULL), 0);
	assert_false(is_there("run"));
	start_guest("a", MERGING);
	assert_int_equal(run(true, NULL), 0);
	assert_true(starts_with("sys/kernel/mm/ksm/run", "0"));
	assert_true(starts_with("sys/kernel/mm/ksm/pages_to_scan", "9"));
	assert_false(is_there("run/" GOVERN_STATE_FILE));
}

static void a_setting_that_cannot_be_written_is_named_and_tried_again(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct ksm_plan plan = { .n_writes = 2,
				 .writes = { { KSM_ADVISOR_TARGET, 60 }, { KSM_RUN, 1 } } };
	struct ksm_memory memory = { 0 };
	struct ksm_memory loaded;

	(void)state;
	plan.memory.knobs[KSM_RUN] = (struct ksm_held){ .held = true, .written = 1 };
	assert_int_equal(govern_act(root_fd, root_fd, &plan, &memory, &err), -1);
	assert_non_null(strstr(err_message(err), "advisor_target_scan_time"));
	/* The other one is written all the same, and known to be ours. */
	assert_true(starts_with("sys/kernel/mm/ksm/run", "1"));
	assert_true(memory.knobs[KSM_RUN].held);
	assert_false(memory.knobs[KSM_RUN].done);
	govern_load(root_fd, &loaded);
	assert_true(loaded.knobs[KSM_RUN].held);
}

static void what_is_kept_comes_back_as_it_was(void **state)
{
	struct ksm_plan plan = { 0 };
	struct ksm_memory memory = { 0 };
	struct ksm_memory loaded;

	(void)state;
	plan.memory.knobs[KSM_RUN] = (struct ksm_held){ .held = true, .written = 1 };
	plan.memory.knobs[KSM_SLEEP_MS] = (struct ksm_held){
		.held = true, .yielded = true, .found = 20, .written = 500
	};
	plan.memory.hands_off = true;
	plan.memory.seen = true;
	plan.memory.full_scans = 12;
	plan.memory.pages_saved = 34567;
	plan.memory.fast_scans = 2;
	plan.memory.level = 1;
	plan.memory.idle_scans = 1;
	plan.memory.newest_ns = UINT64_C(1790000000123456789);
	assert_int_equal(govern_act(root_fd, root_fd, &plan, &memory, NULL), 0);
	govern_load(root_fd, &loaded);
	assert_true(loaded.knobs[KSM_RUN].done);
	assert_true(loaded.knobs[KSM_SLEEP_MS].yielded);
	assert_int_equal(loaded.knobs[KSM_SLEEP_MS].found, 20);
	assert_int_equal(loaded.knobs[KSM_SLEEP_MS].written, 500);
	assert_false(loaded.knobs[KSM_PAGES_TO_SCAN].held);
	assert_true(loaded.hands_off);
	assert_true(loaded.seen);
	assert_int_equal(loaded.full_scans, 12);
	assert_int_equal(loaded.pages_saved, 34567);
	assert_int_equal(loaded.fast_scans, 2);
	assert_int_equal(loaded.level, 1);
	assert_int_equal(loaded.idle_scans, 1);
	assert_true(loaded.newest_ns == plan.memory.newest_ns);
	/* Also what changes alone. */
	plan.memory = memory;
	plan.memory.newest_ns++;
	assert_int_equal(govern_act(root_fd, root_fd, &plan, &memory, NULL), 0);
	govern_load(root_fd, &loaded);
	assert_true(loaded.newest_ns == plan.memory.newest_ns);
	plan.memory = memory;
	plan.memory.hands_off = false;
	assert_int_equal(govern_act(root_fd, root_fd, &plan, &memory, NULL), 0);
	govern_load(root_fd, &loaded);
	assert_false(loaded.hands_off);
}

static void a_kernel_without_ksm_is_named(void **state)
{
	_cleanup_err_ struct err *err = NULL;

	(void)state;
	unlinkat(root_fd, "sys/kernel/mm/ksm/run", 0);
	assert_int_equal(run(false, &err), -1);
	assert_int_equal(err_code(err), ERR_FAILED);
	assert_non_null(strstr(err_message(err), "no KSM"));
}

/* A governor in a process of its own, which tells its manager on the socket. */
static pid_t start_loop(const char *watchdog_us)
{
	struct governor_options options = { .interval_s = 1 };
	char path[128];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(path, sizeof(path), "%s/notify", base);
	setenv("NOTIFY_SOCKET", path, 1);
	if (watchdog_us)
		setenv("WATCHDOG_USEC", watchdog_us, 1);
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
	_exit(governor_run(root_fd, &options, NULL) == 0 ? 0 : 1);
}

static int listen_for_notes(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", base);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void expect_note(int fd, const char *wanted)
{
	char note[64] = "";

	alarm(20);
	assert_true(recv(fd, note, sizeof(note) - 1, 0) > 0);
	alarm(0);
	assert_string_equal(note, wanted);
}

static void the_manager_hears_of_it_and_sigterm_ends_it_well(void **state)
{
	_cleanup_close_ int notes = listen_for_notes();
	int status = -1;

	(void)state;
	start_guest("a", MERGING);

	pid_t pid = start_loop("200000");

	expect_note(notes, "READY=1");
	assert_true(starts_with("sys/kernel/mm/ksm/run", "1"));
	expect_note(notes, "WATCHDOG=1");
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* Guests run on. */
	assert_true(starts_with("sys/kernel/mm/ksm/run", "1"));
}

static void there_is_one_at_a_time_and_a_killed_one_is_none(void **state)
{
	_cleanup_close_ int notes = listen_for_notes();
	_cleanup_err_ struct err *err = NULL;
	char process[32];
	int status;

	(void)state;
	pid_t pid = start_loop(NULL);

	expect_note(notes, "READY=1");
	assert_int_equal(run(false, &err), -1);
	assert_int_equal(err_code(err), ERR_EXISTS);
	snprintf(process, sizeof(process), "(process %d)", (int)pid);
	assert_non_null(strstr(err_message(err), process));
	assert_int_equal(run(true, NULL), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(run(false, NULL), 0);
}

static void a_watchdog_of_another_process_is_not_fed(void **state)
{
	char pid[16];

	(void)state;
	setenv("WATCHDOG_USEC", "3000000", 1);
	assert_int_equal(notify_watchdog_us(), 1500000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_us(), 1500000);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(notify_watchdog_us(), 0);
}

#define on_a_host(test) cmocka_unit_test_setup_teardown(test, make_host, remove_host)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_a_host(ksm_is_read_as_the_kernel_shows_it),
		on_a_host(guests_are_seen_with_what_they_want),
		on_a_host(what_was_switched_on_is_switched_off_by_the_next_one),
		on_a_host(without_what_was_written_down_ksm_is_somebody_else_s),
		on_a_host(a_dry_run_writes_nothing_at_all),
		on_a_host(a_setting_that_cannot_be_written_is_named_and_tried_again),
		on_a_host(what_is_kept_comes_back_as_it_was),
		on_a_host(a_kernel_without_ksm_is_named),
		on_a_host(the_manager_hears_of_it_and_sigterm_ends_it_well),
		on_a_host(there_is_one_at_a_time_and_a_killed_one_is_none),
		on_a_host(a_watchdog_of_another_process_is_not_fed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
