/* SPDX-License-Identifier: Apache-2.0 */
/* What the host can promise: see host_promises.h. */
#include "cmd/host_promises.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "base/sums.h"
#include "cmd/memory_report.h"
#include "machine/config.h"

int host_promises_read(int root_fd, struct ledger *ret_ledger, struct err **err)
{
	char slice[LEDGER_SLICE_MAX];

	if (ledger_find(root_fd, slice, err) < 0)
		return -1;
	return ledger_read(root_fd, slice, ret_ledger, err);
}

/* What guarantees, and what memory, can be promised besides. */
static uint64_t left_to_guarantee(const struct ledger *ledger)
{
	uint64_t ram = promise_ram(&ledger->capital);

	return least(rest(ram, promise_slack(ram) + ledger->sum.guaranteed),
		     rest(promise_protection(&ledger->capital), ledger->sum.protection));
}

static uint64_t left_in_all(const struct ledger *ledger)
{
	return rest(promise_ram(&ledger->capital) + promise_swap(&ledger->capital),
		    ledger->sum.worst);
}

/* The host's reserve, by the slice's limit. */
static uint64_t kept_for_host(const struct promise_capital *capital)
{
	return rest(capital->ram, capital->limit);
}

static json_t *size(uint64_t bytes)
{
	return json_integer((json_int_t)bytes);
}

static json_t *bound(uint64_t bytes)
{
	return bytes == UINT64_MAX ? json_null() : size(bytes);
}

static json_t *bound_to_json(const struct promise_bound *b)
{
	if (!b->there)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "ram", bound(b->ram), "swap", bound(b->swap),
			 "protection", bound(b->protection));
}

json_t *host_promises_to_json(const struct ledger *ledger)
{
	const struct promise_capital *c = &ledger->capital;
	struct promise_lack lack = promise_lack(c, &ledger->sum);
	uint64_t ram = promise_ram(c);
	json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "ram", size(ram), "host_ram",
				   size(c->ram), "others_ram", size(c->others), "limit",
				   size(c->limit), "swap", size(promise_swap(c)), "others_swap",
				   size(c->swap_other));

	json_object_set_new(object, "reserve", size(kept_for_host(c)));
	json_object_set_new(object, "slack", size(promise_slack(ram)));
	json_object_set_new(object, "guests", json_integer((json_int_t)ledger->sum.n));
	json_object_set_new(object, "best_effort",
			    json_integer((json_int_t)ledger->sum.n_best_effort));
	json_object_set_new(object, "guaranteed", size(ledger->sum.guaranteed));
	json_object_set_new(object, "worst", size(ledger->sum.worst));
	json_object_set_new(object, "beyond_limits", size(ledger->sum.beyond));
	json_object_set_new(object, "left_guarantee", size(left_to_guarantee(ledger)));
	json_object_set_new(object, "left", size(left_in_all(ledger)));
	json_object_set_new(object, "lacking",
			    json_pack("{s:o, s:o, s:o, s:o}", "ram", size(lack.ram), "total",
				      size(lack.total), "swap", size(lack.swap), "protection",
				      size(lack.protection)));
	json_object_set_new(object, "ledger", json_sprintf("/%s", ledger->slice));
	json_object_set_new(object, "bound", bound_to_json(&c->bound));
	json_object_set_new(object, "unlimited",
			    *ledger->unlimited ? json_string(ledger->unlimited) : json_null());
	return object;
}

static void print_label(const char *label)
{
	printf("%-*s", MEMORY_REPORT_LABEL, label);
}

/* "1.2G of 3.6G: 2.4G are left" */
static void print_used(const char *label, uint64_t used, uint64_t of, uint64_t left)
{
	char sizes[3][SIZE_TEXT_MAX];

	print_label(label);
	printf("%s of %s; %s are left\n", size_format(used, sizes[0]), size_format(of, sizes[1]),
	       size_format(left, sizes[2]));
}

static void print_lack(const struct ledger *ledger)
{
	struct promise_lack lack = promise_lack(&ledger->capital, &ledger->sum);
	char size_text[SIZE_TEXT_MAX];

	if (lack.ram > 0) {
		print_label("  IN DANGER");
		printf("guarantees: %s of RAM are lacking for them\n",
		       size_format(lack.ram, size_text));
	}
	if (lack.total > 0 || lack.swap > 0) {
		print_label("  IN DANGER");
		printf("guests' memory: add %s of %s, or end guests\n",
		       size_format(lack.total > lack.swap ? lack.total : lack.swap, size_text),
		       lack.swap > 0 ? "swap" : "swap or RAM");
	}
	if (lack.protection > 0) {
		char remedy[LEDGER_REMEDY_MAX];

		print_label("  IN DANGER");
		printf("guarantees: the groups above protect %s too little; %s\n",
		       size_format(lack.protection, size_text),
		       ledger_describe_remedy(ledger, ledger->sum.protection, remedy));
	}
	if (*ledger->unlimited) {
		print_label("  IN DANGER");
		printf("everything, by " LEDGER_SLICE
		       "/%s: set its memory.max and memory.swap.max\n",
		       ledger->unlimited);
	}
}

