/* SPDX-License-Identifier: Apache-2.0 */
/* What the host and a process have done so far: see activity.h. */
#include "host/activity.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

static uint64_t ticks_to_ms(uint64_t ticks)
{
	long a_second = sysconf(_SC_CLK_TCK);

	return ticks * 1000 / (uint64_t)(a_second > 0 ? a_second : 100);
}

/* Numbers from p on, blanks between them; how many there were. */
static size_t scan_numbers(const char *p, uint64_t *numbers, size_t max)
{
	size_t n = 0;

	while (n < max && host_scan_number(&p, &numbers[n]))
		n++;
	return n;
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice": user has guest in it, and
 * nice guest_nice. Then a line "cpuN ..." for each CPU. */
static int read_cpus(int root_fd, struct host_activity *activity, struct err **err)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, GUEST, GUEST_NICE, N };
	_cleanup_free_ char *text = NULL;
	uint64_t t[N] = { 0 };

	if (host_read_text(root_fd, "proc/stat", &text, err) < 0)
		return -1;
	if (strncmp(text, "cpu ", 4) != 0 || scan_numbers(text + 4, t, N) <= IDLE)
		return err_set(err, ERR_FAILED, 0, "/proc/stat says nothing of CPUs");
	activity->busy_ms = ticks_to_ms(t[USER] + t[NICE] + t[SYSTEM] + t[IRQ] + t[SOFTIRQ] +
					t[STEAL]);
	activity->idle_ms = ticks_to_ms(t[IDLE] + t[IOWAIT]);
	activity->guests_ms = ticks_to_ms(t[GUEST] + t[GUEST_NICE]);
	activity->cpus = 0;
	for (const char *line = text; (line = strstr(line, "\ncpu")); line++)
		activity->cpus++;
	return 0;
}

#define FIELD(name, member)                                     \
	{                                                       \
		name, offsetof(struct host_activity, member), 0 \
	}

static int read_vmstat(int root_fd, struct host_activity *activity, struct err **err)
{
	static const struct host_field fields[] = {
		FIELD("pswpin", swapped_in),
		FIELD("pswpout", swapped_out),
		FIELD("pgmajfault", major_faults),
	};
	_cleanup_free_ char *text = NULL;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (host_read_text(root_fd, "proc/vmstat", &text, err) < 0)
		return -1;
	host_fields_clear(fields, ARRAY_SIZE(fields), activity);
	host_fields_take(text, fields, ARRAY_SIZE(fields), activity);
	if (activity->swapped_in != HOST_UNKNOWN)
		activity->swapped_in *= page;
	if (activity->swapped_out != HOST_UNKNOWN)
		activity->swapped_out *= page;
	return 0;
}

int host_read_activity(int root_fd, struct host_activity *ret_activity, struct err **err)
{
	struct host_activity activity;

	if (read_cpus(root_fd, &activity, err) < 0 || read_vmstat(root_fd, &activity, err) < 0)
		return -1;
	*ret_activity = activity;
	return 0;
}

int host_read_process_activity(int root_fd, pid_t pid, struct host_process_activity *ret_activity,
			       struct err **err)
{
	/* proc(5) counts the fields from 1; the numbers start with the fourth. */
	enum { FIRST = 4, MINFLT = 10, MAJFLT = 12, UTIME = 14, STIME, START = 22, GUEST = 43 };
	_cleanup_free_ char *text = NULL;
	uint64_t t[GUEST - FIRST + 1];
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;

	/* "4711 (lodge: web) S 1 4711 ...": the name may hold anything, and parentheses too. */
	const char *end = strrchr(text, ')');
	size_t n = 0;

	if (end && strlen(end) > strlen(") S "))
		for (const char *p = end + strlen(") S "); n < ARRAY_SIZE(t); n++) {
			p += strspn(p, " -"); /* a few may be negative, none that is wanted */
			if (!host_scan_number(&p, &t[n]))
				break;
		}
	if (n < ARRAY_SIZE(t))
		return err_set(err, ERR_FAILED, 0, "/%s isn't what a kernel writes", path);
	*ret_activity = (struct host_process_activity){
		.started = t[START - FIRST],
		.cpu_ms = ticks_to_ms(t[UTIME - FIRST] + t[STIME - FIRST]),
		.guest_ms = ticks_to_ms(t[GUEST - FIRST]),
		.major_faults = t[MAJFLT - FIRST],
		.minor_faults = t[MINFLT - FIRST],
	};
	return 0;
}
