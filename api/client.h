/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a running guest's VM process for something (docs/api.md). */
#ifndef LODGE_API_CLIENT_H
#define LODGE_API_CLIENT_H

#include <jansson.h>

struct err;

/* Sends request, which is taken over in every case (NULL counts as out of memory), to the guest and
 * gives the "result" of its reply, to be released with json_decref(). timeout_ms bounds the whole
 * call; -1 waits as long as it takes.
 *
 * Errors: ERR_NOT_FOUND "no guest named NAME" (also for one that was killed, whose directory is
 * then cleared away), ERR_TIMEOUT, ERR_STATE for a guest that is just starting or ending, and what
 * the guest answered, with its code, as "guest NAME: ...". */
int client_call(const char *name, json_t *request, int timeout_ms, json_t **ret_reply,
		struct err **err);

/* The guest's console, a stream of bytes each way (dev/console.h). The descriptor blocks, and is
 * closed on exec. Errors as above. */
int client_console(const char *name, int *ret_fd, struct err **err);

#endif
