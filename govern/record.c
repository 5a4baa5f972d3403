/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the governor wrote down: see record.h.
 *
 * The file may be damaged, or of another version: every member is checked, and the one that is
 * wrong is named. Members that aren't known here are passed over.
 */
#include "govern/record.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "govern/files.h"
#include "govern/words.h"

/* A guest takes up to 1.5 KiB. */
enum { RECORD_FILE_MAX = 32 << 20 }; /* bytes */

/* Members that are numbers, by tables */

enum kind {
	KIND_SIZE, /* a uint64_t that may be POLICY_UNKNOWN */
	KIND_TIME, /* a uint64_t that may not */
	KIND_UNSIGNED,
	KIND_BOOL,
};

struct member {
	const char *name;
	enum kind kind;
	size_t offset;
};

#define MEMBER(type, kind, member)                    \
	{                                             \
#member, kind, offsetof(type, member) \
	}

static const struct member settings_members[] = {
	MEMBER(struct policy_settings, KIND_UNSIGNED, tax_percent),
	MEMBER(struct policy_settings, KIND_UNSIGNED, interval_ms),
};

static const struct member host_members[] = {
	MEMBER(struct policy_host, KIND_TIME, now_ms),
	MEMBER(struct policy_host, KIND_SIZE, capacity),
	MEMBER(struct policy_host, KIND_SIZE, used),
	MEMBER(struct policy_host, KIND_SIZE, available),
};

static const struct member seen_members[] = {
	MEMBER(struct policy_guest, KIND_SIZE, floor),
	MEMBER(struct policy_guest, KIND_SIZE, ceiling),
	MEMBER(struct policy_guest, KIND_UNSIGNED, weight),
	MEMBER(struct policy_guest, KIND_BOOL, best_effort),
	MEMBER(struct policy_guest, KIND_SIZE, resident),
	MEMBER(struct policy_guest, KIND_SIZE, swapped),
	MEMBER(struct policy_guest, KIND_SIZE, active),
	MEMBER(struct policy_guest, KIND_SIZE, spare),
	MEMBER(struct policy_guest, KIND_BOOL, has_balloon),
	MEMBER(struct policy_guest, KIND_SIZE, balloon),
	MEMBER(struct policy_guest, KIND_SIZE, refaulted),
	MEMBER(struct policy_guest, KIND_UNSIGNED, pain_permille),
	MEMBER(struct policy_guest, KIND_SIZE, low),
	MEMBER(struct policy_guest, KIND_SIZE, high),
};

static const struct member guest_members[] = {
	MEMBER(struct govern_record_guest, KIND_SIZE, target),
	MEMBER(struct govern_record_guest, KIND_SIZE, untaxed),
	MEMBER(struct govern_record_guest, KIND_BOOL, hurts),
};

static const struct member decision_members[] = {
	MEMBER(struct govern_decision, KIND_TIME, time_ms),
	MEMBER(struct govern_decision, KIND_SIZE, bytes),
};

static const struct member record_members[] = {
	MEMBER(struct govern_record, KIND_TIME, time_ms),
	MEMBER(struct govern_record, KIND_SIZE, margin),
	MEMBER(struct govern_record, KIND_SIZE, wanted),
};

static json_t *member_to_json(const struct member *m, const void *base)
{
	const void *at = (const char *)base + m->offset;
	uint64_t value;

	switch (m->kind) {
	case KIND_BOOL:
		return json_boolean(*(const bool *)at);
	case KIND_UNSIGNED:
		return json_integer((json_int_t) * (const unsigned *)at);
	default:
		value = *(const uint64_t *)at;
		return value > INT64_MAX ? json_null() : json_integer((json_int_t)value);
	}
}

static void put_members(json_t *object, const struct member *members, size_t n, const void *base)
{
	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, members[i].name, member_to_json(&members[i], base));
}

static bool take_member(const json_t *value, const struct member *m, void *base)
{
	void *at = (char *)base + m->offset;
	json_int_t number = json_integer_value(value);

	if (m->kind == KIND_BOOL) {
		*(bool *)at = json_is_true(value);
		return json_is_boolean(value);
	}
	if (m->kind == KIND_SIZE && json_is_null(value)) {
		*(uint64_t *)at = POLICY_UNKNOWN;
		return true;
	}
	if (!json_is_integer(value) || number < 0)
		return false;
	if (m->kind == KIND_UNSIGNED) {
		*(unsigned *)at = (unsigned)number;
		return number <= UINT_MAX;
	}
	*(uint64_t *)at = (uint64_t)number;
	return true;
}

