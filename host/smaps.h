/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a VM process, mapping by mapping: /proc/PID/smaps (proc(5)).
 *
 * The kernel's files (an unpacked kernel, an initrd) are private mappings over the guest's RAM: a
 * page that the guest only reads is the page cache's, one that it writes becomes its own.
 */
#ifndef LODGE_HOST_SMAPS_H
#define LODGE_HOST_SMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/* Pages of a process, by what they are; bytes. */
struct host_smaps {
	uint64_t size;	  /* address space */
	uint64_t rss;	  /* in RAM; huge pages of hugetlbfs are not in it */
	uint64_t pss;	  /* the same, each page divided by how many processes map it */
	uint64_t shared;  /* in RAM, and mapped by other processes too */
	uint64_t anon;	  /* in RAM, and this process's own */
	uint64_t file;	  /* in RAM, and still a file's: this process never wrote to them */
	uint64_t ksm;	  /* in RAM, and merged by KSM (6.8) */
	uint64_t huge;	  /* in RAM, in transparent huge pages */
	uint64_t hugetlb; /* in RAM, in huge pages of hugetlbfs */
	uint64_t swap;	  /* swapped out */
	uint64_t locked;  /* in RAM, and can't be swapped out; in shares, as pss */
};

struct host_range {
	uint64_t start;
	uint64_t len; /* bytes */
};

enum { HOST_FILES_MAX = 8 };

struct host_vm_memory {
	struct host_smaps own;	     /* everything but guest RAM */
	struct host_smaps ram;	     /* guest RAM, with what is mapped over it */
	struct host_smaps ram_files; /* of that, what is mapped from files */
	struct {
		char *path;
		struct host_smaps smaps;
	} files[HOST_FILES_MAX]; /* the same by file; more files than that are only in the sum */
	size_t n_files;
	bool ksm_known; /* this kernel says which pages are merged */
};

/* Adds it all up; ram says where guest RAM is in the process's address space. */
int host_read_vm_memory(int root_fd, pid_t pid, const struct host_range *ram, size_t n_ram,
			struct host_vm_memory *ret_memory, struct err **err);
void host_vm_memory_clear(struct host_vm_memory *memory);

#endif
