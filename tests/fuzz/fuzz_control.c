/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages and configurations from anybody: what a message goes through before a handler
 * sees it, and the configuration's reader, whose output must read back as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/protocol.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "machine/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct control_argument arguments[] = {
	{ "columns", CONTROL_INTEGER, true, 1, 65535 },
	{ "rows", CONTROL_INTEGER, true, 1, 65535 },
	{ "text", CONTROL_STRING, false, 1, 16 },
	{ "force", CONTROL_BOOLEAN, false, 0, 0 },
};

static const struct control_argument set_arguments[] = {
	{ "balloon", CONTROL_INTEGER, true, 0, VM_MEMORY_MAX },
};

static const struct control_verb verbs[] = {
	{ .name = "status" },
	{ .name = "console-size", .arguments = arguments, .n_arguments = ARRAY_SIZE(arguments) },
	{ .name = "set", .arguments = set_arguments, .n_arguments = ARRAY_SIZE(set_arguments) },
	{ .name = "hints" },
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* What a handler relies on. */
static void check_request(const json_t *request, const struct control_verb *verb)
{
	if (verb == &verbs[2]) {
		json_int_t bytes = json_integer_value(json_object_get(request, "balloon"));

		require(bytes >= 0 && (uint64_t)bytes <= VM_MEMORY_MAX);
	}
	if (verb != &verbs[1])
		return;

	const json_t *text = json_object_get(request, "text");
	json_int_t columns = json_integer_value(json_object_get(request, "columns"));

	require(columns >= 1 && columns <= 65535);
	require(!text || (json_string_length(text) >= 1 && json_string_length(text) <= 16));
}

/* An error goes to the client whole, and arrives as it was sent. */
static void check_error(const struct err *err)
{
	_cleanup_err_ struct err *arrived = NULL;
	json_t *reply = protocol_error(err);
	json_t *result = NULL;
	_cleanup_free_ char *bytes = NULL;
	size_t len = 0;

	require(reply && err_code(err) == ERR_USAGE);
	if (protocol_encode(reply, &bytes, &len, NULL) == 0) {
		json_decref(reply);
		require(protocol_decode(bytes, len, &reply, NULL) == 0);
	}
	require(protocol_reply(reply, &result, &arrived) < 0);
	require(err_code(arrived) == ERR_USAGE);
	json_decref(reply);
}

static void check_config(const json_t *json)
{
	_cleanup_(vm_config_clear) struct vm_config config;
	_cleanup_(vm_config_clear) struct vm_config copy;
	_cleanup_err_ struct err *err = NULL;

	vm_config_init(&config);
	vm_config_init(&copy);
	if (vm_config_from_json(&config, json, &err) < 0) {
		require(err_code(err) == ERR_USAGE);
		return;
	}

	json_t *written = vm_config_to_json(&config);

	require(written && vm_config_from_json(&copy, written, NULL) == 0);

	json_t *again = vm_config_to_json(&copy);

	require(json_equal(written, again));
	json_decref(written);
	json_decref(again);
	if (vm_config_check(&config, &err) < 0)
		require(err_code(err) == ERR_USAGE);
}

/* A peer's reply is as foreign to a client as a request is to the server. */
static void check_reply(const json_t *reply)
{
	_cleanup_err_ struct err *err = NULL;
	json_t *result = NULL;

	if (protocol_reply(reply, &result, &err) == 0)
		json_decref(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_err_ struct err *err = NULL;
	const struct control_verb *verb = NULL;
	json_t *message = NULL;

	if (protocol_decode(data, len, &message, &err) < 0) {
		check_error(err);
		return 0;
	}
	if (protocol_match(message, verbs, ARRAY_SIZE(verbs), &verb, &err) == 0)
		check_request(message, verb);
	else
		check_error(err);
	check_config(message);
	check_reply(message);
	json_decref(message);
	return 0;
}
