/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM process: a guest, its runtime directory and its sockets, in a process of its own.
 *
 * It is a child of whoever starts it, in a session of its own, shown as "lodge: NAME". Everything
 * it needs is opened before the guest's first instruction; afterwards it opens nothing.
 *
 * Its signals: SIGTERM presses the guest's power button, and a second one ends the guest by force.
 */
#ifndef LODGE_API_VM_PROCESS_H
#define LODGE_API_VM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct vm_config;

/* Starts a guest and returns once its vCPUs run. config is complete and checked
 * (vm_config_check()), with a name. The process is the caller's child; its exit status is
 * vm_state_exit_status(). *ret_end_fd, the caller's to close, says why a guest failed or panicked:
 * a short text, whole once the process has ended, and nothing for a guest that stopped.
 *
 * keep_end: a guest that ends as panicked or failed stays listed, without its RAM, until somebody
 * has asked how it ended (the verbs wait, stop and kill do); for guests that nobody waits for.
 *
 * On failure nothing is left behind. */
int vm_process_start(const struct vm_config *config, bool keep_end, pid_t *ret_pid, int *ret_end_fd,
		     struct err **err);

#endif
