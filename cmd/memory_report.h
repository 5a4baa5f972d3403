/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory as programs and people read it (lodge-show(1), docs/memory.md). */
#ifndef LODGE_CMD_MEMORY_REPORT_H
#define LODGE_CMD_MEMORY_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct memory_parts;
struct memory_view;

/* Adds memory_parts, ksm, cgroup and host_memory to what the VM process said. */
void memory_report_add(const struct memory_view *view, json_t *show);

/* Rows of text on stdout. */
void memory_report_print(const struct memory_view *view);

/* A row's first column. */
enum { MEMORY_REPORT_LABEL = 18 };

/* The parts as a JSON object; sums: only those that make sense added up over guests. */
json_t *memory_report_parts(const struct memory_parts *parts, bool sums);

/* null for HOST_UNKNOWN. */
json_t *memory_report_known(uint64_t value);
/* "?" for HOST_UNKNOWN; buf holds SIZE_TEXT_MAX bytes. */
const char *memory_report_size(uint64_t bytes, char *buf);

#endif
