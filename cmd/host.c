/* SPDX-License-Identifier: Apache-2.0 */
/* lodge host: the host's memory, and what guests have of it. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "api/rundir.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmd/changes.h"
#include "cmd/command.h"
#include "cmd/guest.h"
#include "cmd/host_promises.h"
#include "cmd/memory_report.h"
#include "cmd/memory_view.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "host/fields.h"
#include "host/view.h"

enum { PAGE_BYTES = 4096 };

/* The parts of all guests, added up. */
struct guests {
	uint64_t n;	    /* guests that are there */
	uint64_t n_unknown; /* of them, those whose memory can't be read now */
	struct memory_parts sum;
};

static void add_parts(struct memory_parts *sum, const struct memory_parts *p)
{
	sum->guest += p->guest;
	sum->private += p->private;
	sum->page_cache += p->page_cache;
	sum->merged += p->merged;
	sum->swapped += p->swapped;
	sum->ballooned += p->ballooned;
	sum->reported_free += p->reported_free;
	sum->untouched += p->untouched;
	sum->resident += p->resident;
	sum->share += p->share;
	sum->vmm += p->vmm;
}

static void add_guest(const struct memory_host *host, const char *name, struct guests *guests)
{
	_cleanup_(memory_view_clear) struct memory_view view = { 0 };
	_cleanup_err_ struct err *err = NULL;
	json_t *show;

	if (guest_call(name, "show", &show, &err) < 0) {
		if (err_code(err) == ERR_NOT_FOUND)
			return;
		guests->n_unknown++;
	} else {
		if (memory_view_read(host, show, &view, NULL) == 0)
			add_parts(&guests->sum, &view.parts);
		else
			guests->n_unknown++;
		json_decref(show);
	}
	guests->n++;
}

static int add_guests(int root_fd, struct guests *guests, struct err **err)
{
	struct memory_host host;
	char **names;
	size_t n;

	if (rundir_list(&names, &n, err) < 0)
		return -1;
	memory_host_find(root_fd, &host);
	for (size_t i = 0; i < n; i++)
		add_guest(&host, names[i], guests);
	rundir_list_free(names, n);
	return 0;
}

/* The ledger, if anything can be promised here, and else why not. */
struct promises {
	bool any;
	struct ledger ledger;
	struct err *reason;
	json_t *changes; /* what somebody else has changed in it */
};

/* Pages that would be there without KSM. */
static uint64_t saved_by_ksm(const struct host_ksm *ksm)
{
	uint64_t pages = ksm->pages_sharing == HOST_UNKNOWN ? 0 : ksm->pages_sharing;

	if (ksm->zero_pages != HOST_UNKNOWN)
		pages += ksm->zero_pages;
	return pages * PAGE_BYTES;
}

static json_t *choice_to_json(const char *choice)
{
	return *choice ? json_string(choice) : json_null();
}

static json_t *memory_to_json(const struct host_meminfo *m)
{
	return json_pack(
	    "{s:o, s:o, s:o, s:o, s:o, s:o}", "total", memory_report_known(m->total), "available",
	    memory_report_known(m->available), "free", memory_report_known(m->free), "page_tables",
	    memory_report_known(m->page_tables), "kvm_page_tables",
	    memory_report_known(m->kvm_page_tables), "huge", memory_report_known(m->huge));
}

static json_t *hugetlb_to_json(const struct host_meminfo *m)
{
	return json_pack("{s:o, s:o, s:o}", "pages", memory_report_known(m->hugetlb_pages), "free",
			 memory_report_known(m->hugetlb_free), "page_size",
			 memory_report_known(m->hugetlb_size));
}

static json_t *swap_to_json(const struct host_swap *swap)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "disk", (json_int_t)swap->disk, "disk_used",
			 (json_int_t)swap->disk_used, "zram", (json_int_t)swap->zram, "zram_used",
			 (json_int_t)swap->zram_used);
}

static json_t *zswap_to_json(const struct host_view *view)
{
	if (!view->has_zswap)
		return json_null();
	return json_pack("{s:b, s:o, s:o, s:o, s:o}", "enabled", view->zswap.enabled, "compressor",
			 choice_to_json(view->zswap.compressor), "max_percent",
			 memory_report_known(view->zswap.max_percent), "pool",
			 memory_report_known(view->memory.zswap), "stored",
			 memory_report_known(view->memory.zswapped));
}

static json_t *ksm_to_json(const struct host_view *view)
{
	const struct host_ksm *k = &view->ksm;
	json_t *object;

	if (!view->has_ksm)
		return json_null();
	object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "run",
			   memory_report_known(k->run), "pages_to_scan",
			   memory_report_known(k->pages_to_scan), "sleep_ms",
			   memory_report_known(k->sleep_ms), "full_scans",
			   memory_report_known(k->full_scans), "pages_shared",
			   memory_report_known(k->pages_shared), "pages_sharing",
			   memory_report_known(k->pages_sharing), "pages_unshared",
			   memory_report_known(k->pages_unshared), "pages_volatile",
			   memory_report_known(k->pages_volatile), "pages_skipped",
			   memory_report_known(k->pages_skipped), "zero_pages",
			   memory_report_known(k->zero_pages));
	json_object_set_new(object, "use_zero_pages", memory_report_known(k->use_zero_pages));
	json_object_set_new(object, "advisor", choice_to_json(k->advisor));
	json_object_set_new(object, "saved", memory_report_known(saved_by_ksm(k)));
	json_object_set_new(object, "profit",
			    k->general_profit == HOST_UNKNOWN_SIGNED
				? json_null()
				: json_integer(k->general_profit));
	return object;
}

