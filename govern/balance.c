/* SPDX-License-Identifier: Apache-2.0 */
/* Guests' memory, turn by turn: see balance.h. */
#include "govern/balance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "base/sums.h"
#include "govern/ask.h"
#include "govern/carry_out.h"
#include "govern/decisions.h"
#include "govern/record.h"
#include "govern/sensor.h"
#include "govern/share.h"
#include "govern/working_sets.h"

enum { SAID_MS = 60000 };

struct balance {
	int root_fd;
	int dir_fd;
	bool dry_run;
	size_t turns; /* so far */
	struct policy_settings settings;
	struct policy_memory memory;
	struct sensor sensor;
	struct working_sets *sets; /* NULL in a dry run, which switches nothing on */
	struct policy_plan plan;
	struct policy_act *acts; /* of the sensor's guests, as many */
	struct govern_record record;
	enum policy_state said_state; /* in the log */
	uint64_t said_ms;
};

int balance_new(int root_fd, int dir_fd, const struct policy_settings *settings, bool dry_run,
		struct balance **ret_balance, struct err **err)
{
	struct balance *balance = calloc(1, sizeof(*balance));
	_cleanup_err_ struct err *why = NULL;

	if (!balance)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "balance");
	*balance = (struct balance){
		.root_fd = root_fd, .dir_fd = dir_fd, .dry_run = dry_run, .settings = *settings
	};
	if (!dry_run)
		balance->sets = working_sets_new(root_fd);
	if (dir_fd >= 0 && govern_record_load(dir_fd, &balance->record, &why) < 0 &&
	    err_code(why) != ERR_NOT_FOUND)
		log_line("%s: lodged starts a new record", err_message(why));
	*ret_balance = balance;
	return 0;
}

void balance_free(struct balance *balance)
{
	if (!balance)
		return;
	working_sets_free(balance->sets);
	sensor_clear(&balance->sensor);
	govern_record_clear(&balance->record);
	free(balance->acts);
	free(balance);
}

/* Balloons that the record says were used here: what they hold now was asked for here. */
static void adopt_balloons(struct balance *balance)
{
	struct sensor *sensor = &balance->sensor;

	for (size_t i = 0; i < sensor->n; i++) {
		const struct govern_record_guest *known = govern_record_find(&balance->record,
									     sensor->about[i].name);

		if (known && known->seen.has_balloon)
			sensor->memories[i].balloon = SENSOR_ADOPT_BALLOON;
	}
}

static bool balloons_are_used(const struct sensor *sensor)
{
	for (size_t i = 0; i < sensor->n; i++)
		if (sensor->memories[i].balloon > 0)
			return true;
	return false;
}

static int sense(struct balance *balance, const char *slice, const struct ledger *ledger,
		 struct err **err)
{
	struct sensor *sensor = &balance->sensor;
	bool first = balance->memory.time_ms == 0;

	if (sensor_read(sensor, balance->root_fd, slice, ledger, err) < 0)
		return -1;
	if (first)
		adopt_balloons(balance);

	uint64_t wanted = policy_wanted_margin(sensor->host.capacity);

	bool is_short = policy_margin(&sensor->host) < wanted + wanted / 4;

	if (balance->sets)
		working_sets_read(balance->sets, sensor, is_short);
	if (is_short || balloons_are_used(sensor))
		govern_ask_guests(sensor);
	return 0;
}

static int decide(struct balance *balance, struct err **err)
{
	const struct sensor *sensor = &balance->sensor;
	_cleanup_free_ struct share_claim *work = calloc(sensor->n + 1, sizeof(*work));
	struct policy_act *acts = reallocarray(balance->acts, sensor->n + 1, sizeof(*acts));

	if (!acts || !work)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
	balance->acts = acts;
	policy_decide(&balance->settings, &sensor->host, sensor->guests, sensor->n,
		      &balance->memory, sensor->memories, work, acts, &balance->plan);
	return 0;
}

/* Writing it down */

static void note_decision(struct balance *balance, size_t i)
{
	const struct sensor *sensor = &balance->sensor;
	const struct policy_act *act = &balance->acts[i];
	const char *guest = sensor->about[i].name;
	struct govern_decision d = {
		.time_ms = sensor->host.now_ms,
		.reason = act->reason,
		.bytes = act->bytes,
		.state = balance->plan.state,
	};

	snprintf(d.guest, sizeof(d.guest), "%s", guest);
	if (act->whom != POLICY_NOBODY)
		snprintf(d.whom, sizeof(d.whom), "%s", sensor->about[act->whom].name);
	if (govern_decisions_add(&balance->record, &d, balance->plan.margin, balance->plan.wanted))
		log_line("%s: %s", guest, govern_decisions_last(&balance->record, guest)->text);
}

static void note_decisions(struct balance *balance)
{
	const struct policy_act *acts = balance->acts;

	for (size_t i = 0; i < balance->sensor.n; i++)
		if (acts[i].reason != POLICY_STAYS &&
		    (acts[i].bytes > 0 || acts[i].reason == POLICY_GIVES_THROTTLE))
			note_decision(balance, i);
}

