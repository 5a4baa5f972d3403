/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `lodge top` about the host: see top_text.h. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/sums.h"
#include "cmd/top_bar.h"
#include "cmd/top_text.h"
#include "host/fields.h"

enum { PAGE_BYTES = 4096 };

static void cpu_line(const struct top_snapshot *snapshot, struct top_line *line)
{
	const struct top_host *host = &snapshot->host;
	char busy[TOP_FIGURE_MAX];
	char guests[TOP_FIGURE_MAX];
	char faults[TOP_FIGURE_MAX];

	top_line_add(line, TOP_TITLE, "CPU  ");
	top_line_add(line, TOP_PLAIN, "%s%% busy, %s%% in guests, of %u00%%; %s major faults/s",
		     top_percent(host->rates.cpu, busy), top_percent(host->rates.vcpu, guests),
		     host->activity.cpus, top_count(host->rates.major_faults, faults));
	if (host->view.has_psi) {
		const struct host_psi *psi = &host->view.psi;
		/* A pressure of which one sees nothing in the first digit is none. */
		enum top_style style = psi->some_avg10 >= 100 ? TOP_WARNING : TOP_PLAIN;

		top_line_add(line, style, "; memory pressure some %u.%02u%% full %u.%02u%%",
			     psi->some_avg10 / 100, psi->some_avg10 % 100, psi->full_avg10 / 100,
			     psi->full_avg10 % 100);
	}
}

static uint64_t take(uint64_t *left, uint64_t value)
{
	uint64_t taken = value < *left ? value : *left;

	*left -= taken;
	return taken;
}

/* The host's RAM that guests take, each shared page divided by how many map it. */
static uint64_t guests_share(const struct top_snapshot *snapshot)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < snapshot->n; i++)
		if (snapshot->guests[i].has_memory)
			sum += snapshot->guests[i].parts.share +
			       top_key_value(TOP_OVERHEAD, &snapshot->guests[i]);
	return sum;
}

static size_t bar_width(size_t width)
{
	return width / 3 < 60 ? width / 3 : 60;
}

static void ram_line(const struct top_snapshot *snapshot, struct top_line *line)
{
	const struct host_meminfo *memory = &snapshot->host.view.memory;
	uint64_t other = memory->total;
	/* What is available comes first, since part of the guests' page cache is it, too. */
	uint64_t available = take(&other, memory->available);
	uint64_t guests = take(&other, guests_share(snapshot));
	uint64_t zswap = memory->zswap == HOST_UNKNOWN ? 0 : take(&other, memory->zswap);
	const struct top_bar_part parts[] = {
		{ TOP_PART_GUESTS, '#', guests },
		{ TOP_PART_ZSWAP, 'z', zswap },
		{ TOP_PART_OTHER, '+', other },
		{ TOP_PART_AVAILABLE, '.', available },
	};
	char a[TOP_FIGURE_MAX];
	char b[TOP_FIGURE_MAX];

	top_line_add(line, TOP_TITLE, "RAM  ");
	top_bar_add(line, parts, ARRAY_SIZE(parts), bar_width(line->width));
	top_line_add(line, TOP_PLAIN, " ");
	top_line_add(line, TOP_PART_AVAILABLE, ".");
	top_line_add(line, TOP_PLAIN, " available %s of %s  ", top_size(memory->available, a),
		     top_size(memory->total, b));
	top_line_add(line, TOP_PART_GUESTS, "#");
	top_line_add(line, TOP_PLAIN, " guests %s  ", top_size(guests, a));
	top_line_add(line, TOP_PART_OTHER, "+");
	top_line_add(line, TOP_PLAIN, " other %s  ", top_size(other, a));
	top_line_add(line, TOP_PART_ZSWAP, "z");
	top_line_add(line, TOP_PLAIN, " zswap %s", top_size(zswap, a));
}

static void swap_line(const struct top_snapshot *snapshot, struct top_line *line)
{
	const struct host_swap *swap = &snapshot->host.view.swap;
	const struct top_rates *rates = &snapshot->host.rates;
	uint64_t total = swap->disk + swap->zram;
	uint64_t used = swap->disk_used + swap->zram_used;
	const struct top_bar_part parts[] = {
		{ TOP_PART_SWAPPED, 's', used },
		{ TOP_PART_AVAILABLE, '.', total > used ? total - used : 0 },
	};
	char a[TOP_FIGURE_MAX];
	char b[TOP_FIGURE_MAX];
	char c[TOP_FIGURE_MAX];
	char d[TOP_FIGURE_MAX];

	top_line_add(line, TOP_TITLE, "Swap ");
	if (total == 0) {
		top_line_add(line, TOP_PLAIN, "none");
		return;
	}
	top_bar_add(line, parts, ARRAY_SIZE(parts), bar_width(line->width));
	top_line_add(line, TOP_PLAIN, " ");
	top_line_add(line, TOP_PART_SWAPPED, "s");
	top_line_add(line, TOP_PLAIN, " used %s of %s; in %s/s, out %s/s", top_size(used, a),
		     top_size(total, b), top_size(rates->swap_in, c), top_size(rates->swap_out, d));
	if (swap->zram > 0)
		top_line_add(line, TOP_PLAIN, "; %s of it in zram", top_size(swap->zram_used, a));
}

