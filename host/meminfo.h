/* SPDX-License-Identifier: Apache-2.0 */
/* The host's memory and its swap: /proc/meminfo, /proc/swaps (proc(5)). */
#ifndef LODGE_HOST_MEMINFO_H
#define LODGE_HOST_MEMINFO_H

#include <stdint.h>

struct err;

struct host_meminfo {
	uint64_t total;	    /* bytes of RAM that the kernel manages */
	uint64_t available; /* bytes that could be had without swapping */
};

int host_read_meminfo(int root_fd, struct host_meminfo *ret_meminfo, struct err **err);

struct host_swap {
	uint64_t disk;	    /* bytes on devices and in files */
	uint64_t disk_used; /* bytes of that in use */
	uint64_t zram;	    /* bytes on zram devices, which are RAM themselves */
};

int host_read_swap(int root_fd, struct host_swap *ret_swap, struct err **err);

#endif
