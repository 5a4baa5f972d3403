/* SPDX-License-Identifier: Apache-2.0 */
/* lodge set NAME weight=N: the guest's share of what others leave, of processors and disks by the
 * kernel. */
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/guest_promise.h"
#include "cmd/report.h"
#include "cmd/set.h"
#include "host/file.h"
#include "ledger/shares.h"

int set_check_weight(const struct set_guest *guest, uint64_t value, struct err **err)
{
	struct guest_promise standing;
	char path[PATH_MAX];

	(void)value;
	if (guest_promise_read(guest->root_fd, guest->show, &standing, err) < 0)
		return -1;
	if (standing.shares.weight == 0)
		return err_set(err, ERR_REFUSED, 0,
			       "/%s has no cpu controller, so processors can't be shared by weight",
			       standing.slice);
	snprintf(path, sizeof(path), "%s/%s/cpu.weight", standing.slice, standing.name);
	if (!host_writable(guest->root_fd, path))
		return err_set(err, ERR_DENIED, 0, "this user may not write to /%s", path);
	return 0;
}

int set_apply_weight(const struct set_guest *guest, uint64_t value)
{
	struct guest_promise standing;
	struct err *err = NULL;

	if (guest_promise_read(guest->root_fd, guest->show, &standing, &err) < 0 ||
	    ledger_write_weight(guest->root_fd, standing.slice, standing.name, (unsigned)value,
				&err) < 0) {
		err_wrap(&err, "guest %s: weight", guest->name);
		return report_err(&err);
	}
	printf("weight: %" PRIu64 " (before: %u)\n", value, standing.shares.weight);
	return 0;
}
