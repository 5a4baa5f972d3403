/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the control socket: their form, apart from how they travel (docs/api.md).
 *
 * A message is one packet of a SOCK_SEQPACKET socket and holds one JSON object of at most
 * PROTOCOL_MESSAGE_MAX bytes. A request has a member "verb" and the verb's arguments beside it:
 *   {"verb": "console-size", "columns": 80, "rows": 24}
 * A reply has either a member "result" or a member "error":
 *   {"result": {"state": "running"}}
 *   {"error": {"code": "state", "message": "a guest that is stopping can't be paused"}}
 *
 * What verbs take is a table, so that a handler only ever sees arguments of the right names, types
 * and ranges.
 */
#ifndef LODGE_API_PROTOCOL_H
#define LODGE_API_PROTOCOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
	PROTOCOL_MESSAGE_MAX = 65536, /* bytes */
	PROTOCOL_DEPTH_MAX = 8,	      /* objects and arrays inside each other */
};

struct control_call;

enum control_type { CONTROL_STRING, CONTROL_INTEGER, CONTROL_BOOLEAN };

struct control_argument {
	const char *name;
	enum control_type type;
	bool required;
	/* An integer's range, or the range of a string's length in bytes. Both 0: any. */
	json_int_t min;
	json_int_t max;
};

/* What a handler returns when the reply comes later, by control_call_reply(). */
enum { CONTROL_DEFERRED = 1 };

struct control_verb {
	const char *name;
	const struct control_argument *arguments;
	size_t n_arguments;

	/* Answers a request that fits the table. 0 with *ret_result set to a new reference (or left
	 * NULL, for an empty object); -1 with *err set; or CONTROL_DEFERRED, and then call is the
	 * handler's until it has replied or cancel() was called. request stays the server's; the
	 * handler takes a reference to what it keeps. */
	int (*handle)(void *opaque, struct control_call *call, const json_t *request,
		      json_t **ret_result, struct err **err);
	/* The client of a deferred call is gone: call is about to become invalid. NULL if handle()
	 * keeps no calls. */
	void (*cancel)(void *opaque, struct control_call *call);
};

/* Reads a message. ERR_USAGE if it isn't one JSON object, is too long or too deep. */
int protocol_decode(const void *bytes, size_t len, json_t **ret_message, struct err **err);
/* The bytes of a message, to be freed. ERR_FAILED if it would be too long. */
int protocol_encode(const json_t *message, char **ret_bytes, size_t *ret_len, struct err **err);

/* Finds the request's verb and checks every other member against the verb's arguments. ERR_USAGE,
 * with the name of what is wrong. */
int protocol_match(const json_t *request, const struct control_verb *verbs, size_t n_verbs,
		   const struct control_verb **ret_verb, struct err **err);

/* A reply with a result (taken over; NULL is an empty object), and one with an error. NULL if there
 * is no memory. */
json_t *protocol_result(json_t *result);
json_t *protocol_error(const struct err *error);
/* Takes a reply apart: 0 with a new reference to its result, or -1 with the error that it holds. */
int protocol_reply(const json_t *reply, json_t **ret_result, struct err **err);

/* The name of an error code on the wire, such as "not-found"; unknown names are ERR_FAILED. */
const char *protocol_code_name(enum err_code code);
enum err_code protocol_code_from_name(const char *name);

/* A JSON string of text, with '?' for bytes that aren't UTF-8: messages may hold anybody's file
 * names. */
json_t *protocol_text(const char *text);

#endif
