/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes, as /proc shows them: see process.h. */
#include "host/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ _cleanup_(cleanup_dir)

static DIR *open_dir(int root_fd, const char *path)
{
	int fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* Does process pid have the file open? */
static bool holds(int root_fd, const char *pid, const struct stat *file)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%.16s/fd", pid);

	_cleanup_dir_ DIR *dir = open_dir(root_fd, path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_dev == file->st_dev &&
		    st.st_ino == file->st_ino)
			return true;
	}
	return false;
}

int host_find_holders(int root_fd, const char *path, pid_t pids[HOST_HOLDERS_MAX], size_t *ret_n,
		      struct err **err)
{
	struct stat file;

	if (fstatat(root_fd, path, &file, 0) < 0)
		return err_set(err, err_code_from_errno(errno), errno, "%s", path);

	_cleanup_dir_ DIR *dir = open_dir(root_fd, "proc");

	if (!dir)
		return err_set(err, err_code_from_errno(errno), errno, "open /proc");

	const struct dirent *entry;
	size_t n = 0;

	while (n < HOST_HOLDERS_MAX && (entry = readdir(dir))) {
		const char *p = entry->d_name;
		uint64_t pid;

		if (!host_scan_number(&p, &pid) || *p || (pid_t)pid == getpid())
			continue;
		if (holds(root_fd, entry->d_name, &file))
			pids[n++] = (pid_t)pid;
	}
	*ret_n = n;
	return 0;
}

/* A mapping starts with "55d0c2a00000-55d0c2a20000 r--p 00000000 fe:01 1234    /path"; the lines
 * after it are "Name:   N kB". */
static bool read_mapping(const char *line, struct host_range *ret_range)
{
	char *end;
	uint64_t start = strtoull(line, &end, 16);

	if (end == line || *end != '-')
		return false;
	ret_range->start = start;
	ret_range->len = strtoull(end + 1, NULL, 16) - start;
	return true;
}

static const char *mapping_path(const char *line)
{
	for (int field = 0; field < 5; field++) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return line;
}

static bool is_inside(const struct host_range *mapping, const struct host_range *ram, size_t n_ram)
{
	for (size_t i = 0; i < n_ram; i++)
		if (mapping->start - ram[i].start < ram[i].len)
			return true;
	return false;
}

static void add_line(struct host_smaps *smaps, const char *line)
{
	const struct {
		const char *name;
		uint64_t *counter;
		uint64_t factor;
	} rows[] = {
		{ "Size:", &smaps->size, 1 },
		{ "Rss:", &smaps->rss, 1 },
		{ "Rss:", &smaps->file, 1 },
		{ "Anonymous:", &smaps->file, UINT64_MAX }, /* taken away */
		{ "Pss:", &smaps->pss, 1 },
		{ "Shared_Clean:", &smaps->shared, 1 },
		{ "Shared_Dirty:", &smaps->shared, 1 },
		{ "Swap:", &smaps->swap, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].name);
		const char *p = line + len;
		uint64_t kib;

		if (strncmp(line, rows[i].name, len) == 0 && host_scan_number(&p, &kib))
			*rows[i].counter += kib * 1024 * rows[i].factor;
	}
}

/* The counters of a file that is mapped over RAM, or NULL if there are too many files. */
static struct host_smaps *file_counters(struct host_vm_memory *memory, const char *path)
{
	for (size_t i = 0; i < memory->n_files; i++)
		if (strcmp(memory->files[i].path, path) == 0)
			return &memory->files[i].smaps;
	if (memory->n_files == HOST_FILES_MAX)
		return NULL;

	char *copy = strdup(path);

	if (!copy)
		return NULL;
	memory->files[memory->n_files].path = copy;
	return &memory->files[memory->n_files++].smaps;
}

/* Chooses the sums that a mapping's lines are added to; ends with NULL. */
static void choose_counters(struct host_vm_memory *memory, bool in_ram, const char *path,
			    struct host_smaps *ret_counters[4])
{
	size_t n = 0;

	ret_counters[n++] = in_ram ? &memory->ram : &memory->own;
	if (in_ram && *path == '/') {
		struct host_smaps *file = file_counters(memory, path);

		ret_counters[n++] = &memory->ram_files;
		if (file)
			ret_counters[n++] = file;
	}
	ret_counters[n] = NULL;
}

int host_read_vm_memory(int root_fd, pid_t pid, const struct host_range *ram, size_t n_ram,
			struct host_vm_memory *ret_memory, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	struct host_vm_memory memory = { 0 };
	struct host_smaps *counters[4] = { NULL };
	struct host_range mapping;
	char path[64];
	char *save = NULL;

	snprintf(path, sizeof(path), "proc/%d/smaps", (int)pid);
	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (read_mapping(line, &mapping))
			choose_counters(&memory, is_inside(&mapping, ram, n_ram),
					mapping_path(line), counters);
		else
			for (size_t i = 0; counters[i]; i++)
				add_line(counters[i], line);
	}
	*ret_memory = memory;
	return 0;
}

void host_vm_memory_clear(struct host_vm_memory *memory)
{
	for (size_t i = 0; i < memory->n_files; i++)
		free(memory->files[i].path);
	*memory = (struct host_vm_memory){ 0 };
}
