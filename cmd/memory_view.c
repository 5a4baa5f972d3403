/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory, explained: see memory_view.h. */
#include "cmd/memory_view.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/cgroup.h"
#include "host/fields.h"

enum { RAM_RANGES_MAX = 8, PAGE_BYTES = 4096 };

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

/* Takes up to value out of *rest. */
static uint64_t take(uint64_t *rest, uint64_t value)
{
	uint64_t taken = at_most(value, *rest);

	*rest -= taken;
	return taken;
}

static uint64_t without(uint64_t whole, uint64_t part)
{
	return whole - at_most(part, whole);
}

static uint64_t pages_to_bytes(uint64_t pages)
{
	return pages == HOST_UNKNOWN ? 0 : pages * PAGE_BYTES;
}

/* Kernels before 6.8 don't say which pages are merged, but how many were when KSM's thread last
 * came by. A merged page is an anonymous one. */
static uint64_t merged_in_ram(const struct host_vm_memory *memory,
			      const struct host_ksm_process *ksm)
{
	return memory->ksm_known ? memory->ram.ksm
				 : at_most(pages_to_bytes(ksm->merging_pages), memory->ram.anon);
}

static void make_kernel_parts(const struct host_process_memory *process,
			      const struct host_cgroup_memory *cgroup, struct memory_parts *p)
{
	p->page_tables = process->page_tables;
	p->kvm_page_tables = HOST_UNKNOWN;
	p->kernel_other = HOST_UNKNOWN;
	if (!cgroup)
		return;
	p->kvm_page_tables = cgroup->kvm_page_tables;
	if (cgroup->kernel == HOST_UNKNOWN)
		return;
	p->kernel_other = cgroup->kernel;
	/* What is shown elsewhere, or is the price of swap and not of the guest. */
	if (cgroup->page_tables != HOST_UNKNOWN)
		take(&p->kernel_other, cgroup->page_tables);
	if (cgroup->kvm_page_tables != HOST_UNKNOWN)
		take(&p->kernel_other, cgroup->kvm_page_tables);
	if (cgroup->zswap != HOST_UNKNOWN)
		take(&p->kernel_other, cgroup->zswap);
}

void memory_parts_make(uint64_t guest, const struct host_vm_memory *memory,
		       const struct host_process_memory *process,
		       const struct host_ksm_process *ksm, const struct host_cgroup_memory *cgroup,
		       const struct memory_balloon *balloon, struct memory_parts *ret_parts)
{
	struct memory_parts p = { .guest = guest };
	uint64_t rest = guest; /* not yet in a part */
	const struct host_smaps *ram = &memory->ram;

	/* Pages move while the kernel counts them, so one may be counted twice: none of the parts
	 * is let take more than there is. */
	p.resident = take(&rest, ram->rss + ram->hugetlb);
	p.page_cache = at_most(memory->ram_files.file, p.resident);
	p.merged = at_most(merged_in_ram(memory, ksm), p.resident - p.page_cache);
	p.private = p.resident - p.page_cache - p.merged;
	p.swapped = take(&rest, ram->swap);

	/* The rest is absent. */
	p.merged_zero = take(&rest, pages_to_bytes(ksm->zero_pages));
	p.merged += p.merged_zero;
	p.ballooned = take(&rest, balloon->actual);
	p.reported_free = take(&rest, balloon->reported);
	p.untouched = rest;

	p.share = ram->pss + ram->hugetlb;
	p.page_cache_shared = at_most(without(memory->ram_files.shared, memory->ram_files.ksm),
				      p.page_cache);
	p.zswapped = HOST_UNKNOWN;
	if (cgroup && cgroup->zswapped != HOST_UNKNOWN)
		p.zswapped = at_most(cgroup->zswapped, p.swapped);
	p.huge = ram->huge;
	p.hugetlb = ram->hugetlb;
	p.locked = ram->locked;

	p.vmm = memory->own.rss + memory->own.hugetlb;
	p.vmm_shared = memory->own.shared;
	p.vmm_swapped = memory->own.swap;
	make_kernel_parts(process, cgroup, &p);
	*ret_parts = p;
}

