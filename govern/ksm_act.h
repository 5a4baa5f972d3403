/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Act: carries a plan for KSM out, so that being killed at any moment loses nothing.
 *
 * What the kernel can't tell (what a setting was before, and who changed it) is in one small file
 * in the runtime directory, RUNTIME/.lodged.json. It is written before the settings are, with the
 * intention, and again after. Settings are only put back while it still says what they were.
 */
#ifndef LODGE_GOVERN_KSM_ACT_H
#define LODGE_GOVERN_KSM_ACT_H

#include "govern/ksm_policy.h"

struct err;

#define GOVERN_STATE_FILE ".lodged.json"

/* dir_fd is the runtime directory. Without a file, or with one that can't be understood (which is
 * logged), the memory is empty: then KSM that runs counts as somebody else's. */
void govern_load(int dir_fd, struct ksm_memory *ret_memory);

/* Carries the plan out and moves memory on to the next turn. If a setting can't be written, the
 * others are all the same, the first failure is returned, and the next turn tries again. */
int govern_act(int root_fd, int dir_fd, const struct ksm_plan *plan, struct ksm_memory *memory,
	       struct err **err);

#endif
