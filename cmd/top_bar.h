/* SPDX-License-Identifier: Apache-2.0 */
/* Bars of `lodge top` (top_text.h), for those who compose its lines. */
#ifndef LODGE_CMD_TOP_BAR_H
#define LODGE_CMD_TOP_BAR_H

#include <stddef.h>
#include <stdint.h>

#include "cmd/top_text.h"

enum { TOP_BAR_PARTS_MAX = 8 };

struct top_bar_part {
	enum top_style style;
	char ch;
	uint64_t bytes;
};

/* "[###==s...]": width cells between the brackets, all of them if a part has any bytes. */
void top_bar_add(struct top_line *line, const struct top_bar_part *parts, size_t n, size_t width);

#endif
