/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else has changed of promises, as it is shown (ledger/changes.h). */
#ifndef LODGE_CMD_CHANGES_H
#define LODGE_CMD_CHANGES_H

#include <jansson.h>
#include <stddef.h>

#include "ledger/changes.h"

/* An array of objects with "file", "written" and "now" (null: max), and "text" which says the same.
 */
json_t *changes_to_json(const struct ledger_change *changes, size_t n);

/* Of all this user's guests, and of the slice unless ledger is NULL: the same with "guest", which
 * is null for the slice. */
json_t *changes_of_host(int root_fd, const struct ledger *ledger);
/* That, as rows of `lodge host`. */
void changes_print(const json_t *changes);

#endif
