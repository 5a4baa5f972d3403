/* SPDX-License-Identifier: Apache-2.0 */
/* Act: see ksm_act.h. */
#include "govern/ksm_act.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "base/log.h"
#include "govern/files.h"

enum { STATE_FILE_MAX = 65536 }; /* bytes */

static json_t *held_to_json(const struct ksm_held *held)
{
	return json_pack("{s:I, s:I, s:b, s:b}", "found", (json_int_t)held->found, "written",
			 (json_int_t)held->written, "done", held->done, "yielded", held->yielded);
}

static json_t *memory_to_json(const struct ksm_memory *memory)
{
	json_t *knobs = json_object();

	for (int i = 0; i < KSM_KNOBS; i++)
		if (memory->knobs[i].held)
			json_object_set_new(knobs, ksm_knob_name((enum ksm_knob)i),
					    held_to_json(&memory->knobs[i]));
	return json_pack("{s:{s:o, s:b, s:I, s:b, s:I, s:I, s:i, s:i, s:i}}", "ksm", "settings",
			 knobs, "hands_off", memory->hands_off, "newest_ns",
			 (json_int_t)memory->newest_ns, "seen", memory->seen, "full_scans",
			 (json_int_t)memory->full_scans, "pages_saved",
			 (json_int_t)memory->pages_saved, "fast_scans", (int)memory->fast_scans,
			 "level", (int)memory->level, "idle_scans", (int)memory->idle_scans);
}

static int memory_from_json(const json_t *json, struct ksm_memory *memory, json_error_t *why)
{
	json_t *knobs = NULL;
	json_int_t newest = 0;
	json_int_t full_scans = 0;
	json_int_t pages_saved = 0;
	int hands_off = 0;
	int seen = 0;
	int fast_scans = 0;
	int level = 0;
	int idle_scans = 0;

	if (json_unpack_ex((json_t *)json, why, 0,
			   "{s:{s:o, s:b, s:I, s:b, s:I, s:I, s:i, s:i, s:i}}", "ksm", "settings",
			   &knobs, "hands_off", &hands_off, "newest_ns", &newest, "seen", &seen,
			   "full_scans", &full_scans, "pages_saved", &pages_saved, "fast_scans",
			   &fast_scans, "level", &level, "idle_scans", &idle_scans) < 0)
		return -1;
	memory->hands_off = hands_off;
	memory->newest_ns = (uint64_t)newest;
	memory->seen = seen;
	memory->full_scans = (uint64_t)full_scans;
	memory->pages_saved = (uint64_t)pages_saved;
	memory->fast_scans = (unsigned)fast_scans % (KSM_FAST_SCANS + 1);
	memory->level = (unsigned)level % (KSM_SLOWEST_LEVEL + 1);
	memory->idle_scans = (unsigned)idle_scans;
	for (int i = 0; i < KSM_KNOBS; i++) {
		json_t *knob = json_object_get(knobs, ksm_knob_name((enum ksm_knob)i));
		json_int_t found = 0;
		json_int_t written = 0;
		int done = 0;
		int yielded = 0;

		if (!knob)
			continue;
		if (json_unpack_ex(knob, why, 0, "{s:I, s:I, s:b, s:b}", "found", &found, "written",
				   &written, "done", &done, "yielded", &yielded) < 0)
			return -1;
		memory->knobs[i] = (struct ksm_held){
			.held = true,
			.done = done,
			.yielded = yielded,
			.found = (uint64_t)found,
			.written = (uint64_t)written,
		};
	}
	return 0;
}

void govern_load(int dir_fd, struct ksm_memory *ret_memory)
{
	struct ksm_memory memory = { 0 };
	_cleanup_free_ char *text = NULL;
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_err_ struct err *err = NULL;
	json_error_t why = { 0 };
	size_t len;

	*ret_memory = memory;
	if (fdio_read_file(dir_fd, GOVERN_STATE_FILE, STATE_FILE_MAX, &text, &len, &err) < 0) {
		if (err_errno(err) != ENOENT)
			log_line("what lodged wrote down can't be read: %s", err_message(err));
		return;
	}
	json = json_loadb(text, len, 0, &why);
	if (!json || memory_from_json(json, &memory, &why) < 0) {
		log_line("what lodged wrote down in %s isn't understood (%s): it starts anew",
			 GOVERN_STATE_FILE, why.text);
		return;
	}
	*ret_memory = memory;
}

static int save(int dir_fd, const struct ksm_memory *memory, struct err **err)
{
	_cleanup_(json_decrefp) json_t *json = memory_to_json(memory);

	return govern_save_json(dir_fd, GOVERN_STATE_FILE, json, JSON_INDENT(2), err);
}

static bool same_held(const struct ksm_held *a, const struct ksm_held *b)
{
	return a->held == b->held && a->done == b->done && a->yielded == b->yielded &&
	       a->found == b->found && a->written == b->written;
}

static bool must_save(const struct ksm_memory *a, const struct ksm_memory *b)
{
	for (int i = 0; i < KSM_KNOBS; i++)
		if (!same_held(&a->knobs[i], &b->knobs[i]))
			return true;
	return a->hands_off != b->hands_off || a->newest_ns != b->newest_ns || a->seen != b->seen ||
	       a->full_scans != b->full_scans || a->fast_scans != b->fast_scans ||
	       a->level != b->level || a->idle_scans != b->idle_scans;
}

/* Writes every setting that can be written. */
static int write_settings(int root_fd, const struct ksm_plan *plan, struct err **err)
{
	int rc = 0;

	for (size_t i = 0; i < plan->n_writes; i++)
		if (ksm_knob_write(root_fd, plan->writes[i].knob, plan->writes[i].value, err) < 0)
			rc = -1; /* the first error is kept */
	return rc;
}

int govern_act(int root_fd, int dir_fd, const struct ksm_plan *plan, struct ksm_memory *memory,
	       struct err **err)
{
	struct ksm_memory next = plan->memory;

	if (!plan->puts_back && must_save(memory, &next) && save(dir_fd, &next, err) < 0)
		return -1;
	if (write_settings(root_fd, plan, err) < 0) {
		if (!plan->puts_back)
			*memory = next;
		return -1;
	}
	ksm_memory_done(&next);
	if (must_save(plan->puts_back ? memory : &plan->memory, &next) &&
	    save(dir_fd, &next, err) < 0)
		return -1;
	*memory = next;
	return 0;
}
