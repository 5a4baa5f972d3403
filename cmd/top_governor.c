/* SPDX-License-Identifier: Apache-2.0 */
/* What the governor says in `lodge top`: see top_governor.h. */
#include "cmd/top_governor.h"

#include <fcntl.h>
#include <string.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sums.h"
#include "cmd/memory_report.h"
#include "govern/files.h"
#include "govern/words.h"

/* Each record is a new file. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void take_record(struct top_governor *governor, const struct govern_record *record)
{
	governor->time_ms = record->time_ms;
	governor->state = record->state;
	governor->margin = record->margin;
	governor->wanted = record->wanted;
	governor->n_decisions = record->n_decisions;
	memcpy(governor->decisions, record->decisions, sizeof(governor->decisions));
}

static void read_record(int dir_fd, struct top_governor *governor)
{
	_cleanup_(govern_record_clear) struct govern_record record = { 0 };
	_cleanup_err_ struct err *err = NULL;
	struct stat status = { 0 };

	/* Looked at before it's read: one that is replaced in between is read again. */
	if (fstatat(dir_fd, GOVERN_RECORD_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_same(&status, &governor->read))
		return;
	governor->read = status;
	governor->known = govern_record_load(dir_fd, &record, &err) == 0;
	governor->damaged = !governor->known && err_code(err) != ERR_NOT_FOUND;
	if (governor->known)
		take_record(governor, &record);
}

void top_governor_look(struct top_governor *governor)
{
	_cleanup_close_ int dir_fd = -1;

	governor->now_ms = clock_boot_ms();
	governor->runs = false;
	if (rundir_open_root(false, &dir_fd, NULL) < 0 || dir_fd < 0)
		return;
	governor->runs = govern_is_running(dir_fd);
	read_record(dir_fd, governor);
}

size_t top_governor_decisions(const struct top_governor *governor)
{
	return governor->runs && governor->known ? governor->n_decisions : 0;
}

json_t *top_decision_to_json(const struct govern_decision *d, uint64_t now_ms)
{
	return json_pack("{s:I, s:s, s:s, s:o, s:o, s:s, s:s}", "age_ms",
			 (json_int_t)rest(now_ms, d->time_ms), "guest", d->guest, "reason",
			 policy_reason_name(d->reason), "bytes", memory_report_known(d->bytes),
			 "whom", d->whom[0] ? json_string(d->whom) : json_null(), "state",
			 policy_state_name(d->state), "text", d->text);
}

json_t *top_governor_to_json(const struct top_governor *governor)
{
	json_t *object = json_pack("{s:b}", "running", governor->runs);
	json_t *decisions = json_array();

	if (governor->known) {
		json_object_set_new(
		    object, "age_ms",
		    json_integer((json_int_t)rest(governor->now_ms, governor->time_ms)));
		json_object_set_new(object, "state",
				    json_string(policy_state_name(governor->state)));
		json_object_set_new(object, "margin", memory_report_known(governor->margin));
		json_object_set_new(object, "wanted", memory_report_known(governor->wanted));
	}
	for (size_t i = top_governor_decisions(governor); i > 0; i--)
		json_array_append_new(
		    decisions, top_decision_to_json(&governor->decisions[i - 1], governor->now_ms));
	json_object_set_new(object, "decisions", decisions);
	return object;
}
