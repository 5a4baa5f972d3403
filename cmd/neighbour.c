/* SPDX-License-Identifier: Apache-2.0 */
/* Programs beside this one: see neighbour.h. */
#include "cmd/neighbour.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

enum { PATH_BYTES = 4096 };

static void neighbour_path(const char *program, char path[PATH_BYTES])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_BYTES - 1);
	char *slash = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;
	size_t dir = slash ? (size_t)(slash - path) + 1 : 0;

	if (!slash || dir + strlen(program) + 1 > PATH_BYTES) {
		path[0] = '\0';
		return;
	}
	memcpy(path + dir, program, strlen(program) + 1);
}

int neighbour_exec(const char *program, char **argv, const char *what, const char *instead,
		   struct err **err)
{
	char path[PATH_BYTES];

	neighbour_path(program, path);
	if (path[0])
		execv(path, argv);
	if (!path[0] || errno == ENOENT)
		execvp(program, argv);
	if (errno == ENOENT)
		return err_set(err, ERR_FAILED, 0,
			       "the program %s%s isn't installed, neither as %s nor in PATH%s",
			       program, what, path, instead);
	return err_set(err, err_code_from_errno(errno), errno, "run %s", program);
}
