/* SPDX-License-Identifier: Apache-2.0 */
/* Locals that clean up after themselves, and handing them on. */
#ifndef LODGE_BASE_CLEANUP_H
#define LODGE_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Takes a pointer or descriptor out of a variable that cleans up, leaving it empty. */
#define take_ptr(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
#define take_fd(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_err(struct err **err)
{
	err_free(*err);
}

#define _cleanup_free_	_cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_file_	_cleanup_(cleanup_file)
#define _cleanup_err_	_cleanup_(cleanup_err)

#endif
