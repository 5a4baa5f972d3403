/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of lines "NAME VALUE" or "NAME:  VALUE kB": /proc/meminfo, /proc/PID/status, memory.stat.
 *
 * Kernels gain such lines over the years, so a line that isn't there leaves "unknown" and not 0.
 */
#ifndef LODGE_HOST_FIELDS_H
#define LODGE_HOST_FIELDS_H

#include <stddef.h>
#include <stdint.h>

/* What this kernel doesn't say. */
#define HOST_UNKNOWN	    UINT64_MAX
#define HOST_UNKNOWN_SIGNED INT64_MIN /* for figures that may be negative */

enum host_field_type { HOST_FIELD_UNSIGNED, HOST_FIELD_SIGNED };

/* A line that is wanted: its name, and where in the caller's struct its value belongs, a uint64_t
 * or int64_t. */
struct host_field {
	const char *name;
	size_t offset;
	enum host_field_type type;
};

/* Sets every wanted field to unknown, then takes those that text has; "kB" becomes bytes. Quickest
 * if fields are in the order of the file. */
void host_fields_clear(const struct host_field *fields, size_t n, void *base);
void host_fields_take(const char *text, const struct host_field *fields, size_t n, void *base);

/* The number that a whole file holds, or HOST_UNKNOWN. */
uint64_t host_read_known(int root_fd, const char *path);

#endif
