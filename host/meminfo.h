/* SPDX-License-Identifier: Apache-2.0 */
/* The host's memory and its swap: /proc/meminfo, /proc/swaps (proc(5)). */
#ifndef LODGE_HOST_MEMINFO_H
#define LODGE_HOST_MEMINFO_H

#include <stdint.h>

struct err;

/* Bytes; all but the first two are HOST_UNKNOWN (host/fields.h) where this kernel doesn't say. */
struct host_meminfo {
	uint64_t total;		  /* RAM that the kernel manages */
	uint64_t available;	  /* could be had without swapping */
	uint64_t free;		  /* used for nothing at all */
	uint64_t zswap;		  /* RAM that zswap's pool takes (5.19) */
	uint64_t zswapped;	  /* what is in it, before it was compressed (5.19) */
	uint64_t page_tables;	  /* of all processes */
	uint64_t kvm_page_tables; /* second-level page tables of all guests (6.1) */
	uint64_t huge;		  /* anonymous memory in transparent huge pages */
	uint64_t hugetlb_pages;	  /* huge pages that are set aside, a number */
	uint64_t hugetlb_free;	  /* of them, those that nobody uses, a number */
	uint64_t hugetlb_size;	  /* bytes of one of them */
};

int host_read_meminfo(int root_fd, struct host_meminfo *ret_meminfo, struct err **err);

struct host_swap {
	uint64_t disk;	    /* bytes on devices and in files */
	uint64_t disk_used; /* bytes of that in use */
	uint64_t zram;	    /* bytes on zram devices, which are RAM themselves */
	uint64_t zram_used; /* bytes of that in use */
};

int host_read_swap(int root_fd, struct host_swap *ret_swap, struct err **err);

#endif