static json_t *pressure_to_json(const struct host_view *view)
{
	if (!view->has_psi)
		return json_null();
	return json_pack("{s:f, s:f, s:I, s:I}", "some_avg10", view->psi.some_avg10 / 100.0,
			 "full_avg10", view->psi.full_avg10 / 100.0, "some_us",
			 (json_int_t)view->psi.some_us, "full_us", (json_int_t)view->psi.full_us);
}

static json_t *guests_to_json(const struct guests *guests)
{
	json_t *object = json_pack("{s:I, s:I}", "count", (json_int_t)guests->n, "unknown",
				   (json_int_t)guests->n_unknown);
	json_t *parts = memory_report_parts(&guests->sum, true);

	json_object_update(object, parts);
	json_decref(parts);
	return object;
}

static void print_json(const struct host_view *view, const struct guests *guests,
		       const struct promises *promises)
{
	json_t *report = json_pack(
	    "{s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o}", "memory",
	    memory_to_json(&view->memory), "hugetlb", hugetlb_to_json(&view->memory), "swap",
	    swap_to_json(&view->swap), "zswap", zswap_to_json(view), "ksm", ksm_to_json(view),
	    "thp", "anon", choice_to_json(view->thp), "memfd", choice_to_json(view->thp_shmem),
	    "pressure", pressure_to_json(view), "guests", guests_to_json(guests));

	json_object_set_new(report, "promises",
			    promises->any ? host_promises_to_json(&promises->ledger) : json_null());
	json_object_set(json_object_get(report, "promises"), "changed_by_hand", promises->changes);
	report_json(report);
	json_decref(report);
}

static void print_label(const char *label)
{
	printf("%-*s", MEMORY_REPORT_LABEL, label);
}

static void print_size(const char *label, uint64_t bytes)
{
	char size[SIZE_TEXT_MAX];

	print_label(label);
	puts(memory_report_size(bytes, size));
}

static void print_memory(const struct host_meminfo *m)
{
	char size[SIZE_TEXT_MAX];

	puts("Memory");
	print_size("  total", m->total);
	print_size("  available", m->available);
	print_size("  page tables", m->page_tables);
	print_size("  KVM page tables", m->kvm_page_tables);
	if (m->hugetlb_pages != 0 && m->hugetlb_pages != HOST_UNKNOWN) {
		print_label("  hugetlb");
		printf("%" PRIu64 " pages of %s, of which %" PRIu64 " free\n", m->hugetlb_pages,
		       memory_report_size(m->hugetlb_size, size), m->hugetlb_free);
	}
}

static void print_swap(const struct host_view *view)
{
	const struct host_swap *swap = &view->swap;
	char size[SIZE_TEXT_MAX];
	char used[SIZE_TEXT_MAX];

	puts("\nSwap");
	print_label("  disk");
	printf("%s, of which %s used\n", size_format(swap->disk, size),
	       size_format(swap->disk_used, used));
	if (swap->zram > 0) {
		print_label("  zram");
		printf("%s, of which %s used; it is RAM itself\n", size_format(swap->zram, size),
		       size_format(swap->zram_used, used));
	}
	print_label("  zswap");
	if (!view->has_zswap) {
		puts("not in this kernel");
	} else {
		printf("%s, holds %s in %s", view->zswap.enabled ? "on" : "off",
		       memory_report_size(view->memory.zswapped, size),
		       memory_report_size(view->memory.zswap, used));
		puts(view->zswap.enabled ? "" : "; on: echo Y > /" HOST_ZSWAP_ENABLED_PATH);
	}
}

static void print_count(const char *label, uint64_t count)
{
	print_label(label);
	if (count == HOST_UNKNOWN)
		puts("?");
	else
		printf("%" PRIu64 "\n", count);
}

static void print_ksm(const struct host_view *view)
{
	const struct host_ksm *k = &view->ksm;
	char size[SIZE_TEXT_MAX];

	puts("\nKSM");
	print_label("  state");
	if (!view->has_ksm) {
		puts("not in this kernel");
		return;
	}
	if (k->run == 1)
		printf("runs: %" PRIu64 " pages, then %" PRIu64 " ms asleep\n", k->pages_to_scan,
		       k->sleep_ms);
	else
		puts("off; on: echo 1 > /" HOST_KSM_RUN_PATH);
	print_count("  full scans", k->full_scans);
	print_count("  pages shared", k->pages_shared);
	print_count("  pages sharing", k->pages_sharing);
	print_size("  saved", saved_by_ksm(k));
	if (k->general_profit == HOST_UNKNOWN_SIGNED)
		return;
	print_label("  profit");
	printf(
	    "%s%s, its own memory counted\n", k->general_profit < 0 ? "-" : "",
	    size_format((uint64_t)(k->general_profit < 0 ? -k->general_profit : k->general_profit),
			size));
}

