/* SPDX-License-Identifier: Apache-2.0 */
/* Sense: see view.h. */
#include "govern/view.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fdio.h"
#include "host/ksm.h"
#include "host/task.h"

enum { CONFIG_FILE_MAX = 65536 }; /* bytes */

/* A guest's configuration as it was started with. Only what is needed is looked at, so that a guest
 * of another version of lodge counts too. */
static bool read_guest(const char *name, struct govern_guest *ret_guest)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_(json_decrefp) json_t *config = NULL;
	struct stat status;
	size_t len;

	/* It may be just starting, or have just gone. */
	if (rundir_path(name, RUNDIR_CONFIG, &path, NULL) < 0 || lstat(path, &status) < 0 ||
	    fdio_read_file(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len, NULL) < 0)
		return false;
	config = json_loadb(text, len, 0, NULL);
	if (!json_is_object(config))
		return false;

	json_int_t memory = json_integer_value(json_object_get(config, "memory"));

	*ret_guest = (struct govern_guest){
		.memory = memory > 0 ? (uint64_t)memory : 0,
		.started_ns = (uint64_t)status.st_mtim.tv_sec * 1000000000 +
			      (uint64_t)status.st_mtim.tv_nsec,
		.merge = json_is_true(json_object_get(config, "merge")),
	};
	snprintf(ret_guest->name, sizeof(ret_guest->name), "%s", name);
	return true;
}

static int read_guests(struct govern_view *view, struct err **err)
{
	char **names;
	size_t n;

	if (rundir_list(&names, &n, err) < 0)
		return -1;
	view->guests = calloc(n + 1, sizeof(*view->guests));
	for (size_t i = 0; view->guests && i < n; i++)
		if (read_guest(names[i], &view->guests[view->n_guests]))
			view->n_guests++;
	rundir_list_free(names, n);
	return view->guests ? 0 : err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
}

static uint64_t known(uint64_t value)
{
	return value == HOST_UNKNOWN ? 0 : value;
}

static void read_ksm(int root_fd, struct govern_view *view)
{
	struct host_ksm ksm;

	for (int i = 0; i < KSM_KNOBS; i++)
		view->knobs[i] = HOST_UNKNOWN;
	if (host_read_ksm(root_fd, &ksm, NULL) < 0)
		return;
	view->has_ksm = true;
	for (int i = 0; i < KSM_KNOBS; i++)
		view->knobs[i] = ksm_knob_read(root_fd, (enum ksm_knob)i);
	view->full_scans = known(ksm.full_scans);
	view->pages_saved = known(ksm.pages_sharing) + known(ksm.zero_pages);
	view->pages_tracked = known(ksm.pages_shared) + known(ksm.pages_sharing) +
			      known(ksm.pages_unshared) + known(ksm.pages_volatile);
}

/* A ledger that can't be read now is read with the next turn. */
static bool read_ledger(int root_fd, struct ledger *ret_ledger)
{
	char slice[LEDGER_SLICE_MAX];

	return ledger_find(root_fd, slice, NULL) == 0 &&
	       ledger_read(root_fd, slice, ret_ledger, NULL) == 0;
}

static uint64_t read_ksmd(int root_fd, pid_t *ksmd_pid)
{
	uint64_t ms;

	if (*ksmd_pid == 0 && host_find_kthread(root_fd, "ksmd", ksmd_pid, NULL) < 0)
		*ksmd_pid = -1; /* not looked for again: it lives as long as the kernel */
	if (*ksmd_pid < 0 || host_read_cpu_time(root_fd, *ksmd_pid, &ms, NULL) < 0)
		return HOST_UNKNOWN;
	return ms;
}

int govern_view_read(int root_fd, pid_t *ksmd_pid, struct govern_view *ret_view, struct err **err)
{
	struct govern_view view = { 0 };

	if (read_guests(&view, err) < 0)
		return -1;
	view.has_ledger = read_ledger(root_fd, &view.ledger);
	read_ksm(root_fd, &view);
	view.ksmd_ms = read_ksmd(root_fd, ksmd_pid);
	view.now_ms = clock_boot_ms();
	*ret_view = view;
	return 0;
}

void govern_view_clear(struct govern_view *view)
{
	free(view->guests);
	*view = (struct govern_view){ 0 };
}
