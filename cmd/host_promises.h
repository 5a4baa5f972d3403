/* SPDX-License-Identifier: Apache-2.0 */
/* What the host can promise, what it has promised, and what more would fit (docs/promises.md). */
#ifndef LODGE_CMD_HOST_PROMISES_H
#define LODGE_CMD_HOST_PROMISES_H

#include <jansson.h>

#include "ledger/ledger.h"

struct err;

/* ERR_FAILED if nothing can be promised on this host at all, with the reason. */
int host_promises_read(int root_fd, struct ledger *ret_ledger, struct err **err);

json_t *host_promises_to_json(const struct ledger *ledger);
/* Rows of text on stdout. */
void host_promises_print(const struct ledger *ledger);

/* A guest that might come: "1G,guarantee=256M,cpus=2,merge"; all but the memory may be left out. */
int host_promises_parse(const char *text, struct promise *ret_promise, struct err **err);
/* ERR_REFUSED, with the sum and what would do, if no guest with that promise fits. */
int host_promises_fit(const struct ledger *ledger, const struct promise *promise, size_t *ret_n,
		      struct err **err);

#endif
