/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else the kernel holds a guest to, beside what it was promised: its share of processors and
 * disks, and limits on processors and on zswap. They cost no other guest anything, so nothing is
 * added up.
 *
 *	cpu.weight, io.weight	the weight
 *	cpu.max			the limit on processors; "max" for none
 *	memory.zswap.max	the limit on what it has in zswap (Linux 5.19); "max" for none
 *
 * Paths are as in ledger.h.
 */
#ifndef LODGE_LEDGER_SHARES_H
#define LODGE_LEDGER_SHARES_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Percent of one processor. The kernel gives time in pieces of 1 ms of every 100 at least. */
enum { SHARES_CPU_LIMIT_MIN = 1, SHARES_CPU_LIMIT_MAX = 10000 };

struct ledger_shares {
	unsigned weight;      /* PROMISE_WEIGHT_MIN to PROMISE_WEIGHT_MAX */
	unsigned cpu_limit;   /* percent of one processor; 0: no limit */
	bool zswap_limited;   /* zswap_limit counts */
	uint64_t zswap_limit; /* bytes of zswap's memory, compressed; 0: it isn't used */
};

/* Writes what isn't as the kernel makes a new group, or all if the group is an older one. */
int ledger_write_shares(int root_fd, const char *slice, const char *name,
			const struct ledger_shares *shares, bool is_new, struct err **err);

/* Each writes one. What can't be had on this host is ERR_REFUSED, unless it's the default: for
 * weight and cpu_limit it takes the cpu controller, for zswap_limit a kernel that has that. */
int ledger_write_weight(int root_fd, const char *slice, const char *name, unsigned weight,
			struct err **err);
int ledger_write_cpu_limit(int root_fd, const char *slice, const char *name, unsigned percent,
			   struct err **err);
int ledger_write_zswap_limit(int root_fd, const char *slice, const char *name, bool limited,
			     uint64_t bytes, struct err **err);

/* What there is; a weight of 0 where processors aren't shared by groups. */
void ledger_read_shares(int root_fd, const char *slice, const char *name,
			struct ledger_shares *ret_shares);

/* "150%" or "none", from SHARES_CPU_LIMIT_MIN to SHARES_CPU_LIMIT_MAX percent; none is 0. */
int shares_parse_cpu_limit(const char *text, unsigned *ret_percent, struct err **err);
enum { SHARES_TEXT_MAX = 24 };
char *shares_format_cpu_limit(unsigned percent, char text[SHARES_TEXT_MAX]);

/* "64M" (whole pages) or "none". */
int shares_parse_zswap_limit(const char *text, bool *ret_limited, uint64_t *ret_bytes,
			     struct err **err);
char *shares_format_zswap_limit(bool limited, uint64_t bytes, char text[SHARES_TEXT_MAX]);

#endif
