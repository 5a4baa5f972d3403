/* SPDX-License-Identifier: Apache-2.0 */
/* What lodge wrote last of a guest's promise: see promise_record.h. */
#include "api/promise_record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "machine/config.h"

#define NEW_FILE RUNDIR_PROMISE ".new"

enum { FILE_MAX = 65536 }; /* bytes */

static int fail(struct err **err, const char *path)
{
	return err_set(err, err_code_from_errno(errno), errno, "%s", path);
}

/* Whole or not at all, for who reads it meanwhile. */
static int write_whole(const char *path, const char *new_path, const json_t *json, struct err **err)
{
	_cleanup_close_ int fd = open(new_path,
				      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || json_dumpfd(json, fd, 0) < 0)
		return fail(err, new_path);
	return rename(new_path, path) < 0 ? fail(err, path) : 0;
}

int promise_record_write(const char *name, const struct promise *promise, struct err **err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *new_path = NULL;

	if (rundir_path(name, RUNDIR_PROMISE, &path, err) < 0 ||
	    rundir_path(name, NEW_FILE, &new_path, err) < 0)
		return -1;

	json_t *json = json_pack("{s:I, s:I}", "guarantee", (json_int_t)promise->guarantee,
				 "memory_limit", (json_int_t)promise->limit);
	int r = write_whole(path, new_path, json, err);

	json_decref(json);
	return r;
}

/* A file of the guest's runtime directory. */
static int read_json(const char *name, const char *file, json_t **ret_json, struct err **err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (rundir_path(name, file, &path, err) < 0 ||
	    fdio_read_file(AT_FDCWD, path, FILE_MAX, &text, &len, err) < 0)
		return -1;
	*ret_json = json_loadb(text, len, 0, NULL);
	return *ret_json ? 0 : err_set(err, ERR_FAILED, 0, "%s holds no JSON", path);
}

static int read_config(const char *name, struct promise *ret_promise, struct err **err)
{
	_cleanup_(vm_config_clear) struct vm_config config;
	_cleanup_err_ struct err *why = NULL;
	json_t *json;

	vm_config_init(&config);
	if (read_json(name, RUNDIR_CONFIG, &json, &why) < 0)
		return err_errno(why) == ENOENT
			   ? err_set(err, ERR_NOT_FOUND, 0, "no guest named %s", name)
			   : err_set(err, err_code(why), 0, "%s", err_message(why));

	int r = vm_config_from_json(&config, json, err);

	json_decref(json);
	if (r == 0)
		*ret_promise = vm_config_promise(&config);
	return r;
}

int promise_record_read(const char *name, struct promise *ret_promise, struct err **err)
{
	struct promise promise;
	json_t *noted;

	if (read_config(name, &promise, err) < 0)
		return -1;
	if (read_json(name, RUNDIR_PROMISE, &noted, NULL) == 0) {
		promise.guarantee = (uint64_t)json_integer_value(
		    json_object_get(noted, "guarantee"));
		promise.limit = (uint64_t)json_integer_value(
		    json_object_get(noted, "memory_limit"));
		json_decref(noted);
	}
	*ret_promise = promise;
	return 0;
}

/* The slice that the guest's group is in, from "/"; false if the guest has no group. */
static bool find_slice(const char *name, char slice[PATH_MAX])
{
	_cleanup_free_ char *link = NULL;
	ssize_t n = -1;

	if (rundir_path(name, RUNDIR_CGROUP, &link, NULL) == 0)
		n = readlink(link, slice, PATH_MAX - 1);
	if (n <= 0)
		return false;
	slice[n] = '\0';
	memmove(slice, slice + 1, (size_t)n);

	char *end = strrchr(slice, '/');

	if (!end)
		return false;
	*end = '\0';
	return true;
}

int promise_record_compare(int root_fd, const char *name,
			   struct ledger_change ret_changes[LEDGER_CHANGES_MAX], size_t *ret_n,
			   struct err **err)
{
	struct ledger_entry entry;
	struct promise written;
	char slice[PATH_MAX];

	*ret_n = 0;
	if (!find_slice(name, slice))
		return 0;
	if (promise_record_read(name, &written, err) < 0 ||
	    ledger_read_entry(root_fd, slice, name, &entry, err) < 0)
		return -1;
	*ret_n = ledger_compare(&entry, &written, ret_changes);
	return 0;
}