void memory_host_find(int root_fd, struct memory_host *ret_host)
{
	struct host_cgroup cgroup = { 0 };

	host_read_cgroup(root_fd, &cgroup, NULL);
	*ret_host = (struct memory_host){ .root_fd = root_fd, .has_cgroup = cgroup.mounted };
	snprintf(ret_host->cgroup_mount, sizeof(ret_host->cgroup_mount), "%s", cgroup.mount);
}

static uint64_t known(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value) : HOST_UNKNOWN;
}

static uint64_t bytes_of(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void read_balloon(const json_t *json, struct memory_balloon *balloon)
{
	const json_t *stats = json_object_get(json, "stats");
	uint64_t age = known(json, "stats_age_ms");

	*balloon = (struct memory_balloon){
		.present = json_is_true(json_object_get(json, "present")),
		.driver = json_is_true(json_object_get(json, "driver")),
		.target = bytes_of(json, "target"),
		.actual = bytes_of(json, "actual"),
		.reported = bytes_of(json, "reported"),
		.has_stats = json_is_object(stats) && age != HOST_UNKNOWN,
		.stats_age_ms = age,
		.free = known(stats, "free"),
		.available = known(stats, "available"),
		.total = known(stats, "total"),
		.caches = known(stats, "disk_caches"),
		.swap_in = known(stats, "swap_in"),
		.swap_out = known(stats, "swap_out"),
		.major_faults = known(stats, "major_faults"),
		.minor_faults = known(stats, "minor_faults"),
	};
}

/* A group counts for all processes in it, so only one that was made for this guest says anything
 * about it: ".../lodge.slice/NAME". */
static bool is_own_group(const char *path, const char *name)
{
	char end[HOST_CGROUP_PATH_MAX];
	int n = snprintf(end, sizeof(end), "/lodge.slice/%s", name);
	size_t len = strlen(path);

	return n > 0 && (size_t)n < sizeof(end) && len >= (size_t)n &&
	       strcmp(path + len - (size_t)n, end) == 0;
}

static bool read_cgroup(const struct memory_host *host, pid_t pid, const char *name,
			struct memory_view *view)
{
	return host->has_cgroup && name &&
	       host_find_cgroup(host->root_fd, pid, view->cgroup_path, NULL) == 0 &&
	       is_own_group(view->cgroup_path, name) &&
	       host_read_cgroup_memory(host->root_fd, host->cgroup_mount, view->cgroup_path,
				       &view->cgroup, NULL) == 0;
}

int memory_view_read(const struct memory_host *host, const json_t *show,
		     struct memory_view *ret_view, struct err **err)
{
	struct memory_view view = { 0 };
	struct host_range ranges[RAM_RANGES_MAX];
	pid_t pid = (pid_t)json_integer_value(json_object_get(show, "pid"));
	const json_t *region;
	uint64_t guest = 0;
	size_t n = 0;
	size_t i;

	json_array_foreach (json_object_get(show, "ram"), i, region) {
		if (n == RAM_RANGES_MAX)
			break;
		ranges[n].start = bytes_of(region, "hva");
		ranges[n].len = bytes_of(region, "bytes");
		guest += ranges[n++].len;
	}
	if (host_read_vm_memory(host->root_fd, pid, ranges, n, &view.memory, err) < 0)
		return -1;
	if (host_read_process_memory(host->root_fd, pid, &view.process, err) < 0) {
		host_vm_memory_clear(&view.memory);
		return -1;
	}
	host_read_ksm_process(host->root_fd, pid, &view.ksm);
	view.has_cgroup = read_cgroup(host, pid, json_string_value(json_object_get(show, "name")),
				      &view);
	read_balloon(json_object_get(show, "balloon"), &view.balloon);
	memory_parts_make(guest, &view.memory, &view.process, &view.ksm,
			  view.has_cgroup ? &view.cgroup : NULL, &view.balloon, &view.parts);
	*ret_view = view;
	return 0;
}

void memory_view_clear(struct memory_view *view)
{
	host_vm_memory_clear(&view->memory);
}