/* A decision is kept with its guest when newer ones of others have taken its place in the list. */
static struct govern_decision last_of(const struct govern_record *before, const char *guest)
{
	const struct govern_decision *last = govern_decisions_last(before, guest);
	const struct govern_record_guest *known = govern_record_find(before, guest);

	if (last)
		return *last;
	return known ? known->last : (struct govern_decision){ 0 };
}

static struct govern_record_guest record_guest(const struct balance *balance, size_t i)
{
	const struct sensed *about = &balance->sensor.about[i];
	const struct policy_act *act = &balance->acts[i];
	struct govern_record_guest guest = {
		.seen = balance->sensor.guests[i],
		.source = about->source,
		.target = act->target,
		.untaxed = act->untaxed,
		.hurts = act->hurts,
		.last = last_of(&balance->record, about->name),
	};

	memcpy(guest.name, about->name, sizeof(guest.name));
	return guest;
}

static int write_down(struct balance *balance, struct err **err)
{
	const struct sensor *sensor = &balance->sensor;
	struct govern_record *record = &balance->record;
	struct govern_record_guest *guests = calloc(sensor->n + 1, sizeof(*guests));

	if (!guests)
		return err_set(err, ERR_NO_SPACE, ENOMEM, "list of guests");
	note_decisions(balance);
	for (size_t i = 0; i < sensor->n; i++)
		guests[i] = record_guest(balance, i);
	free(record->guests);
	record->guests = guests;
	record->n_guests = sensor->n;
	record->time_ms = sensor->host.now_ms;
	record->settings = balance->settings;
	record->host = sensor->host;
	record->state = balance->plan.state;
	record->margin = balance->plan.margin;
	record->wanted = balance->plan.wanted;
	return govern_record_save(balance->dir_fd, record, err);
}

/* The policy remembers what it asked for; the kernel may have had less to take, or no time. */
static void note_taken(struct balance *balance)
{
	for (size_t i = 0; i < balance->sensor.n; i++) {
		const struct policy_act *act = &balance->acts[i];
		uint64_t *taken = &balance->sensor.memories[i].taken;

		if (act->reclaim > act->bytes)
			*taken = rest(*taken, act->reclaim - act->bytes);
	}
}

/* A state that comes and goes within a minute is said once. */
static void note_state(struct balance *balance)
{
	enum policy_state state = balance->plan.state;
	uint64_t now_ms = balance->sensor.host.now_ms;
	char sizes[2][SIZE_TEXT_MAX];

	if (state == balance->said_state ||
	    (state < balance->said_state && now_ms - balance->said_ms < SAID_MS))
		return;
	balance->said_state = state;
	balance->said_ms = now_ms;
	log_line("the host is %s: guests can take %s more, %s are wanted", policy_state_name(state),
		 size_format(balance->plan.margin, sizes[0]),
		 size_format(balance->plan.wanted, sizes[1]));
}

int balance_turn(struct balance *balance, const char *slice, const struct ledger *ledger,
		 unsigned *ret_next_ms, struct err **err)
{
	if (sense(balance, slice, ledger, err) < 0 || decide(balance, err) < 0)
		return -1;
	*ret_next_ms = balance->plan.next_ms;
	if (balance->dry_run)
		return 0;
	note_state(balance);

	int rc = carry_out(balance->root_fd, slice, &balance->sensor, balance->acts,
			   balance->turns++, err);

	note_taken(balance);
	return write_down(balance, err) < 0 ? -1 : rc;
}

static void print_act(const struct balance *balance, size_t i, FILE *out)
{
	const struct policy_guest *guest = &balance->sensor.guests[i];
	const struct policy_act *act = &balance->acts[i];
	struct govern_decision d = { .reason = act->reason,
				     .bytes = act->bytes,
				     .state = balance->plan.state };
	char sizes[3][SIZE_TEXT_MAX];

	if (act->whom != POLICY_NOBODY)
		snprintf(d.whom, sizeof(d.whom), "%s", balance->sensor.about[act->whom].name);
	govern_decision_describe(&d, balance->plan.margin, balance->plan.wanted);
	fprintf(out, "%s: has %s in RAM and %s in swap, its part is %s%s%s%s\n",
		balance->sensor.about[i].name, size_format(guest->resident, sizes[0]),
		size_format(guest->swapped, sizes[1]), size_format(act->target, sizes[2]),
		act->hurts ? "; it waits for memory" : "", act->reason != POLICY_STAYS ? "; " : "",
		act->reason != POLICY_STAYS ? d.text : "");
}

void balance_print(const struct balance *balance, FILE *out)
{
	char sizes[2][SIZE_TEXT_MAX];

	fprintf(out, "memory: the host is %s, guests can take %s more, %s are wanted\n",
		policy_state_name(balance->plan.state), size_format(balance->plan.margin, sizes[0]),
		size_format(balance->plan.wanted, sizes[1]));
	for (size_t i = 0; i < balance->sensor.n; i++)
		print_act(balance, i, out);
}

void balance_let_go(struct balance *balance, const char *slice)
{
	carry_out_let_go(balance->root_fd, slice, &balance->sensor);
}
