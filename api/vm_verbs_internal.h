/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the control socket's verbs share: vm_verbs.c, vm_verbs_balloon.c. */
#ifndef LODGE_API_VM_VERBS_INTERNAL_H
#define LODGE_API_VM_VERBS_INTERNAL_H

#include <stdint.h>

#include "api/protocol.h"
#include "api/vm_verbs.h"

struct control_server;

struct vm_verbs {
	struct vm_verbs_host host;
	struct control_server *server;
	uint64_t started_ms; /* of CLOCK_BOOTTIME */
	unsigned waiters;    /* deferred calls of the verb wait */
	bool ended;
	int exit_status;
	uint64_t stats_asked_ms; /* when the verb stats was called last, of CLOCK_BOOTTIME */
};

/* The object "balloon" of docs/api.md, and the verbs that are about it. */
json_t *vm_verbs_balloon_to_json(const struct vm_verbs *verbs);
int vm_verbs_handle_set(void *opaque, struct control_call *call, const json_t *request,
			json_t **ret_result, struct err **err);
int vm_verbs_handle_balloon(void *opaque, struct control_call *call, const json_t *request,
			    json_t **ret_result, struct err **err);
int vm_verbs_handle_stats(void *opaque, struct control_call *call, const json_t *request,
			  json_t **ret_result, struct err **err);
int vm_verbs_handle_hints(void *opaque, struct control_call *call, const json_t *request,
			  json_t **ret_result, struct err **err);

#endif
