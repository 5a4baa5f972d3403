/* SPDX-License-Identifier: Apache-2.0 */
/* Where the ledger is: see place.h. */
#include "ledger/place.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/cgroup.h"
#include "host/cgroup_memory.h"
#include "host/file.h"

#define SYSTEMD_RUN "systemd-run --user --scope -p Delegate=yes lodge run ..."

/* Groups are named by their paths in the hierarchy: "" is its root, "/user.slice" in that. */
struct search {
	int root_fd;
	struct host_cgroup host;
	char own[HOST_CGROUP_PATH_MAX];	  /* the group that this process is in */
	char found[HOST_CGROUP_PATH_MAX]; /* the one that the slice is in */
};

static const char *file_of(const struct search *s, const char *group, const char *file,
			   char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s%s%s%s", s->host.mount, group, *file ? "/" : "", file);
	return path;
}

static bool is_there(const struct search *s, const char *group)
{
	char path[PATH_MAX];

	return host_exists(s->root_fd, file_of(s, group, "cgroup.controllers", path));
}

static bool is_ours(const struct search *s, const char *group)
{
	static const char *const files[] = { "", "cgroup.procs", "cgroup.subtree_control" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!host_writable(s->root_fd, file_of(s, group, files[i], path)))
			return false;
	return true;
}

/* Whether a group's file of controllers has memory. */
static bool has_memory(const struct search *s, const char *group, const char *file)
{
	char path[PATH_MAX];
	unsigned controllers;

	return host_read_controllers(s->root_fd, file_of(s, group, file, path), &controllers,
				     NULL) == 0 &&
	       (controllers & HOST_CONTROLLER_MEMORY);
}

static int check_hierarchy(const struct search *s, struct err **err)
{
	const struct host_cgroup *host = &s->host;

	if (!host->mounted)
		return err_set(err, ERR_FAILED, 0, "version 2 of cgroups is not mounted");
	if (!(host->controllers & HOST_CONTROLLER_MEMORY))
		return err_set(err, ERR_FAILED, 0, "/%s has no memory controller%s", host->mount,
			       host->v1_memory ? ", which version 1 of cgroups has" : "");
	return 0;
}

/* No part of a path in the hierarchy leads out of it. */
static bool is_plain(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
		path += *path == '/';
	}
	return true;
}

static int take_chosen(struct search *s, const char *chosen, struct err **err)
{
	size_t len;

	chosen += *chosen == '/';
	len = strlen(chosen);
	len -= len > 0 && chosen[len - 1] == '/';
	if (!is_plain(chosen) || len + 2 > sizeof(s->found))
		return err_set(err, ERR_USAGE, 0, "LODGE_CGROUP: \"%s\" is no path of a cgroup",
			       chosen);
	snprintf(s->found, sizeof(s->found), "%s%.*s", len ? "/" : "", (int)len, chosen);
	if (!is_there(s, s->found))
		return err_set(err, ERR_USAGE, 0, "LODGE_CGROUP: there is no cgroup /%s%s",
			       s->host.mount, s->found);
	return 0;
}

/* Of the groups above this process and its own, from the top, the first that is the user's. */
static bool find_above(struct search *s)
{
	for (const char *end = strchr(s->own + 1, '/'); *s->own; end = strchr(end + 1, '/')) {
		size_t len = end ? (size_t)(end - s->own) : strlen(s->own);

		snprintf(s->found, sizeof(s->found), "%.*s", (int)len, s->own);
		if (is_ours(s, s->found) && has_memory(s, s->found, "cgroup.controllers"))
			return true;
		if (!end)
			break;
	}
	return false;
}

/* The user's service manager, beside the groups above this process. */
static bool find_beside(struct search *s)
{
	char manager[HOST_CGROUP_PATH_MAX];
	const char *end = s->own;

	do {
		int n = snprintf(manager, sizeof(manager), "%.*s/user@%u.service",
				 (int)(end - s->own), s->own, (unsigned)geteuid());

		if (n < (int)sizeof(manager) && is_there(s, manager) && is_ours(s, manager) &&
		    has_memory(s, manager, "cgroup.controllers")) {
			memcpy(s->found, manager, sizeof(manager));
			return true;
		}
		end = *end ? strchr(end + 1, '/') : NULL;
	} while (end);
	return false;
}

/* "" for the root, and where this process's group isn't known. */
static void read_own(struct search *s)
{
	if (host_find_cgroup(s->root_fd, 0, s->own, NULL) < 0 || strcmp(s->own, "/") == 0)
		s->own[0] = '\0';
}