/* A member that is missing or isn't what it should be. */
static int bad(const char *name, struct err **err)
{
	return err_set(err, ERR_FAILED, 0, "%s isn't understood", name);
}

static int take_members(const json_t *object, const struct member *members, size_t n, void *base,
			struct err **err)
{
	for (size_t i = 0; i < n; i++)
		if (!take_member(json_object_get(object, members[i].name), &members[i], base))
			return bad(members[i].name, err);
	return 0;
}

static int take_part(const json_t *object, const char *name, const struct member *members, size_t n,
		     void *base, struct err **err)
{
	if (take_members(json_object_get(object, name), members, n, base, err) < 0)
		return err_wrap(err, "%s", name);
	return 0;
}

/* Members that are text */

/* "" if it's missing, which no word and no name is. */
static const char *word_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static int take_name(const json_t *object, const char *name, char buf[VM_NAME_MAX + 1],
		     struct err **err)
{
	const char *text = word_of(object, name);

	if (vm_name_check(text, NULL) < 0)
		return bad(name, err);
	snprintf(buf, VM_NAME_MAX + 1, "%s", text);
	return 0;
}

static int take_text(const json_t *object, const char *name, char buf[GOVERN_DECISION_TEXT_MAX],
		     struct err **err)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (!text || strlen(text) >= GOVERN_DECISION_TEXT_MAX)
		return bad(name, err);
	memcpy(buf, text, strlen(text) + 1);
	return 0;
}

/* Decisions */

static json_t *decision_to_json(const struct govern_decision *d)
{
	json_t *object = json_pack("{s:s, s:s, s:s*, s:s, s:s}", "guest", d->guest, "reason",
				   policy_reason_name(d->reason), "whom",
				   d->whom[0] ? d->whom : NULL, "state",
				   policy_state_name(d->state), "text", d->text);

	put_members(object, decision_members, ARRAY_SIZE(decision_members), d);
	return object;
}

static int decision_from_json(const json_t *object, struct govern_decision *ret_decision,
			      struct err **err)
{
	struct govern_decision d = { 0 };

	if (take_members(object, decision_members, ARRAY_SIZE(decision_members), &d, err) < 0 ||
	    take_name(object, "guest", d.guest, err) < 0 ||
	    (json_object_get(object, "whom") && take_name(object, "whom", d.whom, err) < 0) ||
	    take_text(object, "text", d.text, err) < 0)
		return -1;
	if (!policy_reason_find(word_of(object, "reason"), &d.reason))
		return bad("reason", err);
	if (!policy_state_find(word_of(object, "state"), &d.state))
		return bad("state", err);
	*ret_decision = d;
	return 0;
}

/* Guests */

static json_t *guest_to_json(const struct govern_record_guest *guest)
{
	json_t *seen = json_object();
	json_t *object = json_pack("{s:s, s:o, s:s}", "name", guest->name, "seen", seen, "source",
				   govern_source_name(guest->source));

	put_members(seen, seen_members, ARRAY_SIZE(seen_members), &guest->seen);
	put_members(object, guest_members, ARRAY_SIZE(guest_members), guest);
	if (guest->last.time_ms > 0)
		json_object_set_new(object, "last", decision_to_json(&guest->last));
	return object;
}

static int guest_from_json(const json_t *object, struct govern_record_guest *ret_guest,
			   struct err **err)
{
	struct govern_record_guest guest = { 0 };
	const json_t *last = json_object_get(object, "last");

	if (take_name(object, "name", guest.name, err) < 0 ||
	    take_members(object, guest_members, ARRAY_SIZE(guest_members), &guest, err) < 0 ||
	    take_part(object, "seen", seen_members, ARRAY_SIZE(seen_members), &guest.seen, err) < 0)
		return -1;
	if (!govern_source_find(word_of(object, "source"), &guest.source))
		return bad("source", err);
	if (last && decision_from_json(last, &guest.last, err) < 0)
		return err_wrap(err, "last");
	*ret_guest = guest;
	return 0;
}

