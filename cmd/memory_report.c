/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory as programs and people read it: see memory_report.h. */
#include "cmd/memory_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "cmd/memory_view.h"
#include "cmd/report.h"
#include "cmd/uptime.h"
#include "host/fields.h"

json_t *memory_report_known(uint64_t value)
{
	return value == HOST_UNKNOWN ? json_null() : json_integer((json_int_t)value);
}

const char *memory_report_size(uint64_t bytes, char *buf)
{
	return bytes == HOST_UNKNOWN ? "?" : size_format(bytes, buf);
}

struct member {
	const char *name;
	uint64_t value;
};

static json_t *members_to_json(const struct member *members, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, members[i].name, memory_report_known(members[i].value));
	return object;
}

/* How many members of the parts, from the first, are added up over guests. */
enum { N_SUMS = 11 };

json_t *memory_report_parts(const struct memory_parts *p, bool sums)
{
	const struct member members[] = {
		{ "guest", p->guest },
		{ "private", p->private },
		{ "page_cache", p->page_cache },
		{ "merged", p->merged },
		{ "swapped", p->swapped },
		{ "ballooned", p->ballooned },
		{ "reported_free", p->reported_free },
		{ "untouched", p->untouched },
		{ "resident", p->resident },
		{ "share", p->share },
		{ "vmm", p->vmm },
		{ "page_cache_shared", p->page_cache_shared },
		{ "merged_zero", p->merged_zero },
		{ "zswapped", p->zswapped },
		{ "huge", p->huge },
		{ "hugetlb", p->hugetlb },
		{ "locked", p->locked },
		{ "vmm_shared", p->vmm_shared },
		{ "vmm_swapped", p->vmm_swapped },
		{ "page_tables", p->page_tables },
		{ "kvm_page_tables", p->kvm_page_tables },
		{ "kernel_other", p->kernel_other },
	};

	return members_to_json(members, sums ? N_SUMS : ARRAY_SIZE(members));
}

static json_t *ksm_to_json(const struct host_ksm_process *ksm)
{
	const struct member members[] = {
		{ "merging_pages", ksm->merging_pages },
		{ "zero_pages", ksm->zero_pages },
		{ "rmap_items", ksm->rmap_items },
	};
	json_t *object = members_to_json(members, ARRAY_SIZE(members));

	json_object_set_new(object, "profit",
			    ksm->profit == HOST_UNKNOWN_SIGNED ? json_null()
							       : json_integer(ksm->profit));
	return object;
}

/* What of memory.current is none of the three large parts. */
static uint64_t cgroup_other(const struct host_cgroup_memory *g)
{
	uint64_t parts = g->anon + g->file + (g->kernel == HOST_UNKNOWN ? 0 : g->kernel);

	return g->current > parts ? g->current - parts : 0;
}

static json_t *cgroup_to_json(const char *path, const struct host_cgroup_memory *g)
{
	const struct member members[] = {
		{ "current", g->current },
		{ "anon", g->anon },
		{ "file", g->file },
		{ "kernel", g->kernel },
		{ "other", cgroup_other(g) },
		{ "peak", g->peak },
		{ "swap", g->swap },
		{ "zswap", g->zswap },
		{ "zswapped", g->zswapped },
		{ "page_tables", g->page_tables },
		{ "kvm_page_tables", g->kvm_page_tables },
		{ "kernel_stack", g->kernel_stack },
		{ "slab", g->slab },
		{ "percpu", g->percpu },
		{ "vmalloc", g->vmalloc },
		{ "sock", g->sock },
		{ "shmem", g->shmem },
		{ "unevictable", g->unevictable },
		{ "refault_anon", g->refault_anon },
		{ "refault_file", g->refault_file },
		{ "major_faults", g->major_faults },
		{ "swapped_in", g->swapped_in },
		{ "swapped_out", g->swapped_out },
	};
	json_t *object = members_to_json(members, ARRAY_SIZE(members));
	json_t *text = json_string(path);

	json_object_set_new(object, "path", text ? text : json_string("?"));
	return object;
}

static json_t *smaps_to_json(const struct host_smaps *smaps)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "rss", (json_int_t)smaps->rss, "pss",
			 (json_int_t)smaps->pss, "shared", (json_int_t)smaps->shared, "file",
			 (json_int_t)smaps->file, "swap", (json_int_t)smaps->swap);
}

static json_t *host_to_json(const struct host_vm_memory *memory)
{
	json_t *files = json_array();

	for (size_t i = 0; i < memory->n_files; i++) {
		json_t *file = smaps_to_json(&memory->files[i].smaps);
		json_t *path = json_string(memory->files[i].path);

		json_object_set_new(file, "path", path ? path : json_string("?"));
		json_array_append_new(files, file);
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "ram", smaps_to_json(&memory->ram), "ram_files",
			 smaps_to_json(&memory->ram_files), "vmm", smaps_to_json(&memory->own),
			 "files", files);
}

void memory_report_add(const struct memory_view *view, json_t *show)
{
	json_object_set_new(show, "memory_parts", memory_report_parts(&view->parts, false));
	json_object_set_new(show, "ksm", ksm_to_json(&view->ksm));
	json_object_set_new(show, "cgroup_memory",
			    view->has_cgroup ? cgroup_to_json(view->cgroup_path, &view->cgroup)
					     : json_null());
	json_object_set_new(show, "host_memory", host_to_json(&view->memory));
}

