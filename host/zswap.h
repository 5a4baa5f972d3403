/* SPDX-License-Identifier: Apache-2.0 */
/* zswap, which compresses pages in RAM before they are written to swap
 * (Documentation/admin-guide/mm/zswap.rst). What is in it says host/meminfo.h. */
#ifndef LODGE_HOST_ZSWAP_H
#define LODGE_HOST_ZSWAP_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* What switches it on. */
#define HOST_ZSWAP_ENABLED_PATH "sys/module/zswap/parameters/enabled"

struct host_zswap {
	bool enabled;
	char compressor[32];  /* "" if this kernel doesn't say */
	uint64_t max_percent; /* of RAM, for its pool; HOST_UNKNOWN (host/fields.h) */
};

/* ENOENT if this kernel has no zswap. */
int host_read_zswap(int root_fd, struct host_zswap *ret_zswap, struct err **err);

#endif
