/* SPDX-License-Identifier: Apache-2.0 */
/* Changing a running guest: the keys of `lodge set` (set.c, set_balloon.c, set_reclaim.c). */
#ifndef LODGE_CMD_SET_H
#define LODGE_CMD_SET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* The guest that is to be changed. */
struct set_guest {
	const char *name;
	const json_t *show; /* its answer to the verb show */
	int root_fd;	    /* stands for "/" */
	bool no_wait;
};

struct set_key {
	const char *name;
	uint64_t min;  /* bytes */
	uint64_t unit; /* bytes; the value must be a multiple */
	/* Whether it can be done, as far as that can be known before. */
	int (*check)(const struct set_guest *guest, uint64_t value, struct err **err);
	/* Does it, says how it went, and returns the verb's exit status. */
	int (*apply)(const struct set_guest *guest, uint64_t value);
};

extern const struct set_key set_keys[];
enum { SET_KEYS = 2 };

/* A request, from words "KEY=VALUE": the texts of the values, parts of the words, by the index of
 * their keys; NULL where a key isn't given. ERR_USAGE for unknown keys and those given twice. */
int set_split(char *const *words, size_t n, const char *texts[SET_KEYS], struct err **err);

/* A value in bytes; ERR_USAGE, with what would have been right, if it's no size or isn't from the
 * key's least value to memory, which is the guest's. */
int set_parse(const struct set_key *key, const char *text, uint64_t memory, uint64_t *ret_value,
	      struct err **err);

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
