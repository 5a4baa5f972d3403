/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's control group on a tree of plain files that stands for the host. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/guest_cgroup.h"
#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "files.h"
#include "host/cgroup.h"

#define MOUNT "sys/fs/cgroup"
#define SLICE MOUNT "/lodge.slice"

/* What a new group has in it. */
static const struct {
	const char *file;
	const char *text;
} new_group[] = {
	{ "cgroup.subtree_control", "" }, { "cgroup.events", "populated 0\nfrozen 0\n" },
	{ "cpu.weight", "100\n" },	  { "memory.current", "0\n" },
	{ "memory.stat", "file 0\n" },	  { "memory.min", "0\n" },
	{ "memory.max", "max\n" },	  { "memory.swap.current", "0\n" },
	{ "memory.swap.max", "max\n" },	  { "memory.oom.group", "0\n" },
};

static void make_group(const char *path, const char *controllers, const char *processes)
{
	files_dir(path);
	files_write_in(path, "cgroup.controllers", controllers);
	files_write_in(path, "cgroup.procs", processes);
	for (size_t i = 0; i < ARRAY_SIZE(new_group); i++)
		files_write_in(path, new_group[i].file, new_group[i].text);
}

/* The root of all groups has no limits. */
static void make_root(void)
{
	files_dir(MOUNT);
	files_write(MOUNT "/cgroup.controllers", "cpuset cpu io memory pids\n");
	files_write(MOUNT "/cgroup.procs", "1\n");
	files_write(MOUNT "/cgroup.subtree_control", "");
}

static void remove_files(const char *group)
{
	char file[128];

	for (size_t i = 0; i < ARRAY_SIZE(new_group); i++) {
		snprintf(file, sizeof(file), "%s/%s", group, new_group[i].file);
		unlinkat(files_root_fd, file, 0);
	}
	snprintf(file, sizeof(file), "%s/cgroup.controllers", group);
	unlinkat(files_root_fd, file, 0);
	snprintf(file, sizeof(file), "%s/cgroup.procs", group);
	unlinkat(files_root_fd, file, 0);
}

/* A host with version 2, and an empty group that a guest named web left. */
static int make_host(void **state)
{
	(void)state;
	if (files_make() < 0)
		return -1;
	files_dir("proc");
	files_dir("proc/self");
	files_write("proc/self/mounts", "cgroup2 /" MOUNT " cgroup2 rw 0 0\n");
	files_write("proc/meminfo", "MemTotal: 4194304 kB\nMemAvailable: 4000000 kB\n");
	files_write("proc/swaps", "Filename\n/dev/vda partition 2097152 0 -2\n");
	files_dir("sys");
	files_dir("sys/fs");
	make_root();
	make_group(SLICE, "cpu io memory\n", "");
	make_group(SLICE "/web", "cpu io memory\n", "");
	make_group(SLICE "/new", "cpu io memory\n", "");
	return 0;
}

static int remove_host(void **state)
{
	(void)state;
	return files_remove();
}

#define MIB (UINT64_C(1) << 20)

static const struct guest_cgroup_promise asked = {
	.promise = { .memory = 512 * MIB,
		     .limit = 512 * MIB,
		     .guarantee = 128 * MIB,
		     .overhead = 4 * MIB },
	.shares.weight = 200,
};
static const struct guest_cgroup_promise unprotected = {
	.promise = { .memory = 512 * MIB, .limit = 512 * MIB, .overhead = 4 * MIB },
	.shares.weight = 100,
};
static const struct guest_cgroup_promise best_effort = {
	.promise = { .memory = 512 * MIB,
		     .limit = 512 * MIB,
		     .overhead = 4 * MIB,
		     .best_effort = true },
	.shares.weight = 100,
};

static struct guest_cgroup *make_as(const char *name, const struct guest_cgroup_promise *promise)
{
	_cleanup_err_ struct err *err = NULL;
	struct guest_cgroup *cgroup = NULL;

	if (guest_cgroup_make(files_root_fd, name, promise, &cgroup, &err) < 0)
		fail_msg("%s", err_message(err));
	return cgroup;
}

static struct guest_cgroup *make(const char *name)
{
	return make_as(name, &asked);
}

static void assert_refused(const char *name, enum err_code code, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	struct guest_cgroup *cgroup = NULL;

	assert_int_equal(guest_cgroup_make(files_root_fd, name, &asked, &cgroup, &err), -1);
	assert_null(cgroup);
	assert_int_equal(err_code(err), code);
	assert_string_equal(err_message(err), message);
}

