/* SPDX-License-Identifier: Apache-2.0 */
/* The host's memory and its swap: see meminfo.h. */
#include "host/meminfo.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

#define FIELD(name, member)                                    \
	{                                                      \
		name, offsetof(struct host_meminfo, member), 0 \
	}

int host_read_meminfo(int root_fd, struct host_meminfo *ret_meminfo, struct err **err)
{
	static const struct host_field fields[] = {
		FIELD("MemTotal", total),
		FIELD("MemFree", free),
		FIELD("MemAvailable", available),
		FIELD("Zswap", zswap),
		FIELD("Zswapped", zswapped),
		FIELD("PageTables", page_tables),
		FIELD("SecPageTables", kvm_page_tables),
		FIELD("AnonHugePages", huge),
		FIELD("HugePages_Total", hugetlb_pages),
		FIELD("HugePages_Free", hugetlb_free),
		FIELD("Hugepagesize", hugetlb_size),
	};
	_cleanup_free_ char *text = NULL;
	struct host_meminfo meminfo;

	if (host_read_text(root_fd, "proc/meminfo", &text, err) < 0)
		return -1;
	host_fields_clear(fields, ARRAY_SIZE(fields), &meminfo);
	host_fields_take(text, fields, ARRAY_SIZE(fields), &meminfo);
	if (meminfo.total == HOST_UNKNOWN || meminfo.available == HOST_UNKNOWN)
		return err_set(err, ERR_FAILED, 0, "/proc/meminfo says nothing of memory");
	*ret_meminfo = meminfo;
	return 0;
}

/* "/dev/sda2    partition    1048572    0    -2", after a line of titles. Spaces in a path come
 * as \040. */
static bool add_swap(const char *line, struct host_swap *swap)
{
	const char *p = line + strcspn(line, " \t");
	uint64_t size;
	uint64_t used;

	p += strspn(p, " \t");
	p += strcspn(p, " \t");
	if (!host_scan_number(&p, &size) || !host_scan_number(&p, &used))
		return false;
	if (strncmp(line, "/dev/zram", strlen("/dev/zram")) == 0) {
		swap->zram += size * 1024;
		swap->zram_used += used * 1024;
		return true;
	}
	swap->disk += size * 1024;
	swap->disk_used += used * 1024;
	return true;
}

int host_read_swap(int root_fd, struct host_swap *ret_swap, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	struct host_swap swap = { 0 };
	char *save = NULL;

	if (host_read_text(root_fd, "proc/swaps", &text, err) < 0)
		return -1;
	strtok_r(text, "\n", &save);
	for (const char *line; (line = strtok_r(NULL, "\n", &save));)
		if (!add_swap(line, &swap))
			return err_set(err, ERR_FAILED, 0, "/proc/swaps has an unknown form");
	*ret_swap = swap;
	return 0;
}
