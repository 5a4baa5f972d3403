/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's share of processors and disks, and its limits on them: see shares.h. */
#include "ledger/shares.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "ledger/promise.h"

/* How long a quota of cpu.max is for, µs: the kernel's own choice. */
enum { PERIOD_US = 100000, PAGE_BYTES = 4096 };

static const char *file_of(const char *slice, const char *name, const char *file,
			   char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s/%s", slice, name, file);
	return path;
}

static int write_text(int root_fd, const char *slice, const char *name, const char *file,
		      const char *text, struct err **err)
{
	char path[PATH_MAX];

	return host_write_text(root_fd, file_of(slice, name, file, path), text, err);
}

static bool has(int root_fd, const char *slice, const char *name, const char *file)
{
	char path[PATH_MAX];

	return host_exists(root_fd, file_of(slice, name, file, path));
}

int ledger_write_weight(int root_fd, const char *slice, const char *name, unsigned weight,
			struct err **err)
{
	char text[SHARES_TEXT_MAX];

	snprintf(text, sizeof(text), "%u", weight);
	/* Disks are shared by groups only with some of the kernel's schedulers. */
	write_text(root_fd, slice, name, "io.weight", text, NULL);
	if (has(root_fd, slice, name, "cpu.weight"))
		return write_text(root_fd, slice, name, "cpu.weight", text, err);
	if (weight == PROMISE_WEIGHT_DEFAULT)
		return 0;
	return err_set(err, ERR_REFUSED, 0,
		       "weight: /%s has no cpu controller, so processors can't be shared by weight",
		       slice);
}

int ledger_write_cpu_limit(int root_fd, const char *slice, const char *name, unsigned percent,
			   struct err **err)
{
	char text[SHARES_TEXT_MAX] = "max";

	if (percent > 0)
		snprintf(text, sizeof(text), "%u %d", percent * (PERIOD_US / 100), PERIOD_US);
	if (has(root_fd, slice, name, "cpu.max"))
		return write_text(root_fd, slice, name, "cpu.max", text, err);
	if (percent == 0)
		return 0;
	return err_set(err, ERR_REFUSED, 0,
		       "cpu-limit: /%s has no cpu controller, so processors can't be limited",
		       slice);
}

int ledger_write_zswap_limit(int root_fd, const char *slice, const char *name, bool limited,
			     uint64_t bytes, struct err **err)
{
	char text[SHARES_TEXT_MAX] = "max";

	if (limited)
		snprintf(text, sizeof(text), "%" PRIu64, bytes);
	if (has(root_fd, slice, name, "memory.zswap.max"))
		return write_text(root_fd, slice, name, "memory.zswap.max", text, err);
	if (!limited)
		return 0;
	return err_set(err, ERR_REFUSED, 0,
		       "zswap-limit: this host's kernel can't limit zswap by group "
		       "(memory.zswap.max, Linux 5.19 with zswap)");
}

int ledger_write_shares(int root_fd, const char *slice, const char *name,
			const struct ledger_shares *s, bool is_new, struct err **err)
{
	if ((!is_new || s->weight != PROMISE_WEIGHT_DEFAULT) &&
	    ledger_write_weight(root_fd, slice, name, s->weight, err) < 0)
		return -1;
	if ((!is_new || s->cpu_limit > 0) &&
	    ledger_write_cpu_limit(root_fd, slice, name, s->cpu_limit, err) < 0)
		return -1;
	if (is_new && !s->zswap_limited)
		return 0;
	return ledger_write_zswap_limit(root_fd, slice, name, s->zswap_limited, s->zswap_limit,
					err);
}

/* "150000 100000", or "max 100000". */
static unsigned read_cpu_limit(int root_fd, const char *slice, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	uint64_t quota;
	uint64_t period;

	if (host_read_text(root_fd, file_of(slice, name, "cpu.max", path), &text, NULL) < 0)
		return 0;

	const char *p = text;

	if (!host_scan_number(&p, &quota) || !host_scan_number(&p, &period) || period == 0)
		return 0;
	/* What somebody else wrote needn't be whole percents; it's never none. */
	return (unsigned)(quota * 100 / period > 0 ? quota * 100 / period : 1);
}

void ledger_read_shares(int root_fd, const char *slice, const char *name,
			struct ledger_shares *ret_shares)
{
	struct ledger_shares s = { .cpu_limit = read_cpu_limit(root_fd, slice, name) };
	char path[PATH_MAX];
	uint64_t value;

	if (host_read_number(root_fd, file_of(slice, name, "cpu.weight", path), &value, NULL) == 0)
		s.weight = (unsigned)value;
	if (host_read_limit(root_fd, file_of(slice, name, "memory.zswap.max", path), &value,
			    NULL) == 0 &&
	    value != UINT64_MAX) {
		s.zswap_limited = true;
		s.zswap_limit = value;
	}
	*ret_shares = s;
}

int shares_parse_cpu_limit(const char *text, unsigned *ret_percent, struct err **err)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long percent = digits > 0 && digits < 9 ? strtoul(text, NULL, 10) : 0;

	if (strcmp(text, "none") == 0) {
		*ret_percent = 0;
		return 0;
	}
	if (strcmp(text + digits, "%") != 0 || percent < SHARES_CPU_LIMIT_MIN ||
	    percent > SHARES_CPU_LIMIT_MAX)
		return err_set(err, ERR_USAGE, 0,
			       "\"%s\" is not from %d%% to %d%% of one processor, such as 150%%, "
			       "or none",
			       text, SHARES_CPU_LIMIT_MIN, SHARES_CPU_LIMIT_MAX);
	*ret_percent = (unsigned)percent;
	return 0;
}

char *shares_format_cpu_limit(unsigned percent, char text[SHARES_TEXT_MAX])
{
	snprintf(text, SHARES_TEXT_MAX, "none");
	if (percent > 0)
		snprintf(text, SHARES_TEXT_MAX, "%u%%", percent);
	return text;
}

int shares_parse_zswap_limit(const char *text, bool *ret_limited, uint64_t *ret_bytes,
			     struct err **err)
{
	uint64_t bytes = 0;
	bool limited = strcmp(text, "none") != 0;

	if (limited && size_parse(text, &bytes, NULL) < 0)
		return err_set(err, ERR_USAGE, 0, "\"%s\" is not a size such as 64M, or none",
			       text);
	if (bytes % PAGE_BYTES)
		return err_set(err, ERR_USAGE, 0,
			       "\"%s\" is not a whole number of pages of %d bytes", text,
			       PAGE_BYTES);
	*ret_limited = limited;
	*ret_bytes = bytes;
	return 0;
}

char *shares_format_zswap_limit(bool limited, uint64_t bytes, char text[SHARES_TEXT_MAX])
{
	snprintf(text, SHARES_TEXT_MAX, "none");
	if (limited)
		size_format(bytes, text);
	return text;
}
