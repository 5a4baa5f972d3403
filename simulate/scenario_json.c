/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a scenario: see scenario_json.h. */
#include "simulate/scenario_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "simulate/scenario.h"

static const struct scenario_member *find(const struct scenario_member *members, const char *name)
{
	for (; members->name; members++)
		if (strcmp(members->name, name) == 0)
			return members;
	return NULL;
}

int scenario_read_object(const struct scenario_member *members, const json_t *json, void *into,
			 struct err **err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(json))
		return err_set(err, ERR_USAGE, 0, "must be a JSON object");
	json_object_foreach ((json_t *)json, name, value) {
		const struct scenario_member *member = find(members, name);

		if (!member)
			return err_set(err, ERR_USAGE, 0, "there is no member \"%s\"", name);
		if (member->read(member, value, (char *)into + member->offset, err) < 0)
			return err_wrap(err, "%s", name);
	}
	for (; members->name; members++)
		if (members->required && !json_object_get(json, members->name))
			return err_set(err, ERR_USAGE, 0, "\"%s\" is missing", members->name);
	return 0;
}

static int check_size(const struct scenario_member *member, uint64_t bytes, struct err **err)
{
	char given[SIZE_TEXT_MAX];
	char limit[SIZE_TEXT_MAX];

	if (bytes < member->least)
		return err_set(err, ERR_USAGE, 0, "%s is less than %s", size_format(bytes, given),
			       size_format(member->least, limit));
	if (bytes > member->most)
		return err_set(err, ERR_USAGE, 0, "%s is more than %s", size_format(bytes, given),
			       size_format(member->most, limit));
	return 0;
}

int scenario_read_size(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	uint64_t bytes = 0;

	if (json_is_string(json)) {
		if (size_parse(json_string_value(json), &bytes, err) < 0)
			return -1;
	} else if (json_is_integer(json) && json_integer_value(json) >= 0) {
		bytes = (uint64_t)json_integer_value(json);
	} else {
		return err_set(err, ERR_USAGE, 0,
			       "must be a size such as \"512M\", or a number of bytes");
	}
	if (check_size(member, bytes, err) < 0)
		return -1;
	*(uint64_t *)field = bytes;
	return 0;
}

/* What a unit is in ms; 0: there is no such unit. */
static uint64_t unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(units[i].name, unit) == 0)
			return units[i].ms;
	return 0;
}

static bool parse_time(const char *text, uint64_t *ret_ms)
{
	const char *p = text;
	uint64_t number = 0;
	uint64_t unit;

	for (; *p >= '0' && *p <= '9' && number <= UINT32_MAX; p++)
		number = number * 10 + (uint64_t)(*p - '0');
	unit = unit_ms(p);
	if (p == text || unit == 0)
		return false;
	*ret_ms = number * unit;
	return true;
}

int scenario_read_time(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	uint64_t ms;

	if (!json_is_string(json) || !parse_time(json_string_value(json), &ms))
		return err_set(err, ERR_USAGE, 0,
			       "must be a time such as \"90s\", \"5m\", \"12h\" or \"3d\"");
	if (ms < member->least || ms > member->most)
		return err_set(err, ERR_USAGE, 0, "%s isn't from %" PRIu64 " ms to %" PRIu64 " ms",
			       json_string_value(json), member->least, member->most);
	*(uint64_t *)field = ms;
	return 0;
}

int scenario_read_number(const struct scenario_member *member, const json_t *json, void *field,
			 struct err **err)
{
	json_int_t number = json_integer_value(json);

	if (!json_is_integer(json))
		return err_set(err, ERR_USAGE, 0, "must be a whole number");
	if (number < 0 || (uint64_t)number < member->least || (uint64_t)number > member->most)
		return err_set(err, ERR_USAGE, 0,
			       "%" JSON_INTEGER_FORMAT " isn't from %" PRIu64 " to %" PRIu64,
			       number, member->least, member->most);
	*(uint64_t *)field = (uint64_t)number;
	return 0;
}

int scenario_read_bool(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	(void)member;
	if (!json_is_boolean(json))
		return err_set(err, ERR_USAGE, 0, "must be true or false");
	*(bool *)field = json_is_true(json);
	return 0;
}

static bool is_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	size_t len = strlen(text);

	return len > 0 && len <= SCENARIO_NAME_MAX && strspn(text, letters) == len;
}

int scenario_read_name(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err)
{
	(void)member;
	if (!json_is_string(json) || !is_name(json_string_value(json)))
		return err_set(err, ERR_USAGE, 0,
			       "must be a name of 1 to %d letters, digits, '-' and '_'",
			       SCENARIO_NAME_MAX);
	memcpy(field, json_string_value(json), json_string_length(json) + 1);
	return 0;
}

int scenario_read_words(const struct scenario_member *member, const json_t *json, void *field,
			struct err **err)
{
	(void)member;
	(void)field;
	return json_is_string(json) ? 0 : err_set(err, ERR_USAGE, 0, "must be a string");
}
