/* SPDX-License-Identifier: Apache-2.0 */
/* Where the ledger is, on a tree of plain files that stands for the host: at the root of all
 * groups, or in one that was delegated to the user. A file that isn't there is one that the user
 * may not write to, which needs no other user for the tests. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "files.h"
#include "ledger/place.h"

#define MOUNT "sys/fs/cgroup"
#define USER  MOUNT "/user.slice/user-1000.slice"

static char manager[64]; /* the user's service manager, as the one who runs the test */

static void make_group(const char *group)
{
	files_dir(group);
	files_write_in(group, "cgroup.controllers", "cpu memory pids\n");
	files_write_in(group, "cgroup.type", "domain\n");
}

/* What the user may write to. */
static void give(const char *group)
{
	files_write_in(group, "cgroup.procs", "");
	files_write_in(group, "cgroup.subtree_control", "");
}

static void be_in(const char *group)
{
	char text[PATH_MAX + 32];

	snprintf(text, sizeof(text), "1:net_cls:/\n0::%s\n", group);
	files_write("proc/self/cgroup", text);
}

/* A host as systemd makes it, where a user has a login session and a service manager. */
static int make_host(void **state)
{
	(void)state;
	unsetenv("LODGE_CGROUP");
	if (files_make() < 0)
		return -1;
	files_dir("proc");
	files_dir("proc/self");
	files_write("proc/self/mounts", "cgroup2 /" MOUNT " cgroup2 rw 0 0\n");
	files_dir("sys");
	files_dir("sys/fs");
	make_group(MOUNT);
	files_unlink(MOUNT "/cgroup.type");
	make_group(MOUNT "/user.slice");
	make_group(USER);
	make_group(USER "/session-3.scope");
	snprintf(manager, sizeof(manager), USER "/user@%u.service", (unsigned)geteuid());
	make_group(manager);
	give(manager);
	be_in("/user.slice/user-1000.slice/session-3.scope");
	return 0;
}

static int remove_host(void **state)
{
	(void)state;
	unsetenv("LODGE_CGROUP");
	return files_remove();
}

static struct ledger_place place_of_own(void)
{
	_cleanup_err_ struct err *err = NULL;
	struct ledger_place place;

	if (ledger_find_own(files_root_fd, &place, &err) < 0)
		fail_msg("%s", err_message(err));
	return place;
}

static void assert_none(enum err_code code, const char *words)
{
	_cleanup_err_ struct err *err = NULL;
	struct ledger_place place;

	assert_int_equal(ledger_find_own(files_root_fd, &place, &err), -1);
	assert_int_equal(err_code(err), code);
	if (!strstr(err_message(err), words))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), words);
}

/* Who looks sees what who starts a guest uses. */
static void assert_seen(const char *slice)
{
	char seen[LEDGER_SLICE_MAX];

	assert_int_equal(ledger_find(files_root_fd, seen, NULL), 0);
	assert_string_equal(seen, slice);
}

static void in_manager(const char *below, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s%s", manager, below);
}

static void who_may_write_at_the_root_has_it_there(void **state)
{
	(void)state;
	give(MOUNT);

	struct ledger_place place = place_of_own();

	assert_string_equal(place.slice, MOUNT "/lodge.slice");
	assert_string_equal(place.parent, MOUNT);
	assert_int_equal(place.mount_len, strlen(MOUNT));
	assert_true(place.at_root);
	assert_seen(MOUNT "/lodge.slice");
}

static void a_root_that_is_a_containers_is_a_group_like_others(void **state)
{
	(void)state;
	give(MOUNT);
	files_write(MOUNT "/cgroup.type", "domain\n");
	assert_false(place_of_own().at_root);
	files_write(MOUNT "/cgroup.procs", "1\n");
	assert_none(ERR_FAILED, "/sys/fs/cgroup has processes in it (1)");
}

static void a_user_has_it_in_the_highest_group_that_is_theirs(void **state)
{
	char group[PATH_MAX];
	char slice[PATH_MAX];

	(void)state;
	in_manager("/app.slice", group);
	make_group(group);
	give(group);
	be_in(group + strlen(MOUNT));

	struct ledger_place place = place_of_own();

	in_manager("/lodge.slice", slice);
	assert_string_equal(place.slice, slice);
	assert_string_equal(place.parent, manager);
	assert_false(place.at_root);
	assert_seen(slice);
}

static void a_group_without_memory_is_passed_over(void **state)
{
	char group[PATH_MAX];

	(void)state;
	files_write_in(manager, "cgroup.controllers", "cpu pids\n");
	in_manager("/app.slice", group);
	make_group(group);
	give(group);
	be_in(group + strlen(MOUNT));
	assert_string_equal(place_of_own().parent, group);
	files_write_in(group, "cgroup.controllers", "cpu pids\n");
	assert_none(ERR_DENIED, "has the memory controller");
}

static void a_login_session_sees_it_and_is_told_how_to_start_guests_there(void **state)
{
	char slice[PATH_MAX];

	(void)state;
	in_manager("/lodge.slice", slice);
	assert_seen(slice);
	assert_none(ERR_DENIED, "this process is in /user.slice/user-1000.slice/session-3.scope, "
				"from where it can't come into ");
	assert_none(ERR_DENIED, "systemd-run --user --scope -p Delegate=yes lodge run ...");
	/* It could if the processes of what is above both were the user's. */
	files_write(USER "/cgroup.procs", "");
	assert_string_equal(place_of_own().parent, manager);
}

