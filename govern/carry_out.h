/* SPDX-License-Identifier: Apache-2.0 */
/* Act: carries out what the policy decided, in guests' groups and through their balloons. */
#ifndef LODGE_GOVERN_CARRY_OUT_H
#define LODGE_GOVERN_CARRY_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "govern/policy.h"
#include "govern/sensor.h"

struct err;

/* A turn's reclaim and balloons together may take so long, ms: the kernel is slow where swap is,
 * and guests may not answer. */
enum { CARRY_OUT_MS = 1000 };

/* Protects the slice as far as its guests are, so that what the host does beside them doesn't come
 * first; then carries out each act, from guest `first` on and around: time may end before all have
 * had their turn. acts[i].bytes becomes what was really taken. A guest that can't
 * be acted on doesn't keep the others from it: the first failure is returned. */
int carry_out(int root_fd, const char *slice, const struct sensor *sensor, struct policy_act *acts,
	      size_t first, struct err **err);

/* Of all of a slice's guests, memory.high is no limit any more. */
void carry_out_let_go(int root_fd, const char *slice, const struct sensor *sensor);

#endif
