/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The governor's own files in the runtime directory: its lock, and what it writes down.
 *
 * Locked like a guest's directory (api/rundir.h): the kernel lets go of the lock however the
 * process ends, and whether it is held is asked without taking it.
 */
#ifndef LODGE_GOVERN_FILES_H
#define LODGE_GOVERN_FILES_H

#include <jansson.h>
#include <stdbool.h>

struct err;

#define GOVERN_LOCK_FILE ".lodged.lock"

/* Takes the lock for as long as *ret_fd is open. ERR_EXISTS, with the number of the process, if
 * another lodged has it. */
int govern_lock(int dir_fd, int *ret_fd, struct err **err);
/* Whether a lodged has it. */
bool govern_is_running(int dir_fd);

/* Replaces the file by one that holds json, whole or not at all. flags are json_dumps()'s. A json
 * of NULL, which couldn't be made, is an error. */
int govern_save_json(int dir_fd, const char *file, const json_t *json, size_t flags,
		     struct err **err);

#endif
