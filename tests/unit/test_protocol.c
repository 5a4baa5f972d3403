/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/protocol.h"
#include "base/cleanup.h"
#include "base/err.h"

static const struct control_argument size_arguments[] = {
	{ "columns", CONTROL_INTEGER, true, 1, 65535 }, { "rows", CONTROL_INTEGER, true, 1, 65535 },
	{ "why", CONTROL_STRING, false, 1, 4 },		{ "now", CONTROL_BOOLEAN, false, 0, 0 },
	{ "any", CONTROL_INTEGER, false, 0, 0 },
};

static const struct control_verb verbs[] = {
	{ .name = "status" },
	{ .name = "size", .arguments = size_arguments, .n_arguments = ARRAY_SIZE(size_arguments) },
};

/* Decodes and matches a request as the server does. */
static int take(const char *bytes, size_t len, const struct control_verb **ret_verb,
		struct err **err)
{
	json_t *request = NULL;
	int rc = protocol_decode(bytes, len, &request, err);

	if (rc == 0)
		rc = protocol_match(request, verbs, ARRAY_SIZE(verbs), ret_verb, err);
	json_decref(request);
	return rc;
}

static void assert_taken(const char *text, const char *verb)
{
	_cleanup_err_ struct err *err = NULL;
	const struct control_verb *matched = NULL;

	if (take(text, strlen(text), &matched, &err) < 0)
		fail_msg("%s: %s", text, err_message(err));
	assert_string_equal(matched->name, verb);
}

static void assert_refused_bytes(const char *bytes, size_t len, const char *message)
{
	_cleanup_err_ struct err *err = NULL;
	const struct control_verb *matched = NULL;

	assert_int_equal(take(bytes, len, &matched, &err), -1);
	assert_null(matched);
	assert_int_equal(err_code(err), ERR_USAGE);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
}

static void assert_refused(const char *text, const char *message)
{
	assert_refused_bytes(text, strlen(text), message);
}

static void requests_that_fit_the_table_are_taken(void **state)
{
	(void)state;
	assert_taken("{\"verb\": \"status\"}", "status");
	assert_taken("{\"verb\": \"size\", \"columns\": 1, \"rows\": 65535}", "size");
	assert_taken("{\"rows\": 2, \"verb\": \"size\", \"columns\": 1, \"why\": \"four\", "
		     "\"now\": false, \"any\": -9223372036854775808}",
		     "size");
}

static void what_is_no_json_object_is_refused(void **state)
{
	(void)state;
	assert_refused("", "no JSON object");
	assert_refused("hello", "no JSON object");
	assert_refused("[]", "no JSON object");
	assert_refused("\"status\"", "no JSON object");
	assert_refused("{\"verb\": \"status\"", "no JSON object");
	assert_refused("{\"verb\": \"status\"} {}", "no JSON object");
	assert_refused("{\"verb\": \"status\", \"verb\": \"status\"}", "no JSON object");
	assert_refused("{\"verb\": \"\\u0000\"}", "no JSON object");
	assert_refused_bytes("{\"verb\": \"status\"}\0", 19, "no JSON object");
	assert_refused("{\"verb\": \"\xff\"}", "no JSON object");
}

static void the_verb_and_its_arguments_are_named_when_wrong(void **state)
{
	(void)state;
	assert_refused("{}", "no member \"verb\"");
	assert_refused("{\"verb\": 3}", "\"verb\" must be a string");
	assert_refused("{\"verb\": \"dance\"}", "there is no verb \"dance\"");
	assert_refused("{\"verb\": \"status\", \"x\": 1}", "status takes no argument \"x\"");
	assert_refused("{\"verb\": \"size\", \"columns\": 80}", "size needs the argument \"rows\"");
	assert_refused("{\"verb\": \"size\", \"columns\": \"80\", \"rows\": 24}",
		       "size: columns must be a whole number");
	assert_refused("{\"verb\": \"size\", \"columns\": 80.0, \"rows\": 24}",
		       "size: columns must be a whole number");
	assert_refused("{\"verb\": \"size\", \"columns\": 0, \"rows\": 24}",
		       "size: columns must be from 1 to 65535");
	assert_refused("{\"verb\": \"size\", \"columns\": 80, \"rows\": 65536}",
		       "size: rows must be from 1 to 65535");
	assert_refused("{\"verb\": \"size\", \"columns\": 80, \"rows\": 24, \"now\": 1}",
		       "size: now must be true or false");
	assert_refused("{\"verb\": \"size\", \"columns\": 80, \"rows\": 24, \"why\": null}",
		       "size: why must be a string");
	assert_refused("{\"verb\": \"size\", \"columns\": 80, \"rows\": 24, \"why\": \"fiver\"}",
		       "size: why must have from 1 to 4 bytes");
}

