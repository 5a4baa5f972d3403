/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"

enum { CLAIMANTS = 16, ROUNDS = 10, WON = 10, LOST = 11, BROKE = 12 };

static char base[] = "/tmp/lodge-test-XXXXXX";
static char *root;

static void make_root_path(const char *name)
{
	free(root);
	assert_true(asprintf(&root, "%s/%s", base, name) > 0);
	setenv("LODGE_RUNTIME_DIR", root, 1);
}

static int set_up(void **state)
{
	static int n;
	char name[16];

	(void)state;
	snprintf(name, sizeof(name), "root%d", n++);
	make_root_path(name);
	return 0;
}

static int make_base(void **state)
{
	(void)state;
	return mkdtemp(base) ? 0 : -1;
}

static int remove_base(void **state)
{
	char command[64];

	(void)state;
	free(root);
	snprintf(command, sizeof(command), "rm -r %s", base);
	return system(command);
}

/* expected: the names, in order, with a space after each. */
static void assert_guests(const char *expected)
{
	char got[256] = "";
	char **names = NULL;
	size_t n = 0;

	assert_int_equal(rundir_list(&names, &n, NULL), 0);
	for (size_t i = 0; names && i < n; i++) {
		strncat(got, names[i], sizeof(got) - strlen(got) - 1);
		strncat(got, " ", sizeof(got) - strlen(got) - 1);
	}
	rundir_list_free(names, n);
	assert_string_equal(got, expected);
}

static struct rundir *claim(const char *name)
{
	_cleanup_err_ struct err *err = NULL;
	struct rundir *rundir = NULL;

	if (rundir_create(name, &rundir, &err) < 0)
		fail_msg("%s", err_message(err));
	return rundir;
}

static bool exists(const char *name)
{
	_cleanup_free_ char *path = NULL;

	assert_int_equal(rundir_path(name, NULL, &path, NULL), 0);
	return path && access(path, F_OK) == 0;
}

static void assert_error(struct err *err, enum err_code code, const char *message)
{
	assert_int_equal(err_code(err), code);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
	err_free(err);
}