static void print_settings(const struct host_view *view)
{
	puts("\nHuge pages");
	print_label("  anonymous");
	puts(*view->thp ? view->thp : "not in this kernel");
	print_label("  memory files");
	puts(*view->thp_shmem ? view->thp_shmem : "not in this kernel");
	puts("\nPressure");
	print_label("  memory");
	if (view->has_psi)
		printf("some %u.%02u %%, full %u.%02u %% of the last 10 s\n",
		       view->psi.some_avg10 / 100, view->psi.some_avg10 % 100,
		       view->psi.full_avg10 / 100, view->psi.full_avg10 % 100);
	else
		puts("off; on: kernel parameter psi=1");
}

static void print_guests(const struct guests *guests)
{
	const struct memory_parts *p = &guests->sum;

	puts("\nGuests");
	print_label("  number");
	printf("%" PRIu64, guests->n);
	if (guests->n_unknown > 0)
		printf(", of which %" PRIu64 " don't say what memory they have", guests->n_unknown);
	putchar('\n');
	print_size("  guest RAM", p->guest);
	print_size("  in RAM", p->resident);
	print_size("  their share", p->share);
	print_size("  private", p->private);
	print_size("  page cache", p->page_cache);
	print_size("  merged by KSM", p->merged);
	print_size("  swapped", p->swapped);
	print_size("  ballooned", p->ballooned);
	print_size("  reported free", p->reported_free);
	print_size("  untouched", p->untouched);
	print_size("  VM processes", p->vmm);
}

static void print_promises(const struct promises *promises)
{
	if (promises->any) {
		host_promises_print(&promises->ledger);
		changes_print(promises->changes);
		return;
	}
	puts("\nPromises");
	print_label("  none");
	puts(err_message(promises->reason));
}

static int show_host(int root_fd, bool json)
{
	struct promises promises = { 0 };
	struct guests guests = { 0 };
	struct host_view view;
	struct err *err = NULL;

	if (host_read_view(root_fd, &view, &err) < 0 || add_guests(root_fd, &guests, &err) < 0)
		return report_err(&err);
	promises.any = host_promises_read(root_fd, &promises.ledger, &promises.reason) == 0;
	promises.changes = changes_of_host(root_fd, promises.any ? &promises.ledger : NULL);
	if (json) {
		print_json(&view, &guests, &promises);
	} else {
		print_memory(&view.memory);
		print_swap(&view);
		print_ksm(&view);
		print_settings(&view);
		print_guests(&guests);
		print_promises(&promises);
	}
	err_free(promises.reason);
	json_decref(promises.changes);
	return report_flush(0);
}

/* --fits: how many, or why none. */
static int show_fits(int root_fd, const char *text, bool json)
{
	struct ledger ledger;
	struct promise promise;
	struct err *err = NULL;
	size_t n;

	if (host_promises_parse(text, &promise, &err) < 0 ||
	    host_promises_read(root_fd, &ledger, &err) < 0 ||
	    (host_promises_fit(&ledger, &promise, &n, &err) < 0 && !json))
		return report_err(&err);

	int status = err ? ERR_REFUSED : 0;

	if (json) {
		json_t *answer = json_pack("{s:I, s:s?}", "fits", (json_int_t)n, "reason",
					   err ? err_message(err) : NULL);

		report_json(answer);
		json_decref(answer);
	} else {
		printf("%zu more guest%s of %s fit%s\n", n, n == 1 ? "" : "s", text,
		       n == 1 ? "s" : "");
	}
	err_free(err);
	return report_flush(status);
}

static const struct command_option options[] = {
	{ "json", 'j', NULL, "as JSON, for programs" },
	{ "fits", 0, "GUEST", "only how many more such guests could be promised their memory" },
	{ 0 },
};

static int run_host(int argc, char **argv)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *fits = NULL;
	bool json = false;
	const char *value;
	int status;
	int c;

	while ((c = options_next(&cmd_host, argc, argv, &value, &status)) >= 0) {
		if (c == 'j')
			json = true;
		else
			fits = value;
	}
	if (c == OPTIONS_EXIT || options_operands(&cmd_host, argc, 0, 0, NULL, &status) < 0)
		return status;
	return fits ? show_fits(root_fd, fits, json) : show_host(root_fd, json);
}

const struct command cmd_host = {
	.name = "host",
	.operands = "[--json] [--fits GUEST]",
	.summary = "Shows the host's memory, and what guests have and are promised of it",
	.details =
	    "RAM, swap, zswap, KSM, huge pages, pressure, the guests' parts added up, and what has\n"
	    "been promised to them. GUEST is SIZE[,guarantee=SIZE][,cpus=N][,merge], such as\n"
	    "1G,guarantee=256M. Exits with 12 if no such guest fits.\n",
	.options = options,
	.run = run_host,
};