/* They are looked for by their names, so these have to be in order. */
static int take_guests(const json_t *list, struct govern_record *record, struct err **err)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return bad("guests", err);
	record->guests = calloc(n + 1, sizeof(*record->guests));
	if (!record->guests)
		return err_set(err, ERR_NO_SPACE, errno, "guests");
	for (size_t i = 0; i < n; i++) {
		struct govern_record_guest *guest = &record->guests[i];

		if (guest_from_json(json_array_get(list, i), guest, err) < 0)
			return err_wrap(err, "guests: %zu", i);
		if (i > 0 && strcmp(guest[-1].name, guest->name) >= 0)
			return err_set(err, ERR_FAILED, 0, "guests: %zu: not in order", i);
	}
	record->n_guests = n;
	return 0;
}

static int take_decisions(const json_t *list, struct govern_record *record, struct err **err)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > GOVERN_DECISIONS_MAX)
		return bad("decisions", err);
	for (size_t i = 0; i < n; i++)
		if (decision_from_json(json_array_get(list, i), &record->decisions[i], err) < 0)
			return err_wrap(err, "decisions: %zu", i);
	record->n_decisions = n;
	return 0;
}

/* The whole */

static json_t *record_to_json(const struct govern_record *record)
{
	json_t *settings = json_object();
	json_t *host = json_object();
	json_t *guests = json_array();
	json_t *decisions = json_array();
	json_t *object = json_pack("{s:o, s:o, s:s, s:o, s:o}", "settings", settings, "host", host,
				   "state", policy_state_name(record->state), "guests", guests,
				   "decisions", decisions);

	put_members(object, record_members, ARRAY_SIZE(record_members), record);
	put_members(settings, settings_members, ARRAY_SIZE(settings_members), &record->settings);
	put_members(host, host_members, ARRAY_SIZE(host_members), &record->host);
	for (size_t i = 0; i < record->n_guests; i++)
		json_array_append_new(guests, guest_to_json(&record->guests[i]));
	for (size_t i = 0; i < record->n_decisions; i++)
		json_array_append_new(decisions, decision_to_json(&record->decisions[i]));
	return object;
}

static int record_from_json(const json_t *object, struct govern_record *record, struct err **err)
{
	if (take_members(object, record_members, ARRAY_SIZE(record_members), record, err) < 0 ||
	    take_part(object, "settings", settings_members, ARRAY_SIZE(settings_members),
		      &record->settings, err) < 0 ||
	    take_part(object, "host", host_members, ARRAY_SIZE(host_members), &record->host, err) <
		0)
		return -1;
	if (!policy_state_find(word_of(object, "state"), &record->state))
		return bad("state", err);
	if (take_guests(json_object_get(object, "guests"), record, err) < 0)
		return -1;
	return take_decisions(json_object_get(object, "decisions"), record, err);
}

int govern_record_save(int dir_fd, const struct govern_record *record, struct err **err)
{
	_cleanup_(json_decrefp) json_t *json = record_to_json(record);

	return govern_save_json(dir_fd, GOVERN_RECORD_FILE, json, JSON_COMPACT, err);
}

static int read_json(int dir_fd, json_t **ret_json, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_err_ struct err *why = NULL;
	json_error_t wrong = { 0 };
	size_t len;

	if (fdio_read_file(dir_fd, GOVERN_RECORD_FILE, RECORD_FILE_MAX, &text, &len, &why) < 0) {
		if (err_errno(why) == ENOENT)
			return err_set(err, ERR_NOT_FOUND, 0,
				       "no governor (lodged) has written anything down");
		return err_set(err, ERR_FAILED, 0, "%s", err_message(why));
	}
	*ret_json = json_loadb(text, len, 0, &wrong);
	if (!*ret_json)
		return err_set(err, ERR_FAILED, 0, GOVERN_RECORD_FILE ": %s", wrong.text);
	return 0;
}

int govern_record_load(int dir_fd, struct govern_record *ret_record, struct err **err)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_(govern_record_clear) struct govern_record record = { 0 };

	if (read_json(dir_fd, &json, err) < 0)
		return -1;
	if (record_from_json(json, &record, err) < 0)
		return err_wrap(err, GOVERN_RECORD_FILE);
	*ret_record = record;
	record.guests = NULL;
	return 0;
}

void govern_record_clear(struct govern_record *record)
{
	free(record->guests);
	*record = (struct govern_record){ 0 };
}

const struct govern_record_guest *govern_record_find(const struct govern_record *record,
						     const char *name)
{
	size_t low = 0;
	size_t high = record->n_guests;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(record->guests[middle].name, name);

		if (order == 0)
			return &record->guests[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
