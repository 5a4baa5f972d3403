/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario as a picture: who had how much RAM over time, the host's margin and state, and how
 * much guests waited, in one SVG file without scripts or fonts of its own.
 */
#ifndef LODGE_SIMULATE_PLOT_H
#define LODGE_SIMULATE_PLOT_H

#include <stdio.h>

struct err;
struct run_result;
struct scenario;

void plot_draw(const struct scenario *scenario, const struct run_result *result, FILE *out);

/* Writes it to a file, whole or not at all. ERR_USAGE if there's something else of that name, or it
 * can't be made there. */
int plot_save(const struct scenario *scenario, const struct run_result *result, const char *path,
	      struct err **err);

#endif