static void print_label(const char *label)
{
	printf("%-*s", MEMORY_REPORT_LABEL, label);
}

/* "  merged            12M, of which 4M in ..." */
static void print_part(const char *label, uint64_t bytes, uint64_t some, const char *of_which)
{
	char size[SIZE_TEXT_MAX];
	char part[SIZE_TEXT_MAX];

	print_label(label);
	printf("%s", memory_report_size(bytes, size));
	if (of_which && some > 0 && some != HOST_UNKNOWN)
		printf(", of which %s %s", size_format(some, part), of_which);
	putchar('\n');
}

static void print_parts(const struct memory_parts *p)
{
	char size[SIZE_TEXT_MAX];
	char share[SIZE_TEXT_MAX];

	print_label("guest RAM");
	printf("%s, of which %s in RAM", memory_report_size(p->guest, size),
	       size_format(p->resident, share));
	printf(" (its share %s), and these parts:\n", size_format(p->share, share));
	print_part("  private", p->private, p->huge + p->hugetlb, "in huge pages");
	print_part("  page cache", p->page_cache, p->page_cache_shared,
		   "mapped by other processes too");
	print_part("  merged by KSM", p->merged, p->merged_zero, "the kernel's zero page");
	print_part("  swapped", p->swapped, p->zswapped, "in zswap");
	print_part("  ballooned", p->ballooned, 0, NULL);
	print_part("  reported free", p->reported_free, 0, NULL);
	print_part("  untouched", p->untouched, 0, NULL);
	if (p->locked > 0)
		print_part("locked", p->locked, 0, NULL);
	print_part("VM process", p->vmm, p->vmm_shared, "mapped by other processes too");
	if (p->vmm_swapped > 0)
		print_part("  swapped", p->vmm_swapped, 0, NULL);
	print_part("page tables", p->page_tables, 0, NULL);
	print_part("KVM page tables", p->kvm_page_tables, 0, NULL);
	print_part("other kernel", p->kernel_other, 0, NULL);
}

static void print_cgroup(const char *path, const struct host_cgroup_memory *g)
{
	char a[SIZE_TEXT_MAX];
	char b[SIZE_TEXT_MAX];
	char c[SIZE_TEXT_MAX];
	char d[SIZE_TEXT_MAX];

	print_label("control group");
	report_text(path);
	printf(": %s, at most %s so far, %s swapped\n", memory_report_size(g->current, a),
	       memory_report_size(g->peak, b), memory_report_size(g->swap, c));
	print_label("");
	printf("anonymous %s + files %s + kernel %s + other %s\n", memory_report_size(g->anon, a),
	       memory_report_size(g->file, b), memory_report_size(g->kernel, c),
	       size_format(cgroup_other(g), d));
}

static void print_ksm(const struct host_ksm_process *ksm)
{
	char size[SIZE_TEXT_MAX];

	if (ksm->rmap_items == 0 || ksm->rmap_items == HOST_UNKNOWN ||
	    ksm->profit == HOST_UNKNOWN_SIGNED)
		return;
	print_label("KSM");
	if (ksm->profit >= 0)
		printf("saves %s, its own memory counted\n",
		       size_format((uint64_t)ksm->profit, size));
	else
		printf("costs %s more than it saves\n", size_format((uint64_t)-ksm->profit, size));
}

static void print_files(const struct host_vm_memory *memory)
{
	char file[SIZE_TEXT_MAX];
	char shared[SIZE_TEXT_MAX];

	for (size_t i = 0; i < memory->n_files; i++) {
		print_label("mapped file");
		report_text(memory->files[i].path);
		printf(": %s in the page cache, of which %s shared with other processes\n",
		       size_format(memory->files[i].smaps.file, file),
		       size_format(memory->files[i].smaps.shared, shared));
	}
}

static void print_count(const char *label, uint64_t count)
{
	if (count != HOST_UNKNOWN)
		printf("%s%" PRIu64, label, count);
}

static void print_balloon(const struct memory_balloon *b)
{
	char first[SIZE_TEXT_MAX];
	char second[SIZE_TEXT_MAX];
	char third[SIZE_TEXT_MAX];
	char age[UPTIME_TEXT_MAX];

	if (!b->present)
		return;
	print_label("balloon");
	printf("%s of %s%s\n", size_format(b->actual, first), size_format(b->target, second),
	       b->driver ? "" : "; the guest doesn't drive it");
	if (!b->has_stats)
		return;
	print_label("guest's own view");
	printf("%s free, %s available, %s caches; %s ago\n", memory_report_size(b->free, first),
	       memory_report_size(b->available, second), memory_report_size(b->caches, third),
	       uptime_format(b->stats_age_ms, age));
	print_label("");
	printf("swapped in %s, out %s", memory_report_size(b->swap_in, first),
	       memory_report_size(b->swap_out, second));
	print_count("; faults: major ", b->major_faults);
	print_count(", minor ", b->minor_faults);
	putchar('\n');
}

void memory_report_print(const struct memory_view *view)
{
	print_parts(&view->parts);
	print_ksm(&view->ksm);
	if (view->has_cgroup)
		print_cgroup(view->cgroup_path, &view->cgroup);
	print_files(&view->memory);
	print_balloon(&view->balloon);
}
