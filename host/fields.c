/* SPDX-License-Identifier: Apache-2.0 */
/* Files of lines with a name and a value: see fields.h. */
#include "host/fields.h"

#include <string.h>

#include "host/file.h"

void host_fields_clear(const struct host_field *fields, size_t n, void *base)
{
	static const uint64_t unknown = HOST_UNKNOWN;
	static const int64_t unknown_signed = HOST_UNKNOWN_SIGNED;

	for (size_t i = 0; i < n; i++)
		memcpy((char *)base + fields[i].offset,
		       fields[i].type == HOST_FIELD_SIGNED ? (const void *)&unknown_signed
							   : (const void *)&unknown,
		       sizeof(uint64_t));
}

/* The value behind a name: blanks or a colon, digits, perhaps "kB". */
static void take_value(const char *p, const struct host_field *field, void *base)
{
	uint64_t value;

	p += *p == ':';
	p += strspn(p, " \t");

	bool negative = field->type == HOST_FIELD_SIGNED && *p == '-';

	p += negative;
	if (!host_scan_number(&p, &value))
		return;
	if (strncmp(p, " kB", 3) == 0 && __builtin_mul_overflow(value, 1024, &value))
		return;
	if (field->type == HOST_FIELD_SIGNED && value > INT64_MAX)
		return;
	if (negative)
		value = -value;
	memcpy((char *)base + field->offset, &value, sizeof(value));
}

void host_fields_take(const char *text, const struct host_field *fields, size_t n, void *base)
{
	size_t next = 0; /* the field after the one that was found last */

	for (const char *line = text; line && *line;) {
		size_t len = strcspn(line, " \t:\n");

		for (size_t tried = 0; tried < n; tried++) {
			size_t i = (next + tried) % n;

			if (strncmp(line, fields[i].name, len) == 0 && !fields[i].name[len]) {
				take_value(line + len, &fields[i], base);
				next = i + 1;
				break;
			}
		}
		line = strchr(line + len, '\n');
		line += line ? 1 : 0;
	}
}

uint64_t host_read_known(int root_fd, const char *path)
{
	uint64_t value;

	return host_read_number(root_fd, path, &value, NULL) == 0 ? value : HOST_UNKNOWN;
}