/* A process that claims a name, says how that went through fd, and then waits to be killed. */
static pid_t fork_claimant(const char *name, const int go[2], int tell_fd)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;

	_cleanup_err_ struct err *err = NULL;
	struct rundir *rundir = NULL;
	char byte;
	char told = WON;
	int listen_fd;

	/* All start at once: when the other end of the pipe is closed. */
	close(go[1]);
	if (read(go[0], &byte, 1) != 0)
		_exit(1);
	if (rundir_create(name, &rundir, &err) < 0)
		told = err_code(err) == ERR_EXISTS ? LOST : BROKE;
	else if (rundir_listen(rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &listen_fd, NULL) < 0)
		told = BROKE;
	if (write(tell_fd, &told, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* Starts claimants of one name at once and gives the index of the one that got it. */
static int race(const char *name, pid_t pids[CLAIMANTS])
{
	int go[2];
	int tell[CLAIMANTS][2];
	int winner = -1;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	for (int i = 0; i < CLAIMANTS; i++) {
		assert_int_equal(pipe2(tell[i], O_CLOEXEC), 0);
		pids[i] = fork_claimant(name, go, tell[i][1]);
		close(tell[i][1]);
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < CLAIMANTS; i++) {
		char told = 0;

		assert_int_equal(read(tell[i][0], &told, 1), 1);
		close(tell[i][0]);
		assert_int_not_equal(told, BROKE);
		if (told != WON)
			continue;
		assert_int_equal(winner, -1);
		winner = i;
	}
	assert_int_not_equal(winner, -1);
	return winner;
}

static void kill_all(const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
}

static void one_of_many_gets_a_name(void **state)
{
	pid_t pids[CLAIMANTS];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		race("web", pids);
		assert_guests("web ");
		kill_all(pids, CLAIMANTS);
		/* What the winner left is now in the way of the next round. */
		assert_true(exists("web"));
	}
}

static void a_killed_guests_name_is_free_again(void **state)
{
	pid_t pids[CLAIMANTS];

	(void)state;

	int winner = race("web", pids);

	kill_all(&pids[winner], 1);
	pids[winner] = pids[CLAIMANTS - 1];
	rundir_free(claim("web"));
	kill_all(pids, CLAIMANTS - 1);
}

static void listing_clears_what_the_dead_left(void **state)
{
	struct rundir *b = claim("b");
	struct rundir *a = claim("a");
	struct rundir *dead = claim("dead");
	int fd = -1;

	(void)state;
	assert_int_equal(rundir_create_file(dead, RUNDIR_LOG, &fd, NULL), 0);
	close(fd);
	rundir_free(dead);
	assert_true(exists("dead"));
	assert_guests("a b ");
	assert_false(exists("dead"));
	rundir_free(a);
	rundir_free(b);
	assert_guests("");
}

static void no_directory_means_no_guests(void **state)
{
	(void)state;
	assert_guests("");
	assert_int_equal(rundir_reap("web", NULL), 0);
	assert_int_equal(access(root, F_OK), -1);
}

/* Reapers and claimants of the same names, each checking that what it holds isn't taken away. */
static void churn(void)
{
	for (int i = 0; i < 200; i++) {
		_cleanup_err_ struct err *err = NULL;
		const char *name = i % 2 ? "a" : "b";
		struct rundir *rundir = NULL;
		char **names = NULL;
		size_t n = 0;

		if (rundir_list(&names, &n, &err) < 0)
			_exit(1);
		rundir_list_free(names, n);
		if (rundir_create(name, &rundir, &err) < 0) {
			if (err_code(err) != ERR_EXISTS)
				_exit(2);
			continue;
		}

		int fd = -1;

		if (rundir_create_file(rundir, RUNDIR_LOG, &fd, NULL) < 0)
			_exit(3);
		close(fd);
		if (rundir_reap(name, NULL) < 0 || !exists(name))
			_exit(4);
		/* Every third ends like a process that was killed. */
		if (i % 3)
			rundir_remove(rundir);
		rundir_free(rundir);
	}
	_exit(0);
}

static void claiming_and_clearing_dont_disturb_each_other(void **state)
{
	pid_t pids[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			churn();
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_guests("");
}

static void removing_leaves_nothing(void **state)
{
	struct rundir *rundir = claim("web");
	int fd = -1;

	(void)state;
	assert_int_equal(rundir_listen(rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &fd, NULL), 0);
	close(fd);
	rundir_remove(rundir);
	assert_false(exists("web"));
	rundir_free(rundir);
}

static void a_directory_that_isnt_the_claimed_one_is_left_alone(void **state)
{
	struct rundir *old = claim("web");
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *aside = NULL;
	_cleanup_free_ char *aside_lock = NULL;

	(void)state;
	assert_int_equal(rundir_path("web", NULL, &path, NULL), 0);
	assert_int_equal(rundir_path("web.aside", NULL, &aside, NULL), 0);
	assert_int_equal(rundir_path("web.aside", "lock", &aside_lock, NULL), 0);
	assert_int_equal(rename(path, aside), 0);

	struct rundir *new = claim("web");

	rundir_remove(old);
	assert_true(exists("web"));
	assert_int_equal(access(aside_lock, F_OK), 0);
	rundir_free(old);
	rundir_free(new);
}

static void a_forked_process_keeps_the_claim(void **state)
{
	struct rundir *rundir = claim("web");
	_cleanup_err_ struct err *err = NULL;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	rundir_free(rundir);
	assert_int_equal(rundir_create("web", &rundir, &err), -1);
	assert_int_equal(err_code(err), ERR_EXISTS);
	assert_string_equal(err_message(err), "a guest named web is running");
	kill_all(&pid, 1);
	rundir_free(claim("web"));
}

static void names_are_checked_before_any_path_is_made(void **state)
{
	static const char *const bad[] = { "..", ".", "", "a/b", "../../etc", ".lock", "-x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rundir *rundir = NULL;
		struct err *err = NULL;
		int fd = -1;

		assert_int_equal(rundir_create(bad[i], &rundir, &err), -1);
		assert_error(err, ERR_USAGE, "name");
		err = NULL;
		assert_int_equal(rundir_reap(bad[i], &err), -1);
		assert_error(err, ERR_USAGE, "name");
		err = NULL;
		assert_int_equal(
		    rundir_connect(bad[i], RUNDIR_CONTROL, SOCK_SEQPACKET, -1, &fd, &err), -1);
		assert_error(err, ERR_USAGE, "name");
	}
	assert_int_equal(access(root, F_OK), -1);
}

static void others_cant_look_in(void **state)
{
	struct rundir *rundir = claim("web");
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *socket_path = NULL;
	struct stat status;
	mode_t mask = umask(0);
	int fd = -1;

	(void)state;
	assert_int_equal(rundir_listen(rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &fd, NULL), 0);
	close(fd);
	umask(mask);
	assert_int_equal(rundir_path("web", NULL, &path, NULL), 0);
	assert_int_equal(rundir_path("web", RUNDIR_CONTROL, &socket_path, NULL), 0);
	assert_int_equal(stat(root, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	assert_int_equal(stat(socket_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	rundir_free(rundir);
}

static void a_root_that_others_can_write_to_is_refused(void **state)
{
	struct rundir *rundir = NULL;
	struct err *err = NULL;

	(void)state;
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(chmod(root, 0777), 0);
	assert_int_equal(rundir_create("web", &rundir, &err), -1);
	assert_error(err, ERR_DENIED, "must belong to you");
}

static void a_link_isnt_followed(void **state)
{
	struct rundir *rundir = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *precious = NULL;

	(void)state;
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(rundir_path("web", NULL, &path, NULL), 0);
	assert_true(asprintf(&precious, "%s/precious", base) > 0);
	assert_int_equal(mkdir(precious, 0700), 0);
	assert_int_equal(symlink(precious, path), 0);
	assert_int_equal(rundir_create("web", &rundir, NULL), -1);
	assert_guests("");
	assert_int_equal(access(precious, F_OK), 0);
}

static void a_long_root_works(void **state)
{
	char long_name[201];
	int listen_fd = -1;
	int fd = -1;

	(void)state;
	memset(long_name, 'r', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	make_root_path(long_name);

	struct rundir *rundir = claim("web");

	assert_int_equal(rundir_listen(rundir, RUNDIR_CONSOLE, SOCK_STREAM, &listen_fd, NULL), 0);
	assert_int_equal(rundir_connect("web", RUNDIR_CONSOLE, SOCK_STREAM, 1000, &fd, NULL), 0);
	close(fd);
	close(listen_fd);
	rundir_remove(rundir);
	rundir_free(rundir);
}

static void connecting_tells_dead_from_not_ready(void **state)
{
	struct rundir *rundir = claim("web");
	struct err *err = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(rundir_connect("web", RUNDIR_CONTROL, SOCK_SEQPACKET, -1, &fd, &err), -1);
	assert_error(err, ERR_STATE, "just starting or ending");
	err = NULL;
	assert_int_equal(rundir_connect("nobody", RUNDIR_CONTROL, SOCK_SEQPACKET, -1, &fd, &err),
			 -1);
	assert_error(err, ERR_NOT_FOUND, "no guest named nobody");
	err = NULL;
	rundir_free(rundir);
	assert_int_equal(rundir_connect("web", RUNDIR_CONTROL, SOCK_SEQPACKET, -1, &fd, &err), -1);
	assert_error(err, ERR_NOT_FOUND, "no guest named web");
	assert_false(exists("web"));
}

static void the_root_is_found_by_the_environment(void **state)
{
	char *path = NULL;
	struct err *err = NULL;

	(void)state;
	setenv("LODGE_RUNTIME_DIR", "here", 1);
	assert_int_equal(rundir_root(&path, &err), -1);
	assert_error(err, ERR_USAGE, "must be an absolute path");
	unsetenv("LODGE_RUNTIME_DIR");
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	assert_int_equal(rundir_root(&path, NULL), 0);
	assert_string_equal(path, geteuid() == 0 ? "/run/lodge" : "/run/user/1/lodge");
	free(path);
	unsetenv("XDG_RUNTIME_DIR");
	if (geteuid() != 0) {
		err = NULL;
		assert_int_equal(rundir_root(&path, &err), -1);
		assert_error(err, ERR_USAGE, "set LODGE_RUNTIME_DIR");
	}
}

static void json_is_written_once(void **state)
{
	struct rundir *rundir = claim("web");
	_cleanup_free_ char *path = NULL;
	json_t *json = json_pack("{s:i}", "cpus", 2);

	(void)state;
	assert_int_equal(rundir_write_json(rundir, RUNDIR_CONFIG, json, NULL), 0);
	assert_int_equal(rundir_write_json(rundir, RUNDIR_CONFIG, json, NULL), -1);
	assert_int_equal(rundir_path("web", RUNDIR_CONFIG, &path, NULL), 0);

	json_t *read = json_load_file(path, 0, NULL);

	assert_true(json_equal(json, read));
	json_decref(read);
	json_decref(json);
	rundir_free(rundir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_of_many_gets_a_name, set_up),
		cmocka_unit_test_setup(a_killed_guests_name_is_free_again, set_up),
		cmocka_unit_test_setup(listing_clears_what_the_dead_left, set_up),
		cmocka_unit_test_setup(no_directory_means_no_guests, set_up),
		cmocka_unit_test_setup(claiming_and_clearing_dont_disturb_each_other, set_up),
		cmocka_unit_test_setup(removing_leaves_nothing, set_up),
		cmocka_unit_test_setup(a_directory_that_isnt_the_claimed_one_is_left_alone, set_up),
		cmocka_unit_test_setup(a_forked_process_keeps_the_claim, set_up),
		cmocka_unit_test_setup(names_are_checked_before_any_path_is_made, set_up),
		cmocka_unit_test_setup(others_cant_look_in, set_up),
		cmocka_unit_test_setup(a_root_that_others_can_write_to_is_refused, set_up),
		cmocka_unit_test_setup(a_link_isnt_followed, set_up),
		cmocka_unit_test_setup(a_long_root_works, set_up),
		cmocka_unit_test_setup(connecting_tells_dead_from_not_ready, set_up),
		cmocka_unit_test_setup(the_root_is_found_by_the_environment, set_up),
		cmocka_unit_test_setup(json_is_written_once, set_up),
	};

	return cmocka_run_group_tests(tests, make_base, remove_base);
}