/* "512M", or what to say of no bound. */
static const char *bound_text(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
	return bytes == UINT64_MAX ? "any" : size_format(bytes, text);
}

static void print_bound(const struct promise_bound *b)
{
	char sizes[3][SIZE_TEXT_MAX];

	if (!b->there)
		return;
	print_label("  groups allow");
	printf("%s RAM, %s swap; guarantees of %s\n", bound_text(b->ram, sizes[0]),
	       bound_text(b->swap, sizes[1]), bound_text(b->protection, sizes[2]));
	if (b->protection == 0) {
		print_label("  no guarantees");
		puts("no memory.min in the groups above the ledger");
	}
}

void host_promises_print(const struct ledger *ledger)
{
	const struct promise_capital *c = &ledger->capital;
	uint64_t ram = promise_ram(c);
	uint64_t swap = promise_swap(c);
	char sizes[4][SIZE_TEXT_MAX];

	puts("\nPromises");
	print_label("  ledger");
	printf("/%s\n", ledger->slice);
	print_bound(&c->bound);
	print_label("  RAM for guests");
	printf("%s of %s; %s are kept for the host, others use %s\n", size_format(ram, sizes[0]),
	       size_format(c->ram, sizes[1]), size_format(kept_for_host(c), sizes[2]),
	       size_format(c->others, sizes[3]));
	print_label("  swap for guests");
	printf("%s of %s; others use %s\n", size_format(swap, sizes[0]),
	       size_format(c->swap, sizes[1]), size_format(c->swap_other, sizes[2]));
	print_label("  promised to");
	printf("%zu guests, and nothing to %zu of best effort\n", ledger->sum.n,
	       ledger->sum.n_best_effort);
	print_used("  guarantees", ledger->sum.guaranteed, rest(ram, promise_slack(ram)),
		   left_to_guarantee(ledger));
	print_used("  all memory", ledger->sum.worst, ram + swap, left_in_all(ledger));
	print_lack(ledger);
}

static int parse_cpus(struct vm_config *config, const char *text, struct err **err)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits])
		return err_set(err, ERR_USAGE, 0, "cpus: \"%s\" is no number of vCPUs", text);
	config->cpus = (unsigned)strtoul(text, NULL, 10);
	return 0;
}

/* One word after the memory. */
static int parse_word(struct vm_config *config, char *word, struct err **err)
{
	char *value = strchr(word, '=');

	if (strcmp(word, "merge") == 0) {
		config->ram.merge = true;
		return 0;
	}
	if (value)
		*value++ = '\0';
	if (value && strcmp(word, "guarantee") == 0)
		return size_parse(value, &config->guarantee, err) < 0 ? err_wrap(err, "guarantee")
								      : 0;
	if (value && strcmp(word, "cpus") == 0)
		return parse_cpus(config, value, err);
	return err_set(err, ERR_USAGE, 0,
		       "\"%s\" says nothing about a guest: choose of guarantee=SIZE, cpus=N and "
		       "merge",
		       word);
}

int host_promises_parse(const char *text, struct promise *ret_promise, struct err **err)
{
	_cleanup_(vm_config_clear) struct vm_config config;
	_cleanup_free_ char *copy = strdup(text);
	char *left = copy;
	char *word = strsep(&left, ",");

	vm_config_init(&config);
	config.kernel = strdup("any");
	if (size_parse(word ? word : "", &config.memory, err) < 0)
		return err_wrap(err, "--fits");
	while ((word = strsep(&left, ",")))
		if (parse_word(&config, word, err) < 0)
			return err_wrap(err, "--fits");
	if (vm_config_check(&config, err) < 0)
		return err_wrap(err, "--fits");
	*ret_promise = vm_config_promise(&config);
	return 0;
}

int host_promises_fit(const struct ledger *ledger, const struct promise *promise, size_t *ret_n,
		      struct err **err)
{
	*ret_n = 0;
	if (ledger_check(ledger, promise, NULL, err) < 0)
		return -1;
	*ret_n = promise_fits(&ledger->capital, &ledger->sum, promise);
	return 0;
}
