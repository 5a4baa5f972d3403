/* SPDX-License-Identifier: Apache-2.0 */
/* What all fakes share: see fakes.h. */
#include "tests/fakes/fakes.h"

struct fakes fakes;

void fakes_reset(void)
{
	fakes = (struct fakes){ .n_lines = 0 };
}

unsigned fakes_live(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_LINES_MAX; i++)
		n += fakes.lines[i].live;
	for (unsigned i = 0; i < FAKE_WINDOWS_MAX; i++)
		n += fakes.windows[i].live;
	for (unsigned i = 0; i < FAKE_DOORBELLS_MAX; i++)
		n += fakes.doorbells[i].live;
	return n;
}
