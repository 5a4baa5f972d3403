/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of the control socket: see protocol.h. */
#include "api/protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* How much of a wrong name is quoted, in bytes. */
enum { QUOTE_MAX = 64 };

static const struct {
	enum err_code code;
	const char *name;
} codes[] = {
	{ ERR_FAILED, "failed" }, { ERR_USAGE, "usage" },	{ ERR_NOT_FOUND, "not-found" },
	{ ERR_EXISTS, "exists" }, { ERR_NO_KVM, "no-kvm" },	{ ERR_PANICKED, "panicked" },
	{ ERR_KILLED, "killed" }, { ERR_TIMEOUT, "timeout" },	{ ERR_STATE, "state" },
	{ ERR_DENIED, "denied" }, { ERR_NO_SPACE, "no-space" }, { ERR_REFUSED, "refused" },
};

const char *protocol_code_name(enum err_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == code)
			return codes[i].name;
	return "failed";
}

enum err_code protocol_code_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (!strcmp(codes[i].name, name))
			return codes[i].code;
	return ERR_FAILED;
}

json_t *protocol_text(const char *text)
{
	json_t *json = json_string(text);

	if (json)
		return json;

	char *ascii = strdup(text);

	if (!ascii)
		return NULL;
	for (char *p = ascii; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	json = json_string(ascii);
	free(ascii);
	return json;
}

/* How deep objects and arrays lie inside each other: found before parsing, since a parser goes down
 * by calling itself. Brackets inside strings don't count. */
static size_t nesting(const char *bytes, size_t len)
{
	size_t depth = 0;
	size_t deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

int protocol_decode(const void *bytes, size_t len, json_t **ret_message, struct err **err)
{
	json_error_t error;

	if (len > PROTOCOL_MESSAGE_MAX)
		return err_set(err, ERR_USAGE, 0,
			       "the message is too long: %zu bytes, and %d are the most", len,
			       PROTOCOL_MESSAGE_MAX);
	if (nesting(bytes, len) > PROTOCOL_DEPTH_MAX)
		return err_set(err, ERR_USAGE, 0,
			       "the message is nested too deep: %d levels are the most",
			       PROTOCOL_DEPTH_MAX);

	json_t *message = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);

	if (!message) {
		/* The parser quotes the message, which may hold anything. */
		_cleanup_free_ char *text = strdup(error.text);

		for (char *p = text; p && *p; p++)
			if (*p < 0x20 || *p > 0x7e)
				*p = '?';
		return err_set(err, ERR_USAGE, 0, "the message is no JSON object: %s",
			       text ? text : "out of memory");
	}
	if (!json_is_object(message)) {
		json_decref(message);
		return err_set(err, ERR_USAGE, 0, "the message is no JSON object");
	}
	*ret_message = message;
	return 0;
}

int protocol_encode(const json_t *message, char **ret_bytes, size_t *ret_len, struct err **err)
{
	char *bytes = json_dumps(message, JSON_COMPACT);

	if (!bytes)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "control message");

	size_t len = strlen(bytes);

	if (len > PROTOCOL_MESSAGE_MAX) {
		free(bytes);
		return err_set(err, ERR_FAILED, 0,
			       "the message is too long: %zu bytes, and %d are the most", len,
			       PROTOCOL_MESSAGE_MAX);
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

/* Whether value fits the argument; what isn't a number has no range but its length. */
static int check_argument(const struct control_argument *argument, const json_t *value,
			  struct err **err)
{
	json_int_t n = 0;

	switch (argument->type) {
	case CONTROL_STRING:
		if (!json_is_string(value))
			return err_set(err, ERR_USAGE, 0, "%s must be a string", argument->name);
		n = (json_int_t)json_string_length(value);
		break;
	case CONTROL_INTEGER:
		if (!json_is_integer(value))
			return err_set(err, ERR_USAGE, 0, "%s must be a whole number",
				       argument->name);
		n = json_integer_value(value);
		break;
	case CONTROL_BOOLEAN:
		if (!json_is_boolean(value))
			return err_set(err, ERR_USAGE, 0, "%s must be true or false",
				       argument->name);
		return 0;
	}
	if ((argument->min || argument->max) && (n < argument->min || n > argument->max))
		return err_set(
		    err, ERR_USAGE, 0,
		    "%s must %s from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT "%s",
		    argument->name, argument->type == CONTROL_STRING ? "have" : "be", argument->min,
		    argument->max, argument->type == CONTROL_STRING ? " bytes" : "");
	return 0;
}

static const struct control_argument *find_argument(const struct control_verb *verb,
						    const char *name)
{
	for (size_t i = 0; i < verb->n_arguments; i++)
		if (!strcmp(verb->arguments[i].name, name))
			return &verb->arguments[i];
	return NULL;
}

static int check_arguments(const struct control_verb *verb, const json_t *request, struct err **err)
{
	const char *name;
	json_t *value;

	/* Iterating changes nothing, but jansson's iterator takes no const. */
	json_object_foreach ((json_t *)request, name, value) {
		const struct control_argument *argument = find_argument(verb, name);

		if (!strcmp(name, "verb"))
			continue;
		if (!argument)
			return err_set(err, ERR_USAGE, 0, "%s takes no argument \"%.*s\"",
				       verb->name, QUOTE_MAX, name);
		if (check_argument(argument, value, err) < 0)
			return err_wrap(err, "%s", verb->name);
	}
	for (size_t i = 0; i < verb->n_arguments; i++)
		if (verb->arguments[i].required &&
		    !json_object_get(request, verb->arguments[i].name))
			return err_set(err, ERR_USAGE, 0, "%s needs the argument \"%s\"",
				       verb->name, verb->arguments[i].name);
	return 0;
}

int protocol_match(const json_t *request, const struct control_verb *verbs, size_t n_verbs,
		   const struct control_verb **ret_verb, struct err **err)
{
	const json_t *member = json_object_get(request, "verb");

	if (!member)
		return err_set(err, ERR_USAGE, 0, "the request has no member \"verb\"");
	if (!json_is_string(member))
		return err_set(err, ERR_USAGE, 0, "the request's \"verb\" must be a string");

	const char *name = json_string_value(member);

	for (size_t i = 0; i < n_verbs; i++) {
		if (strcmp(verbs[i].name, name) != 0)
			continue;
		if (check_arguments(&verbs[i], request, err) < 0)
			return -1;
		*ret_verb = &verbs[i];
		return 0;
	}
	return err_set(err, ERR_USAGE, 0, "there is no verb \"%.*s\"", QUOTE_MAX, name);
}

json_t *protocol_result(json_t *result)
{
	json_t *reply = json_object();

	if (json_object_set_new(reply, "result", result ? result : json_object()) < 0) {
		json_decref(reply);
		return NULL;
	}
	return reply;
}

json_t *protocol_error(const struct err *error)
{
	json_t *inner = json_object();
	json_t *reply = json_object();

	if (json_object_set_new(inner, "code", json_string(protocol_code_name(err_code(error)))) <
		0 ||
	    json_object_set_new(inner, "message", protocol_text(err_message(error))) < 0 ||
	    json_object_set(reply, "error", inner) < 0) {
		json_decref(reply);
		reply = NULL;
	}
	json_decref(inner);
	return reply;
}

int protocol_reply(const json_t *reply, json_t **ret_result, struct err **err)
{
	json_t *result = json_object_get(reply, "result");
	const json_t *error = json_object_get(reply, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));

	if (code && message)
		return err_set(err, protocol_code_from_name(code), 0, "%s", message);
	if (!result)
		return err_set(err, ERR_FAILED, 0, "the reply holds neither a result nor an error");
	*ret_result = json_incref(result);
	return 0;
}