/* The first place that there is; without one the error says so, and found is the root. */
static int find(struct search *s, struct err **err)
{
	const char *chosen = getenv("LODGE_CGROUP");

	if (host_read_cgroup(s->root_fd, &s->host, err) < 0 || check_hierarchy(s, err) < 0)
		return -1;
	if (chosen && *chosen)
		return take_chosen(s, chosen, err);
	if (s->host.writable)
		return 0;
	read_own(s);
	if (find_above(s) || find_beside(s))
		return 0;
	s->found[0] = '\0';
	return err_set(err, ERR_DENIED, 0,
		       "this user may not change /%s, and no group above this process (%s) is the "
		       "user's and has the memory controller: " SYSTEMD_RUN
		       " starts it in one that is",
		       s->host.mount, *s->own ? s->own : "/");
}

/* How much of a process's group is above another one too. */
static size_t common_length(const char *own, const char *group)
{
	size_t common = 0;

	for (size_t i = 0;; i++) {
		bool end = (!own[i] || own[i] == '/') && (!group[i] || group[i] == '/');

		if (end)
			common = i;
		if (!own[i] || own[i] != group[i])
			return common;
	}
}

/* The kernel lets a process come into a group only from where its user may write to the processes
 * of what is above both. */
static int check_entry(struct search *s, struct err **err)
{
	char above[HOST_CGROUP_PATH_MAX];
	char path[PATH_MAX];

	read_own(s);
	snprintf(above, sizeof(above), "%.*s", (int)common_length(s->own, s->found), s->own);
	if (host_writable(s->root_fd, file_of(s, above, "cgroup.procs", path)))
		return 0;
	if (strstr(s->found, "/user@"))
		return err_set(
		    err, ERR_DENIED, 0,
		    "this process is in %s, from where it can't come into %s: " SYSTEMD_RUN
		    " starts it where it can",
		    *s->own ? s->own : "/", s->found);
	return err_set(err, ERR_DENIED, 0,
		       "this process is in %s, from where it can't come into %s: start it in a "
		       "group below that, into which root can move it",
		       *s->own ? s->own : "/", s->found);
}

/* A group that hands controllers on can't have processes of its own, but for the root of all. */
static int check_no_processes(const struct search *s, struct err **err)
{
	_cleanup_free_ char *processes = NULL;
	char path[PATH_MAX];

	if (has_memory(s, s->found, "cgroup.subtree_control"))
		return 0;
	if (host_read_text(s->root_fd, file_of(s, s->found, "cgroup.procs", path), &processes,
			   err) < 0)
		return -1;
	if (!*processes)
		return 0;
	return err_set(
	    err, ERR_FAILED, 0,
	    "/%s%s has processes in it (%.*s), so it can't hand its memory controller on: "
	    "move them into a group below it, or " SYSTEMD_RUN,
	    s->host.mount, s->found, (int)strcspn(processes, "\n"), processes);
}

static int check_delegated(struct search *s, struct err **err)
{
	if (!is_ours(s, s->found))
		return err_set(err, ERR_DENIED, 0, "this user may not change /%s%s", s->host.mount,
			       s->found);
	if (!has_memory(s, s->found, "cgroup.controllers"))
		return err_set(err, ERR_FAILED, 0, "/%s%s has no memory controller", s->host.mount,
			       s->found);
	if (check_entry(s, err) < 0)
		return -1;
	return check_no_processes(s, err);
}

int ledger_find_own(int root_fd, struct ledger_place *ret_place, struct err **err)
{
	struct search s = { .root_fd = root_fd };
	struct ledger_place place = { 0 };
	char path[PATH_MAX];

	if (find(&s, err) < 0)
		return -1;
	/* Only the root of all groups has no such file. */
	place.at_root = !*s.found && !host_exists(root_fd, file_of(&s, "", "cgroup.type", path));
	if (!place.at_root && check_delegated(&s, err) < 0)
		return -1;
	place.mount_len = strlen(s.host.mount);
	snprintf(place.parent, sizeof(place.parent), "%s%s", s.host.mount, s.found);
	snprintf(place.slice, sizeof(place.slice), "%s%s/" LEDGER_SLICE, s.host.mount, s.found);
	*ret_place = place;
	return 0;
}

int ledger_find(int root_fd, char slice[LEDGER_SLICE_MAX], struct err **err)
{
	_cleanup_err_ struct err *why = NULL;
	struct search s = { .root_fd = root_fd };

	/* Who has no place of their own may look at the one at the root. */
	if (find(&s, &why) < 0 && err_code(why) != ERR_DENIED)
		return err_set(err, err_code(why), 0, "%s", err_message(why));
	snprintf(slice, LEDGER_SLICE_MAX, "%s%s/" LEDGER_SLICE, s.host.mount, s.found);
	return 0;
}
