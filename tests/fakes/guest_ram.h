/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem/guest_ram.h without the kernel: records what is given back, and can pretend to be made of
 * huge pages. Its RAM is all below the device hole.
 */
#ifndef LODGE_TESTS_FAKE_GUEST_RAM_H
#define LODGE_TESTS_FAKE_GUEST_RAM_H

#include <stdint.h>

enum { FAKE_RELEASES_MAX = 4096 };

struct fake_guest_ram {
	uint64_t unit;	     /* 0 is 1 */
	unsigned n_releases; /* all of them; the first FAKE_RELEASES_MAX are in the list */
	struct {
		uint64_t page, n;
	} releases[FAKE_RELEASES_MAX];
	/* Called at each release, if there is one. */
	void (*on_release)(uint64_t page, uint64_t n);
};

extern struct fake_guest_ram fake_guest_ram;

#endif