static void sharing_line(const struct top_snapshot *snapshot, struct top_line *line)
{
	const struct host_view *view = &snapshot->host.view;
	char a[TOP_FIGURE_MAX];
	char b[TOP_FIGURE_MAX];

	top_line_add(line, TOP_TITLE, "KSM  ");
	if (!view->has_ksm) {
		top_line_add(line, TOP_PLAIN, "this kernel has none");
	} else {
		uint64_t zero = view->ksm.zero_pages == HOST_UNKNOWN ? 0 : view->ksm.zero_pages;
		uint64_t sharing = view->ksm.pages_sharing;

		sharing = sharing == HOST_UNKNOWN ? HOST_UNKNOWN : (sharing + zero) * PAGE_BYTES;
		top_line_add(line, TOP_PLAIN, "%s, saves %s",
			     view->ksm.run == 1 ? "runs" : "stopped", top_size(sharing, a));
	}
	if (!view->has_zswap)
		return;
	top_line_add(line, TOP_TITLE, "  zswap ");
	top_line_add(line, TOP_PLAIN, "%s", view->zswap.enabled ? "on" : "off");
	if (view->memory.zswapped != HOST_UNKNOWN && view->memory.zswapped > 0)
		top_line_add(line, TOP_PLAIN, ", %s in %s", top_size(view->memory.zswapped, a),
			     top_size(view->memory.zswap, b));
}

static char *age(const struct top_governor *governor, uint64_t time_ms, char buf[TOP_FIGURE_MAX])
{
	return top_age(rest(governor->now_ms, time_ms), buf);
}

static void governor_line(const struct top_snapshot *snapshot, struct top_line *line)
{
	const struct top_governor *governor = &snapshot->governor;
	enum top_style style = governor->state >= POLICY_HARD ? TOP_WARNING : TOP_PLAIN;
	char a[TOP_FIGURE_MAX];
	char b[TOP_FIGURE_MAX];
	char c[TOP_FIGURE_MAX];

	top_line_add(line, TOP_TITLE, "Gov  ");
	if (!governor->runs) {
		top_line_add(line, TOP_PLAIN, "lodged doesn't run: only the kernel moves memory");
	} else if (governor->damaged) {
		top_line_add(line, TOP_WARNING, "what lodged wrote down can't be read");
	} else if (!governor->known) {
		top_line_add(line, TOP_PLAIN, "lodged has decided nothing about memory yet");
	} else {
		top_line_add(line, TOP_PLAIN, "memory ");
		top_line_add(line, style, "%s", policy_state_name(governor->state));
		top_line_add(line, TOP_PLAIN, ", %s free of the %s wanted; lodged looked %s ago",
			     top_size(governor->margin, a), top_size(governor->wanted, b),
			     age(governor, governor->time_ms, c));
	}
}

void top_text_decision(const struct top_snapshot *snapshot, size_t i, size_t width,
		       struct top_line *line)
{
	const struct top_governor *governor = &snapshot->governor;
	const struct govern_decision *d = &governor->decisions[governor->n_decisions - 1 - i];
	char text[TOP_FIGURE_MAX];

	top_line_clear(line, width);
	top_line_add(line, TOP_DIM, "%9s  ", age(governor, d->time_ms, text));
	top_line_add(line, TOP_PLAIN, "%s: %s", d->guest, d->text);
}

void top_text_host(const struct top_snapshot *snapshot, size_t i, size_t width,
		   struct top_line *line)
{
	static void (*const lines[TOP_HOST_LINES])(
	    const struct top_snapshot *snapshot,
	    struct top_line *line) = { cpu_line, ram_line, swap_line, sharing_line, governor_line };

	top_line_clear(line, width);
	if (snapshot->host.known)
		lines[i](snapshot, line);
	else if (i == 0)
		top_line_add(line, TOP_WARNING, "The host's own figures can't be read.");
}
