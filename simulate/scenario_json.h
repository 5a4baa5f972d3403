/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a scenario, read by tables of their members: each error is named with its place. */
#ifndef LODGE_SIMULATE_SCENARIO_JSON_H
#define LODGE_SIMULATE_SCENARIO_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* A member, read by read() into the struct at that offset. least and most are limits of what it
 * may be, in the units of the field. */
struct scenario_member {
	const char *name;
	size_t offset;
	int (*read)(const struct scenario_member *member, const json_t *json, void *field,
		    struct err **err);
	bool required;
	uint64_t least;
	uint64_t most;
};

/* Reads all members that are there and refuses those that aren't in the table, which ends with a
 * NULL name. What isn't there is left as it is. */
int scenario_read_object(const struct scenario_member *members, const json_t *json, void *into,
			 struct err **err);

/* Bytes: "512M", or a number; into a uint64_t. */
int scenario_read_size(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err);
/* ms: "250ms", "90s", "5m", "12h", "3d"; into a uint64_t. */
int scenario_read_time(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err);
/* A whole number; into a uint64_t. */
int scenario_read_number(const struct scenario_member *member, const json_t *json, void *field,
			 struct err **err);
/* true or false; into a bool. */
int scenario_read_bool(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err);
/* A name of at most SCENARIO_NAME_MAX letters, digits, '-' and '_'; into a char array. */
int scenario_read_name(const struct scenario_member *member, const json_t *json, void *field,
		       struct err **err);
/* Words for the reader of the file alone. */
int scenario_read_words(const struct scenario_member *member, const json_t *json, void *field,
			struct err **err);

#endif
