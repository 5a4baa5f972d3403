/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of plain files: see files.h. */
#include "files.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fdio.h"

#define TEMPLATE "/tmp/lodge-test-XXXXXX"

int files_root_fd = -1;
char files_base[sizeof(TEMPLATE)];

int files_make(void)
{
	strcpy(files_base, TEMPLATE);
	if (!mkdtemp(files_base))
		return -1;
	files_root_fd = open(files_base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return files_root_fd < 0 ? -1 : 0;
}

int files_remove(void)
{
	char command[sizeof(TEMPLATE) + sizeof("rm -r ")];

	close(files_root_fd);
	snprintf(command, sizeof(command), "rm -r %s", files_base);
	return system(command);
}

void files_dir(const char *path)
{
	assert_int_equal(mkdirat(files_root_fd, path, 0755), 0);
}

void files_write(const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(files_root_fd, path,
					O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		fail_msg("%s can't be written", path);
	assert_int_equal(fdio_write(fd, text, strlen(text), NULL), 0);
}

void files_write_in(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	files_write(path, text);
}

void files_assert(const char *path, const char *expected)
{
	_cleanup_free_ char *text = NULL;

	if (fdio_read_file(files_root_fd, path, 4096, &text, NULL, NULL) < 0)
		fail_msg("%s can't be read", path);
	assert_string_equal(text, expected);
}

void files_assert_in(const char *dir, const char *file, const char *expected)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	files_assert(path, expected);
}

bool files_there(const char *path)
{
	return faccessat(files_root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void files_unlink(const char *path)
{
	assert_int_equal(unlinkat(files_root_fd, path, 0), 0);
}
