/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel samepage merging: see ksm.h. */
#include "host/ksm.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

#define KSM_DIR "sys/kernel/mm/ksm/"

/* The only figure that may be negative. */
static int64_t read_profit(int root_fd)
{
	_cleanup_free_ char *text = NULL;

	if (host_read_text(root_fd, KSM_DIR "general_profit", &text, NULL) < 0)
		return HOST_UNKNOWN_SIGNED;

	const char *p = text + (*text == '-');
	uint64_t value;

	if (!host_scan_number(&p, &value) || *p || value > INT64_MAX)
		return HOST_UNKNOWN_SIGNED;
	return *text == '-' ? -(int64_t)value : (int64_t)value;
}

int host_read_ksm(int root_fd, struct host_ksm *ret_ksm, struct err **err)
{
	static const struct {
		const char *path;
		size_t offset;
	} rows[] = {
		{ KSM_DIR "pages_to_scan", offsetof(struct host_ksm, pages_to_scan) },
		{ KSM_DIR "sleep_millisecs", offsetof(struct host_ksm, sleep_ms) },
		{ KSM_DIR "full_scans", offsetof(struct host_ksm, full_scans) },
		{ KSM_DIR "pages_shared", offsetof(struct host_ksm, pages_shared) },
		{ KSM_DIR "pages_sharing", offsetof(struct host_ksm, pages_sharing) },
		{ KSM_DIR "pages_unshared", offsetof(struct host_ksm, pages_unshared) },
		{ KSM_DIR "pages_volatile", offsetof(struct host_ksm, pages_volatile) },
		{ KSM_DIR "pages_skipped", offsetof(struct host_ksm, pages_skipped) },
		{ KSM_DIR "ksm_zero_pages", offsetof(struct host_ksm, zero_pages) },
		{ KSM_DIR "use_zero_pages", offsetof(struct host_ksm, use_zero_pages) },
	};
	struct host_ksm ksm = { 0 };

	if (host_read_number(root_fd, HOST_KSM_RUN_PATH, &ksm.run, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = host_read_known(root_fd, rows[i].path);

		memcpy((char *)&ksm + rows[i].offset, &value, sizeof(value));
	}
	ksm.general_profit = read_profit(root_fd);
	if (host_read_choice(root_fd, KSM_DIR "advisor_mode", ksm.advisor, sizeof(ksm.advisor),
			     NULL) < 0)
		ksm.advisor[0] = '\0';
	*ret_ksm = ksm;
	return 0;
}

void host_read_ksm_process(int root_fd, pid_t pid, struct host_ksm_process *ret_ksm)
{
	static const struct host_field fields[] = {
		{ "ksm_rmap_items", offsetof(struct host_ksm_process, rmap_items), 0 },
		{ "ksm_zero_pages", offsetof(struct host_ksm_process, zero_pages), 0 },
		{ "ksm_merging_pages", offsetof(struct host_ksm_process, merging_pages), 0 },
		{ "ksm_process_profit", offsetof(struct host_ksm_process, profit),
		  HOST_FIELD_SIGNED },
	};
	_cleanup_free_ char *text = NULL;
	char path[64];

	host_fields_clear(fields, ARRAY_SIZE(fields), ret_ksm);
	snprintf(path, sizeof(path), "proc/%d/ksm_stat", (int)pid);
	if (host_read_text(root_fd, path, &text, NULL) == 0)
		host_fields_take(text, fields, ARRAY_SIZE(fields), ret_ksm);
	/* Kernels before 6.4 have it in a file of its own. */
	if (ret_ksm->merging_pages == HOST_UNKNOWN) {
		snprintf(path, sizeof(path), "proc/%d/ksm_merging_pages", (int)pid);
		ret_ksm->merging_pages = host_read_known(root_fd, path);
	}
}
