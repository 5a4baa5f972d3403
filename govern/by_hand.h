/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else has changed of promises (ledger/changes.h), told once and not fought. */
#ifndef LODGE_GOVERN_BY_HAND_H
#define LODGE_GOVERN_BY_HAND_H

#include "govern/view.h"

/* What is known to be changed. All zeros at first. */
struct by_hand {
	char *said; /* a line for each change */
};

/* A line in the log for each change that is new. */
void by_hand_tell(struct by_hand *by_hand, int root_fd, const struct govern_view *view);
void by_hand_clear(struct by_hand *by_hand);

#endif
