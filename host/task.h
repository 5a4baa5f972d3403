/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own threads, and what a task costs in CPU time (proc_pid_stat(5)). */
#ifndef LODGE_HOST_TASK_H
#define LODGE_HOST_TASK_H

#include <stdint.h>
#include <sys/types.h>

struct err;

/* The kernel's thread of that name, such as "ksmd"; a process that calls itself so isn't it. Looks
 * through all of /proc. ENOENT if there is none, or this PID namespace doesn't show it. */
int host_find_kthread(int root_fd, const char *name, pid_t *ret_pid, struct err **err);

/* The CPU time that a process has used since it started, ms; the kernel counts it in 10 ms. */
int host_read_cpu_time(int root_fd, pid_t pid, uint64_t *ret_ms, struct err **err);

#endif