static void a_user_without_a_group_is_told_what_to_do_and_may_look_at_the_roots(void **state)
{
	(void)state;
	be_in("/");
	assert_none(ERR_DENIED, "this user may not change /sys/fs/cgroup");
	assert_none(ERR_DENIED, "systemd-run --user --scope -p Delegate=yes lodge run ...");
	assert_seen(MOUNT "/lodge.slice");
	files_unlink("proc/self/cgroup");
	assert_none(ERR_DENIED, "above this process (/)");
}

static void a_group_with_processes_cant_hand_controllers_on(void **state)
{
	(void)state;
	be_in(manager + strlen(MOUNT));
	files_write_in(manager, "cgroup.procs", "4711\n4712\n");
	assert_none(ERR_FAILED,
		    "has processes in it (4711), so it can't hand its memory controller "
		    "on: ");
	/* One that does so already has them in spite of that: the kernel's affair. */
	files_write_in(manager, "cgroup.subtree_control", "memory\n");
	assert_string_equal(place_of_own().parent, manager);
}

static void a_group_that_was_chosen_is_taken(void **state)
{
	static const char *const ways[] = { "/by/hand", "by/hand", "by/hand/" };

	(void)state;
	give(MOUNT);
	make_group(MOUNT "/by");
	make_group(MOUNT "/by/hand");
	give(MOUNT "/by/hand");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		setenv("LODGE_CGROUP", ways[i], 1);
		assert_string_equal(place_of_own().slice, MOUNT "/by/hand/lodge.slice");
		assert_seen(MOUNT "/by/hand/lodge.slice");
	}
	setenv("LODGE_CGROUP", "/", 1);
	assert_string_equal(place_of_own().slice, MOUNT "/lodge.slice");
	setenv("LODGE_CGROUP", "", 1);
	assert_string_equal(place_of_own().slice, MOUNT "/lodge.slice");
}

static void a_choice_that_is_no_group_or_leads_out_is_refused(void **state)
{
	static const char *const wrong[] = { "..", "a/../..", "./a", "a//b", "//", "a/." };
	char seen[LEDGER_SLICE_MAX];
	char long_path[300];

	(void)state;
	give(MOUNT);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		setenv("LODGE_CGROUP", wrong[i], 1);
		assert_none(ERR_USAGE, "is no path of a cgroup");
		assert_int_equal(ledger_find(files_root_fd, seen, NULL), -1);
	}
	setenv("LODGE_CGROUP", "/none", 1);
	assert_none(ERR_USAGE, "LODGE_CGROUP: there is no cgroup /sys/fs/cgroup/none");
	memset(long_path, 'a', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	setenv("LODGE_CGROUP", long_path, 1);
	assert_none(ERR_USAGE, "is no path of a cgroup");
}

static void a_choice_that_cant_be_used_says_why(void **state)
{
	(void)state;
	make_group(MOUNT "/hand");
	setenv("LODGE_CGROUP", "/hand", 1);
	assert_none(ERR_DENIED, "this user may not change /sys/fs/cgroup/hand");
	assert_seen(MOUNT "/hand/lodge.slice");
	give(MOUNT "/hand");
	assert_none(ERR_DENIED, "start it in a group below that");
	be_in("/hand/shell");
	assert_string_equal(place_of_own().parent, MOUNT "/hand");
	files_write(MOUNT "/hand/cgroup.controllers", "cpu\n");
	assert_none(ERR_FAILED, "/sys/fs/cgroup/hand has no memory controller");
}

static void names_that_only_begin_alike_are_different_groups(void **state)
{
	(void)state;
	make_group(MOUNT "/hand");
	give(MOUNT "/hand");
	setenv("LODGE_CGROUP", "/hand", 1);
	be_in("/hands");
	assert_none(ERR_DENIED, "can't come into /hand:");
	be_in("/hand");
	assert_string_equal(place_of_own().parent, MOUNT "/hand");
}

static void a_host_of_version_1_is_told_apart(void **state)
{
	(void)state;
	give(MOUNT);
	files_write("proc/self/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n");
	assert_none(ERR_FAILED, "version 2 of cgroups is not mounted");
	files_write("proc/self/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
					"cgroup2 /" MOUNT " cgroup2 rw 0 0\n");
	files_write(MOUNT "/cgroup.controllers", "pids\n");
	assert_none(ERR_FAILED,
		    "/sys/fs/cgroup has no memory controller, which version 1 of cgroups has");
}

int main(void)
{
#define host_test(f) cmocka_unit_test_setup_teardown(f, make_host, remove_host)
	const struct CMUnitTest tests[] = {
		host_test(who_may_write_at_the_root_has_it_there),
		host_test(a_root_that_is_a_containers_is_a_group_like_others),
		host_test(a_user_has_it_in_the_highest_group_that_is_theirs),
		host_test(a_group_without_memory_is_passed_over),
		host_test(a_login_session_sees_it_and_is_told_how_to_start_guests_there),
		host_test(a_user_without_a_group_is_told_what_to_do_and_may_look_at_the_roots),
		host_test(a_group_with_processes_cant_hand_controllers_on),
		host_test(a_group_that_was_chosen_is_taken),
		host_test(a_choice_that_is_no_group_or_leads_out_is_refused),
		host_test(a_choice_that_cant_be_used_says_why),
		host_test(names_that_only_begin_alike_are_different_groups),
		host_test(a_host_of_version_1_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
