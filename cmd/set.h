/* SPDX-License-Identifier: Apache-2.0 */
/* Changing a running guest: the keys of `lodge set` (set.c, set_promise.c, set_weight.c,
 * set_limits.c, set_balloon.c, set_reclaim.c). */
#ifndef LODGE_CMD_SET_H
#define LODGE_CMD_SET_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* The keys, in the order in which they are done: what can still be refused then comes first. */
enum set_key_index {
	SET_GUARANTEE,
	SET_MEMORY_LIMIT,
	SET_WEIGHT,
	SET_CPU_LIMIT,
	SET_ZSWAP_LIMIT,
	SET_BALLOON,
	SET_RECLAIM,
	SET_KEYS,
};

struct set_value {
	bool given;
	uint64_t value; /* bytes, a number, or what the key's parse() gave */
};

/* The guest that is to be changed. */
struct set_guest {
	const char *name;
	const json_t *show; /* its answer to the verb show */
	int root_fd;	    /* stands for "/" */
	bool no_wait;
	struct set_value asked[SET_KEYS];
};

struct set_key {
	const char *name;
	uint64_t min;  /* bytes, or a number */
	uint64_t max;  /* a number; 0: the guest's memory, in bytes */
	uint64_t unit; /* bytes; the value must be a multiple */
	/* Whether it can be done, as far as that can be known before. */
	int (*check)(const struct set_guest *guest, uint64_t value, struct err **err);
	/* Does it, says how it went, and returns the verb's exit status. */
	int (*apply)(const struct set_guest *guest, uint64_t value);
	/* For what is neither a number nor a size: reads it. NULL otherwise. */
	int (*parse)(const char *text, uint64_t *ret_value, struct err **err);
};

extern const struct set_key set_keys[SET_KEYS];

/* A request, from words "KEY=VALUE": the texts of the values, parts of the words, by the index of
 * their keys; NULL where a key isn't given. ERR_USAGE for unknown keys and those given twice. */
int set_split(char *const *words, size_t n, const char *texts[SET_KEYS], struct err **err);

/* A value; ERR_USAGE, with what would have been right, if it's no size or number, or isn't from the
 * key's least value to its greatest. memory is the guest's, in bytes. */
int set_parse(const struct set_key *key, const char *text, uint64_t memory, uint64_t *ret_value,
	      struct err **err);

/* The path of the guest's control group from "/". */
int set_find_group(const struct set_guest *guest, char path[PATH_MAX], struct err **err);

/* set_promise.c */
int set_check_promise(const struct set_guest *guest, uint64_t value, struct err **err);
int set_apply_guarantee(const struct set_guest *guest, uint64_t value);
int set_apply_memory_limit(const struct set_guest *guest, uint64_t value);
/* set_weight.c */
int set_check_weight(const struct set_guest *guest, uint64_t value, struct err **err);
int set_apply_weight(const struct set_guest *guest, uint64_t value);
/* set_limits.c */
int set_parse_cpu_limit(const char *text, uint64_t *ret_value, struct err **err);
int set_check_cpu_limit(const struct set_guest *guest, uint64_t value, struct err **err);
int set_apply_cpu_limit(const struct set_guest *guest, uint64_t value);
int set_parse_zswap_limit(const char *text, uint64_t *ret_value, struct err **err);
int set_check_zswap_limit(const struct set_guest *guest, uint64_t value, struct err **err);
int set_apply_zswap_limit(const struct set_guest *guest, uint64_t value);
/* set_balloon.c */
int set_check_balloon(const struct set_guest *guest, uint64_t value, struct err **err);
int set_apply_balloon(const struct set_guest *guest, uint64_t value);
/* set_reclaim.c */
int set_check_reclaim(const struct set_guest *guest, uint64_t value, struct err **err);
int set_apply_reclaim(const struct set_guest *guest, uint64_t value);

enum { SET_PACE_TEXT_MAX = 64 };
/* ", in 1.3 s (394M/s)" */
char *set_format_pace(uint64_t bytes, int64_t ms, char text[SET_PACE_TEXT_MAX]);

#endif
