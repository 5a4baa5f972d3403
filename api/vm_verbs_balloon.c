/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's verbs that are about the balloon: set, balloon, stats, hints.
 *
 * The guest answers in its own time, so stats and hints are deferred: what they wait for is looked
 * at whenever the balloon has changed. Everybody who waits for the same is answered at once.
 */
#include "api/vm_verbs_internal.h"

#include "api/server.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "machine/config.h"
#include "machine/machine.h"
#include "mem/guest_ram.h"
#include "virtio/balloon.h"

static json_t *options_to_json(unsigned options)
{
	json_t *words = json_array();

	for (const struct vm_balloon_word *w = vm_balloon_words; w->option; w++)
		if (options & w->option)
			json_array_append_new(words, json_string(w->word));
	return words;
}

/* What the guest says, it may say wrong: a number beyond 63 bits is shown as the largest. */
static json_t *stats_to_json(const struct virtio_balloon_info *info)
{
	json_t *stats = json_object();

	for (unsigned i = 0; info->stats_valid && i < VIRTIO_BALLOON_STATS_MAX; i++) {
		uint64_t value = info->stats[i] > INT64_MAX ? INT64_MAX : info->stats[i];

		if (info->stats_present[i])
			json_object_set_new(stats, virtio_balloon_stat_name(i),
					    json_integer((json_int_t)value));
	}
	return stats;
}

static void add_pages(json_t *object, const char *name, uint64_t pages)
{
	json_object_set_new(object, name, json_integer((json_int_t)pages * GUEST_RAM_PAGE));
}

json_t *vm_verbs_balloon_to_json(const struct vm_verbs *verbs)
{
	struct virtio_balloon_info info;
	bool present = machine_balloon_info(verbs->host.machine, &info);
	json_t *object = json_pack("{s:b, s:b}", "present", present, "driver", info.driver);

	add_pages(object, "target", info.target_pages);
	add_pages(object, "actual", info.actual_pages);
	add_pages(object, "claimed", info.claimed_pages);
	add_pages(object, "released", info.released_pages);
	add_pages(object, "reported", info.reported_pages);
	add_pages(object, "reported_total", info.reported_total);
	add_pages(object, "hinted", info.hinted_pages);
	json_object_set_new(object, "hinting", json_boolean(info.hinting));
	json_object_set_new(object, "poison_value", json_integer(info.poison_value));
	json_object_set_new(object, "offered", options_to_json(info.options));
	json_object_set_new(object, "negotiated", options_to_json(info.negotiated));
	json_object_set_new(object, "stats_age_ms",
			    info.stats_valid
				? json_integer((json_int_t)(clock_boot_ms() - info.stats_time_ms))
				: json_null());
	json_object_set_new(object, "stats", stats_to_json(&info));
	return object;
}

int vm_verbs_handle_set(void *opaque, struct control_call *call, const json_t *request,
			json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;
	json_int_t bytes = json_integer_value(json_object_get(request, "balloon"));

	(void)call;
	if (machine_set_balloon(verbs->host.machine, (uint64_t)bytes, err) < 0)
		return -1;
	*ret_result = vm_verbs_balloon_to_json(verbs);
	return 0;
}

int vm_verbs_handle_balloon(void *opaque, struct control_call *call, const json_t *request,
			    json_t **ret_result, struct err **err)
{
	(void)call;
	(void)request;
	(void)err;
	*ret_result = vm_verbs_balloon_to_json(opaque);
	return 0;
}

int vm_verbs_handle_stats(void *opaque, struct control_call *call, const json_t *request,
			  json_t **ret_result, struct err **err)
{
	struct vm_verbs *verbs = opaque;

	(void)call;
	(void)request;
	(void)ret_result;
	verbs->stats_asked_ms = clock_boot_ms();
	return machine_ask_stats(verbs->host.machine, err) < 0 ? -1 : CONTROL_DEFERRED;
}

int vm_verbs_handle_hints(void *opaque, struct control_call *call, const json_t *request,
			  json_t **ret_result, struct err **err)
{
	const struct vm_verbs *verbs = opaque;

	(void)call;
	(void)request;
	(void)ret_result;
	return machine_ask_hints(verbs->host.machine, err) < 0 ? -1 : CONTROL_DEFERRED;
}

static void refuse_waiting(struct vm_verbs *verbs)
{
	_cleanup_err_ struct err *err = NULL;

	err_set(&err, ERR_STATE, 0,
		verbs->ended ? "it ended before it answered"
			     : "its balloon driver went away before it answered");
	control_server_refuse_all(verbs->server, "stats", err);
	control_server_refuse_all(verbs->server, "hints", err);
}

/* A balloon that is on its way changes a thousand times for each GiB, and mostly nobody waits. */
void vm_verbs_balloon_changed(struct vm_verbs *verbs)
{
	bool stats = control_server_awaited(verbs->server, "stats");
	bool hints = control_server_awaited(verbs->server, "hints");
	struct virtio_balloon_info info;

	if (!stats && !hints)
		return;
	machine_balloon_info(verbs->host.machine, &info);
	if (!info.driver) {
		refuse_waiting(verbs);
		return;
	}
	if (stats && info.stats_valid && info.stats_time_ms >= verbs->stats_asked_ms)
		control_server_reply_all(verbs->server, "stats", vm_verbs_balloon_to_json(verbs));
	if (hints && !info.hinting)
		control_server_reply_all(verbs->server, "hints", vm_verbs_balloon_to_json(verbs));
}
