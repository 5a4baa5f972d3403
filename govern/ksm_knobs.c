/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of KSM: see ksm_knobs.h. */
#include "govern/ksm_knobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

#define KSM_DIR "sys/kernel/mm/ksm/"

static const char *const paths[KSM_KNOBS] = {
	[KSM_RUN] = KSM_DIR "run",
	[KSM_ADVISOR_MODE] = KSM_DIR "advisor_mode",
	[KSM_SLEEP_MS] = KSM_DIR "sleep_millisecs",
	[KSM_PAGES_TO_SCAN] = KSM_DIR "pages_to_scan",
	[KSM_ADVISOR_TARGET] = KSM_DIR "advisor_target_scan_time",
	[KSM_ADVISOR_MAX_CPU] = KSM_DIR "advisor_max_cpu",
	[KSM_ADVISOR_MIN_PAGES] = KSM_DIR "advisor_min_pages_to_scan",
	[KSM_ADVISOR_MAX_PAGES] = KSM_DIR "advisor_max_pages_to_scan",
};

static const char *const modes[] = {
	[KSM_ADVISOR_NONE] = "none",
	[KSM_ADVISOR_SCAN_TIME] = "scan-time",
};

const char *ksm_knob_path(enum ksm_knob knob)
{
	return paths[knob];
}

const char *ksm_knob_name(enum ksm_knob knob)
{
	return paths[knob] + strlen(KSM_DIR);
}

static uint64_t read_mode(int root_fd)
{
	char mode[16];

	if (host_read_choice(root_fd, paths[KSM_ADVISOR_MODE], mode, sizeof(mode), NULL) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
			if (strcmp(mode, modes[i]) == 0)
				return i;
	return HOST_UNKNOWN;
}

uint64_t ksm_knob_read(int root_fd, enum ksm_knob knob)
{
	return knob == KSM_ADVISOR_MODE ? read_mode(root_fd)
					: host_read_known(root_fd, paths[knob]);
}

char *ksm_knob_format(enum ksm_knob knob, uint64_t value, char buf[KSM_KNOB_TEXT_MAX])
{
	if (knob == KSM_ADVISOR_MODE && value < ARRAY_SIZE(modes))
		snprintf(buf, KSM_KNOB_TEXT_MAX, "%s", modes[value]);
	else
		snprintf(buf, KSM_KNOB_TEXT_MAX, "%" PRIu64, value);
	return buf;
}

int ksm_knob_write(int root_fd, enum ksm_knob knob, uint64_t value, struct err **err)
{
	char text[KSM_KNOB_TEXT_MAX];

	return host_write_text(root_fd, paths[knob], ksm_knob_format(knob, value, text), err);
}
