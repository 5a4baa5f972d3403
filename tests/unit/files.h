/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of plain files that stands for the host's /proc and /sys, in a directory of its own. What
 * only the kernel does (files that appear with a directory and go with it) tests do by hand. */
#ifndef LODGE_TESTS_FILES_H
#define LODGE_TESTS_FILES_H

#include <stdbool.h>

extern int files_root_fd; /* stands for "/" */
extern char files_base[]; /* the directory's own path */

/* For a test's setup and teardown. */
int files_make(void);
int files_remove(void);

/* Paths are from files_root_fd; each fails the test if it can't be done. */
void files_dir(const char *path);
void files_write(const char *path, const char *text);
void files_write_in(const char *dir, const char *file, const char *text);
void files_assert(const char *path, const char *expected);
void files_assert_in(const char *dir, const char *file, const char *expected);
bool files_there(const char *path);
void files_unlink(const char *path);

#endif