/* A child, that has the reason for not being in the group; NULL if it is. */
static void fork_child(struct guest_cgroup *cgroup, const char *reason)
{
	pid_t pid = guest_cgroup_fork(cgroup);
	int status;

	if (pid == 0) {
		const char *why = guest_cgroup_reason(cgroup);

		_exit(!reason == !why && (!reason || strstr(why, reason)) ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Nothing is promised without a group, and only who asks for nothing goes without. */
static void assert_none(const char *name, const char *reason)
{
	_cleanup_err_ struct err *err = NULL;
	struct guest_cgroup *cgroup = NULL;

	assert_int_equal(guest_cgroup_make(files_root_fd, name, &asked, &cgroup, &err), -1);
	if (!strstr(err_message(err), reason) || !strstr(err_message(err), "--best-effort"))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), reason);
	cgroup = make_as(name, &best_effort);

	assert_null(guest_cgroup_path(cgroup));
	assert_null(guest_cgroup_full_path(cgroup));
	if (!strstr(guest_cgroup_reason(cgroup), reason))
		fail_msg("\"%s\" doesn't say \"%s\"", guest_cgroup_reason(cgroup), reason);
	fork_child(cgroup, reason);
	guest_cgroup_discard(cgroup);
	guest_cgroup_leave(cgroup);
	guest_cgroup_free(cgroup);
}

/* Does somebody hold the slice's lock? */
static bool is_locked(void)
{
	_cleanup_close_ int fd = openat(files_root_fd, SLICE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static void an_empty_leftover_is_entered_and_removed_at_the_end(void **state)
{
	struct guest_cgroup *cgroup = make("web");

	(void)state;
	assert_string_equal(guest_cgroup_path(cgroup), "lodge.slice/web");
	assert_string_equal(guest_cgroup_full_path(cgroup), "/" SLICE "/web");
	assert_null(guest_cgroup_reason(cgroup));
	/* Here the kernel can't have the child born in it. */
	fork_child(cgroup, NULL);
	files_assert(SLICE "/web/cgroup.procs", "0");

	remove_files(SLICE "/web");
	guest_cgroup_leave(cgroup);
	guest_cgroup_free(cgroup);
	/* Out of the group and into the root, then away with it. */
	files_assert(MOUNT "/cgroup.procs", "0\n");
	assert_false(files_there(SLICE "/web"));
	assert_true(files_there(SLICE));
}

static void a_delegated_group_is_left_through_a_group_to_end_in(void **state)
{
	struct guest_cgroup *cgroup;

	(void)state;
	make_group(MOUNT "/hand", "cpu memory\n", "");
	make_group(MOUNT "/hand/lodge.slice", "cpu memory\n", "");
	make_group(MOUNT "/hand/lodge.slice/web", "cpu memory\n", "");
	make_group(MOUNT "/hand/lodge.slice/.end", "cpu memory\n", "");
	setenv("LODGE_CGROUP", "/hand", 1);
	cgroup = make_as("web", &unprotected);
	unsetenv("LODGE_CGROUP");
	assert_string_equal(guest_cgroup_path(cgroup), "hand/lodge.slice/web");
	files_assert(MOUNT "/hand/cgroup.subtree_control", "+cpu +memory");
	remove_files(MOUNT "/hand/lodge.slice/web");
	guest_cgroup_leave(cgroup);
	guest_cgroup_free(cgroup);
	files_assert(MOUNT "/hand/lodge.slice/.end/cgroup.procs", "0");
	files_assert(MOUNT "/cgroup.procs", "1\n");
	assert_false(files_there(MOUNT "/hand/lodge.slice/web"));
	/* Sweeping leaves it: others may be about to end. */
	assert_true(files_there(MOUNT "/hand/lodge.slice/.end"));
}

static void a_wrong_choice_of_a_group_isnt_best_effort(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct guest_cgroup *cgroup = NULL;

	(void)state;
	setenv("LODGE_CGROUP", "/none", 1);
	assert_int_equal(guest_cgroup_make(files_root_fd, "web", &best_effort, &cgroup, &err), -1);
	unsetenv("LODGE_CGROUP");
	assert_int_equal(err_code(err), ERR_USAGE);
}

static void controllers_are_handed_on_as_far_as_they_are_there(void **state)
{
	(void)state;
	guest_cgroup_free(make("web"));
	files_assert(MOUNT "/cgroup.subtree_control", "+cpu +io +memory +pids");
	files_assert(SLICE "/cgroup.subtree_control", "+cpu +io +memory");
}

static void controllers_that_are_on_are_left_alone(void **state)
{
	(void)state;
	files_write(MOUNT "/cgroup.subtree_control", "cpu io memory pids\n");
	files_write(SLICE "/cgroup.subtree_control", "memory\n");
	guest_cgroup_free(make("web"));
	files_assert(MOUNT "/cgroup.subtree_control", "cpu io memory pids\n");
	files_assert(SLICE "/cgroup.subtree_control", "+cpu +io");
}

static void a_group_with_processes_is_somebody_elses(void **state)
{
	(void)state;
	files_write(SLICE "/web/cgroup.procs", "4711\n4712\n");
	files_write(SLICE "/web/cgroup.events", "populated 1\nfrozen 0\n");
	assert_refused("web", ERR_EXISTS,
		       "a guest named web is running with another runtime directory: process "
		       "4711 is in its cgroup lodge.slice/web");
	files_assert(SLICE "/web/cgroup.procs", "4711\n4712\n");
}

static void a_host_without_version_2_runs_guests_without_a_group(void **state)
{
	(void)state;
	files_write("proc/self/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n");
	assert_none("web", "version 2 of cgroups is not mounted");
}

static void a_host_whose_version_2_lacks_memory_runs_guests_without_a_group(void **state)
{
	(void)state;
	files_write(MOUNT "/cgroup.controllers", "cpu io\n");
	assert_none("web", "/sys/fs/cgroup has no memory controller");
	files_write(MOUNT "/cgroup.controllers", "cpu io memory\n");
	files_write(SLICE "/cgroup.controllers", "cpu io\n");
	assert_none("web", "/sys/fs/cgroup/lodge.slice has no memory controller");
}

static void a_group_that_cant_be_entered_is_not_left_behind(void **state)
{
	struct guest_cgroup *cgroup = make("new");

	(void)state;
	remove_files(SLICE "/new");
	fork_child(cgroup, "lodge.slice/new/cgroup.procs: No such file");
	assert_false(files_there(SLICE "/new"));
	guest_cgroup_free(cgroup);
}

static void the_lock_is_held_from_making_to_the_fork(void **state)
{
	struct guest_cgroup *cgroup = make("web");

	(void)state;
	assert_true(is_locked());
	fork_child(cgroup, NULL);
	assert_false(is_locked());
	guest_cgroup_free(cgroup);
}

static void a_group_that_nobody_came_into_is_discarded(void **state)
{
	struct guest_cgroup *cgroup = make("new");

	(void)state;
	files_assert(SLICE "/memory.min", "138412032");
	remove_files(SLICE "/new");
	guest_cgroup_discard(cgroup);
	assert_false(files_there(SLICE "/new"));
	files_assert(SLICE "/memory.min", "038412032");
	assert_false(is_locked());
	guest_cgroup_free(cgroup);
}

static void a_promise_is_in_the_group_before_anybody_else_can_add_up(void **state)
{
	struct guest_cgroup *cgroup = make("web");

	(void)state;
	files_assert(SLICE "/web/memory.min", "138412032");
	files_assert(SLICE "/web/memory.max", "541065216");
	files_assert(SLICE "/web/memory.swap.max", "541065216");
	files_assert(SLICE "/web/memory.oom.group", "1\n");
	files_assert(SLICE "/web/cpu.weight", "200\n");
	/* What the host has less 256 MiB and a 32nd. */
	files_assert(SLICE "/memory.max", "3892314112");
	assert_true(is_locked());
	fork_child(cgroup, NULL);
	guest_cgroup_free(cgroup);
}

static void a_guest_of_best_effort_is_promised_nothing_and_never_swaps(void **state)
{
	(void)state;
	guest_cgroup_free(make_as("web", &best_effort));
	files_assert(SLICE "/web/memory.min", "0\n");
	files_assert(SLICE "/web/memory.max", "541065216");
	files_assert(SLICE "/web/memory.swap.max", "0ax\n");
	files_assert(SLICE "/memory.min", "0\n");
}

static void what_cant_be_promised_makes_no_group(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	struct guest_cgroup *cgroup = NULL;
	struct guest_cgroup_promise much = asked;

	(void)state;
	remove_files(SLICE "/new");
	assert_int_equal(unlinkat(files_root_fd, SLICE "/new", AT_REMOVEDIR), 0);
	much.promise.memory = much.promise.limit = UINT64_C(8) << 30;
	assert_int_equal(guest_cgroup_make(files_root_fd, "new", &much, &cgroup, &err), -1);
	assert_int_equal(err_code(err), ERR_REFUSED);
	assert_false(files_there(SLICE "/new"));
	assert_false(is_locked());
}

static void a_name_in_use_is_told_before_the_sum(void **state)
{
	(void)state;
	files_write(SLICE "/web/cgroup.procs", "4711\n");
	files_write(SLICE "/web/cgroup.events", "populated 1\n");
	files_write("proc/swaps", "Filename\n");
	files_write(SLICE "/memory.max", "1048576\n");
	assert_refused("web", ERR_EXISTS,
		       "a guest named web is running with another runtime directory: process "
		       "4711 is in its cgroup lodge.slice/web");
}

/* What a VM process that was killed leaves: a runtime directory with a link, and the group. */
static void make_dead(const char *target)
{
	char root[64];
	struct rundir *rundir = NULL;

	snprintf(root, sizeof(root), "%s/run", files_base);
	setenv("LODGE_RUNTIME_DIR", root, 1);
	assert_int_equal(rundir_create("web", &rundir, NULL), 0);
	assert_int_equal(rundir_link_cgroup(rundir, target, NULL), 0);
	rundir_free(rundir);
}

static void the_group_of_a_killed_guest_goes_with_its_directory(void **state)
{
	char path[64];

	(void)state;
	remove_files(SLICE "/web");
	snprintf(path, sizeof(path), "%s/" SLICE "/web", files_base);
	make_dead(path);
	assert_int_equal(rundir_reap("web", NULL), 0);
	assert_false(files_there(SLICE "/web"));
	assert_false(files_there("run/web"));
}

static void a_link_to_anything_but_a_guests_group_removes_nothing(void **state)
{
	char path[64];

	(void)state;
	files_dir("sys/empty");
	snprintf(path, sizeof(path), "%s/sys/empty", files_base);
	make_dead(path);
	assert_int_equal(rundir_reap("web", NULL), 0);
	assert_true(files_there("sys/empty"));
	assert_false(files_there("run/web"));
}

static void the_group_of_a_living_guest_stays(void **state)
{
	struct rundir *rundir = NULL;
	char path[64];

	(void)state;
	remove_files(SLICE "/web");
	snprintf(path, sizeof(path), "%s/" SLICE "/web", files_base);
	make_dead(path);
	assert_int_equal(rundir_create("web", &rundir, NULL), 0);
	assert_false(files_there(SLICE "/web"));
	files_dir(SLICE "/web");
	assert_int_equal(rundir_link_cgroup(rundir, path, NULL), 0);
	assert_int_equal(rundir_reap("web", NULL), 0);
	assert_true(files_there(SLICE "/web"));
	rundir_unlink_cgroup(rundir);
	rundir_remove(rundir);
	rundir_free(rundir);
	assert_true(files_there(SLICE "/web"));
}

int main(void)
{
#define host_test(f) cmocka_unit_test_setup_teardown(f, make_host, remove_host)
	const struct CMUnitTest tests[] = {
		host_test(an_empty_leftover_is_entered_and_removed_at_the_end),
		host_test(a_delegated_group_is_left_through_a_group_to_end_in),
		host_test(a_wrong_choice_of_a_group_isnt_best_effort),
		host_test(controllers_are_handed_on_as_far_as_they_are_there),
		host_test(controllers_that_are_on_are_left_alone),
		host_test(a_group_with_processes_is_somebody_elses),
		host_test(a_host_without_version_2_runs_guests_without_a_group),
		host_test(a_host_whose_version_2_lacks_memory_runs_guests_without_a_group),
		host_test(a_group_that_cant_be_entered_is_not_left_behind),
		host_test(the_lock_is_held_from_making_to_the_fork),
		host_test(a_group_that_nobody_came_into_is_discarded),
		host_test(a_promise_is_in_the_group_before_anybody_else_can_add_up),
		host_test(a_guest_of_best_effort_is_promised_nothing_and_never_swaps),
		host_test(what_cant_be_promised_makes_no_group),
		host_test(a_name_in_use_is_told_before_the_sum),
		host_test(the_group_of_a_killed_guest_goes_with_its_directory),
		host_test(a_link_to_anything_but_a_guests_group_removes_nothing),
		host_test(the_group_of_a_living_guest_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
