/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sense, what only guests know: what their kernels can spare, and what is in their balloons.
 *
 * Asking wakes a guest, so it's done only while the host is short of memory, or a balloon is to be
 * let go of. All are asked at once, and who doesn't answer in time isn't waited for: a guest can
 * hold up nobody.
 */
#ifndef LODGE_GOVERN_ASK_H
#define LODGE_GOVERN_ASK_H

#include "govern/sensor.h"

/* For all of them together: so long, and a millisecond for four guests, up to a limit. */
enum { GOVERN_ASK_MS = 300, GOVERN_ASK_MOST_MS = 3000 };

/* Fills in spare (0 as long as the balloon hasn't got what it was asked for), has_balloon and
 * balloon, and what is in use for those of whom DAMON says nothing.
 *
 * A guest's balloon is used if its driver sends statistics and lets its kernel deflate when it runs
 * short, and if nobody else has asked for what it holds now. Only guests of this runtime directory
 * are asked. */
void govern_ask_guests(struct sensor *sensor);

/* Fills in where guests' RAM is in their VM processes, of those of whom that isn't known yet. */
void govern_ask_ram(struct sensor *sensor);

#endif
