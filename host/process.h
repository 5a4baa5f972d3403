/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes, as /proc shows them (proc(5)). */
#ifndef LODGE_HOST_PROCESS_H
#define LODGE_HOST_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum { HOST_HOLDERS_MAX = 16 };

/* The processes other than this one that have the file at path open, at most HOST_HOLDERS_MAX.
 * Those that this user may not look into are passed over. */
int host_find_holders(int root_fd, const char *path, pid_t pids[HOST_HOLDERS_MAX], size_t *ret_n,
		      struct err **err);

/* Pages of a process, by what they are; bytes. */
struct host_smaps {
	uint64_t size;	 /* address space */
	uint64_t rss;	 /* in RAM */
	uint64_t pss;	 /* the same, each page divided by how many processes map it */
	uint64_t shared; /* in RAM, and mapped by other processes too */
	uint64_t file;	 /* in RAM, and still the file's: this process never wrote to them */
	uint64_t swap;	 /* swapped out */
};

struct host_range {
	uint64_t start;
	uint64_t len; /* bytes */
};

enum { HOST_FILES_MAX = 8 };

/* The memory of a VM process. The kernel's files are private mappings over the guest's RAM. */
struct host_vm_memory {
	struct host_smaps own;	     /* everything but guest RAM */
	struct host_smaps ram;	     /* guest RAM, with what is mapped over it */
	struct host_smaps ram_files; /* of that, what is mapped from files */
	struct {
		char *path;
		struct host_smaps smaps;
	} files[HOST_FILES_MAX]; /* the same by file; more files than that are only in the sum */
	size_t n_files;
};

/* Adds up /proc/PID/smaps (proc(5)); ram says where guest RAM is in the process's address space. */
int host_read_vm_memory(int root_fd, pid_t pid, const struct host_range *ram, size_t n_ram,
			struct host_vm_memory *ret_memory, struct err **err);
void host_vm_memory_clear(struct host_vm_memory *memory);

#endif
