/* SPDX-License-Identifier: Apache-2.0 */
/* Loads kernel modules in the order of a list, which guest/initrd made from modules.dep. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest/guest.h"

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		say("lodge-guest: module %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void modules_load(const char *list)
{
	char text[4096];
	char *next = text;
	char *line;

	if (file_read(list, text, sizeof(text)) < 0)
		return;
	while ((line = strsep(&next, "\n"))) {
		if (*line)
			load(line);
	}
}
