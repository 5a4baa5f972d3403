/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lodge set NAME guarantee=SIZE memory-limit=SIZE: changes what a guest has been promised, or
 * refuses to.
 *
 * Both are one promise, which is checked and written as a whole under the slice's lock. A limit
 * below what the guest has in RAM now is reached by swapping first and written then: the kernel
 * ends a group that it can't bring below its limit.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "api/promise_record.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/guest_promise.h"
#include "cmd/report.h"
#include "cmd/set.h"
#include "host/file.h"
#include "host/reclaim.h"
#include "ledger/ledger.h"

enum { LIMIT_MS = 60000 };

/* What is asked for in place of what was promised; what isn't given stays. */
static struct promise change(const struct set_guest *guest, const struct promise *old)
{
	struct promise p = *old;

	if (guest->asked[SET_GUARANTEE].given)
		p.guarantee = guest->asked[SET_GUARANTEE].value;
	if (guest->asked[SET_MEMORY_LIMIT].given)
		p.limit = guest->asked[SET_MEMORY_LIMIT].value;
	return p;
}

static int check_change(const struct set_guest *guest, const struct promise *p, struct err **err)
{
	const json_t *config = json_object_get(guest->show, "config");
	char sizes[2][SIZE_TEXT_MAX];

	if (p->best_effort)
		return err_set(err, ERR_STATE, 0,
			       "it runs with best effort, so it is promised nothing: start it "
			       "without --best-effort");
	if (p->memory == 0)
		return err_set(err, ERR_STATE, 0,
			       "its memory is in huge pages that were set aside for it: it has all "
			       "of it anyway");
	if (json_is_true(json_object_get(config, "lock")))
		return err_set(err, ERR_STATE, 0,
			       "its memory is locked, so all of it is in RAM and guaranteed");
	if (p->guarantee > p->limit)
		return err_set(err, ERR_USAGE, 0, "a guarantee of %s is more than the limit of %s",
			       size_format(p->guarantee, sizes[0]),
			       size_format(p->limit, sizes[1]));
	return 0;
}

/* Whether it could be promised now. */
static int check_sum(const struct set_guest *guest, const struct guest_promise *standing,
		     const struct promise *p, struct ledger *ret_ledger, struct err **err)
{
	if (ledger_read_without(guest->root_fd, standing->slice, standing->name, ret_ledger, err) <
	    0)
		return -1;
	return ledger_check(ret_ledger, p, &standing->promise, err);
}

int set_check_promise(const struct set_guest *guest, uint64_t value, struct err **err)
{
	struct guest_promise standing;
	struct ledger ledger;
	char path[PATH_MAX];

	(void)value;
	if (guest_promise_read(guest->root_fd, guest->show, &standing, err) < 0)
		return -1;

	struct promise p = change(guest, &standing.promise);

	snprintf(path, sizeof(path), "%s/%s/memory.min", standing.slice, standing.name);
	if (!host_writable(guest->root_fd, path))
		return err_set(err, ERR_DENIED, 0, "this user may not write to /%s", path);
	if (check_change(guest, &p, err) < 0)
		return -1;
	return check_sum(guest, &standing, &p, &ledger, err);
}

/* Has the kernel swap what the limit leaves no room for. */
static int make_room(const struct set_guest *guest, uint64_t limit, struct err **err)
{
	struct host_group_usage usage;
	char sizes[2][SIZE_TEXT_MAX];
	char group[PATH_MAX];
	bool all = true;

	if (set_find_group(guest, group, err) < 0 ||
	    host_read_group_usage(guest->root_fd, group, &usage, err) < 0)
		return -1;
	if (usage.current <= limit)
		return 0;
	if (host_check_reclaim(guest->root_fd, group, err) < 0 ||
	    host_reclaim(guest->root_fd, group, usage.current - limit, LIMIT_MS, &all, err) < 0)
		return -1;
	if (all)
		return 0;
	host_read_group_usage(guest->root_fd, group, &usage, NULL);
	return err_set(err, ERR_TIMEOUT, 0,
		       "the kernel swapped only down to %s of %s: the limit stays as it was",
		       size_format(usage.current, sizes[0]), size_format(limit, sizes[1]));
}

/* Under the lock, since another guest may have come since it was checked. */
static int write_promise(const struct set_guest *guest, const struct guest_promise *standing,
			 const struct promise *p, struct err **err)
{
	_cleanup_close_ int lock_fd = -1;
	struct ledger ledger;

	if (ledger_lock(guest->root_fd, standing->slice, &lock_fd, err) < 0 ||
	    check_sum(guest, standing, p, &ledger, err) < 0 ||
	    promise_record_write(guest->name, p, err) < 0)
		return -1;
	return ledger_write(guest->root_fd, standing->slice, standing->name, &ledger, p, err);
}

static void report_change(const char *name, bool given, uint64_t now, uint64_t before)
{
	char sizes[2][SIZE_TEXT_MAX];

	if (given)
		printf("%s: %s (before: %s)\n", name, size_format(now, sizes[0]),
		       size_format(before, sizes[1]));
}

static int apply(const struct set_guest *guest)
{
	struct guest_promise standing;
	struct err *err = NULL;

	if (guest_promise_read(guest->root_fd, guest->show, &standing, &err) == 0) {
		struct promise p = change(guest, &standing.promise);

		if (make_room(guest, p.limit + p.overhead, &err) == 0 &&
		    write_promise(guest, &standing, &p, &err) == 0) {
			report_change("guarantee", guest->asked[SET_GUARANTEE].given, p.guarantee,
				      standing.promise.guarantee);
			report_change("memory-limit", guest->asked[SET_MEMORY_LIMIT].given, p.limit,
				      standing.promise.limit);
			return 0;
		}
	}
	err_wrap(&err, "guest %s", guest->name);
	return report_err(&err);
}

int set_apply_guarantee(const struct set_guest *guest, uint64_t value)
{
	(void)value;
	return apply(guest);
}

int set_apply_memory_limit(const struct set_guest *guest, uint64_t value)
{
	(void)value;
	/* With a guarantee it's been done. */
	return guest->asked[SET_GUARANTEE].given ? 0 : apply(guest);
}
