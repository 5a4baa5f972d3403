/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios as text: see scenario_text.h. */
#include "scenario_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

int scenario_from(const char *text, struct scenario *ret_scenario, struct err **err)
{
	_cleanup_free_ char *json = strdup(text);

	assert_non_null(json);
	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	return scenario_parse(json, strlen(json), ret_scenario, err);
}

struct scenario scenario_of(const char *text)
{
	_cleanup_err_ struct err *err = NULL;
	struct scenario scenario = { 0 };

	if (scenario_from(text, &scenario, &err) < 0)
		fail_msg("%s", err_message(err));
	return scenario;
}
