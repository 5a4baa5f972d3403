/* SPDX-License-Identifier: Apache-2.0 */
/* dev/console.h that keeps what is written to it: see fakes.h. */
#include "dev/console.h"

#include <string.h>

#include "tests/fakes/fakes.h"

static struct console_input attached;

struct console *fake_console(void)
{
	return (struct console *)&fakes;
}

void console_write(struct console *console, const void *data, size_t len)
{
	size_t room = fakes.output_len < FAKE_OUTPUT_MAX ? FAKE_OUTPUT_MAX - fakes.output_len : 0;

	(void)console;
	memcpy(fakes.output + (FAKE_OUTPUT_MAX - room), data, len < room ? len : room);
	/* All of it is read, as the real console does, so that a bad range is found. */
	for (size_t i = 0; i < len; i++)
		fakes.output_sum += ((const uint8_t *)data)[i];
	fakes.output_len += len;
}

void console_attach(struct console *console, enum console_rank rank,
		    const struct console_input *input)
{
	(void)console;
	(void)rank;
	attached = *input;
	fakes.input = &attached;
}

void console_detach(struct console *console, enum console_rank rank)
{
	(void)console;
	(void)rank;
	fakes.input = NULL;
}

void console_input_ready(struct console *console)
{
	(void)console;
	fakes.input_ready++;
}

void console_get_size(const struct console *console, uint16_t *ret_columns, uint16_t *ret_rows)
{
	(void)console;
	*ret_columns = fakes.columns;
	*ret_rows = fakes.rows;
}
