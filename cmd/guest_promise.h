/* SPDX-License-Identifier: Apache-2.0 */
/* What a running guest has been promised, as the kernel holds it (ledger/ledger.h). */
#ifndef LODGE_CMD_GUEST_PROMISE_H
#define LODGE_CMD_GUEST_PROMISE_H

#include <jansson.h>

#include "ledger/ledger.h"
#include "ledger/shares.h"

struct err;

struct guest_promise {
	char slice[LEDGER_SLICE_MAX]; /* from "/" */
	const char *name;	      /* a part of show */
	struct promise promise;
	struct ledger_shares shares;
};

/* show: the guest's reply to the verb show. ERR_FAILED if it has no group of its own, or one that
 * holds no promise. */
int guest_promise_read(int root_fd, const json_t *show, struct guest_promise *ret_promise,
		       struct err **err);

#endif