static void a_message_that_is_too_long_is_refused_unread(void **state)
{
	char *text = malloc(PROTOCOL_MESSAGE_MAX + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', PROTOCOL_MESSAGE_MAX + 1);
	memcpy(text, "{\"verb\":\"status\"}", 17);
	assert_refused_bytes(text, PROTOCOL_MESSAGE_MAX + 1, "too long: 65537 bytes");

	const struct control_verb *matched;

	assert_int_equal(take(text, PROTOCOL_MESSAGE_MAX, &matched, NULL), 0);
	free(text);
}

static void deep_nesting_is_refused_before_parsing(void **state)
{
	char text[40000];

	(void)state;
	memset(text, '[', sizeof(text));
	assert_refused_bytes(text, sizeof(text), "nested too deep");
	assert_refused("{\"a\":[[[[[[[[]]]]]]]]}", "nested too deep");
	assert_refused("{\"a\":[[[[[[[]]]]]]]}", "no member \"verb\"");
	/* Brackets in a text are only text. */
	assert_refused("{\"verb\": \"\\\"[[[[[[[[[[[[\"}", "there is no verb");
}

static void errors_arrive_with_code_and_message(void **state)
{
	static const enum err_code codes[] = {
		ERR_FAILED, ERR_USAGE,	 ERR_NOT_FOUND, ERR_EXISTS, ERR_NO_KVM,	  ERR_PANICKED,
		ERR_KILLED, ERR_TIMEOUT, ERR_STATE,	ERR_DENIED, ERR_NO_SPACE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		_cleanup_err_ struct err *sent = NULL;
		_cleanup_err_ struct err *got = NULL;
		json_t *result = NULL;

		err_set(&sent, codes[i], 0, "reason %zu", i);

		json_t *reply = protocol_error(sent);

		assert_int_equal(protocol_reply(reply, &result, &got), -1);
		assert_int_equal(err_code(got), codes[i]);
		assert_string_equal(err_message(got), err_message(sent));
		json_decref(reply);
	}
	assert_int_equal(protocol_code_from_name("from-the-future"), ERR_FAILED);
}

static void an_error_with_a_strange_file_name_still_arrives(void **state)
{
	_cleanup_err_ struct err *sent = NULL;
	_cleanup_err_ struct err *got = NULL;
	json_t *result = NULL;

	(void)state;
	err_set(&sent, ERR_USAGE, ENOENT, "caf\xe9");

	json_t *reply = protocol_error(sent);

	assert_non_null(reply);
	assert_int_equal(protocol_reply(reply, &result, &got), -1);
	assert_string_equal(err_message(got), "caf?: No such file or directory");
	json_decref(reply);
}

static void results_arrive(void **state)
{
	json_t *reply = protocol_result(NULL);
	json_t *result = NULL;

	(void)state;
	assert_int_equal(protocol_reply(reply, &result, NULL), 0);
	assert_true(json_is_object(result));
	assert_int_equal(json_object_size(result), 0);
	json_decref(result);
	json_decref(reply);

	reply = json_object();
	result = NULL;
	assert_int_equal(protocol_reply(reply, &result, NULL), -1);
	assert_null(result);
	json_decref(reply);
}

static void a_reply_that_is_too_long_is_not_encoded(void **state)
{
	_cleanup_err_ struct err *err = NULL;
	char *text = calloc(1, PROTOCOL_MESSAGE_MAX);
	char *bytes = NULL;
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', PROTOCOL_MESSAGE_MAX - 1);

	json_t *reply = protocol_result(json_string(text));

	assert_int_equal(protocol_encode(reply, &bytes, &len, &err), -1);
	assert_null(bytes);
	assert_int_equal(err_code(err), ERR_FAILED);
	json_decref(reply);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_that_fit_the_table_are_taken),
		cmocka_unit_test(what_is_no_json_object_is_refused),
		cmocka_unit_test(the_verb_and_its_arguments_are_named_when_wrong),
		cmocka_unit_test(a_message_that_is_too_long_is_refused_unread),
		cmocka_unit_test(deep_nesting_is_refused_before_parsing),
		cmocka_unit_test(errors_arrive_with_code_and_message),
		cmocka_unit_test(an_error_with_a_strange_file_name_still_arrives),
		cmocka_unit_test(results_arrive),
		cmocka_unit_test(a_reply_that_is_too_long_is_not_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
