/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a VM process, mapping by mapping: see smaps.h.
 *
 * A mapping starts with a line
 *   55d0c2a00000-55d0c2a20000 r--p 00000000 fe:01 1234                       /path
 * and some 25 lines of figures follow, "Name:   N kB", most of which are 0. There are a hundred
 * mappings in a process and a hundred processes to be shown, so the text is passed over once, and
 * lines that say 0 are not looked at.
 */
#include "host/smaps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

/* A mapping's first line. */
struct mapping {
	uint64_t start;
	bool shared;	  /* MAP_SHARED */
	const char *path; /* "" if it has none */
};

static const char *scan_hex(const char *p, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			value = value << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			value = value << 4 | (uint64_t)(*p - 'a' + 10);
		else
			break;
	}
	*ret_value = value;
	return p;
}

static bool read_mapping(const char *line, struct mapping *ret_mapping)
{
	struct mapping mapping;
	uint64_t end;
	const char *p = scan_hex(line, &mapping.start);

	if (p == line || *p != '-')
		return false;
	p = scan_hex(p + 1, &end);
	if (strnlen(p, strlen(" rwxp ")) < strlen(" rwxp "))
		return false;
	mapping.shared = p[4] == 's';
	for (int field = 0; field < 4; field++) {
		p += strspn(p, " ");
		p += strcspn(p, " ");
	}
	mapping.path = p + strspn(p, " ");
	*ret_mapping = mapping;
	return true;
}

static bool is_inside(uint64_t start, const struct host_range *ram, size_t n_ram)
{
	for (size_t i = 0; i < n_ram; i++)
		if (start - ram[i].start < ram[i].len)
			return true;
	return false;
}

/* Is it a file over guest RAM? RAM itself may be a file without a name: shared memory, or huge
 * pages of hugetlbfs. */
static bool is_file(const struct mapping *mapping)
{
	return *mapping->path == '/' && !mapping->shared &&
	       strncmp(mapping->path, "/anon_hugepage", strlen("/anon_hugepage")) != 0;
}

/* "Rss:                 100 kB", not 0. */
static void add_figure(struct host_smaps *smaps, const char *line)
{
	static const struct {
		const char name[18];
		uint8_t len;
		uint8_t offset;
	} rows[] = {
#define ROW(name, member) { name, sizeof(name) - 1, offsetof(struct host_smaps, member) }
		ROW("Size:", size),
		ROW("Rss:", rss),
		ROW("Pss:", pss),
		ROW("Shared_Clean:", shared),
		ROW("Shared_Dirty:", shared),
		ROW("Anonymous:", anon),
		ROW("KSM:", ksm),
		ROW("AnonHugePages:", huge),
		ROW("ShmemPmdMapped:", huge),
		ROW("Shared_Hugetlb:", hugetlb),
		ROW("Private_Hugetlb:", hugetlb),
		ROW("Swap:", swap),
		ROW("Locked:", locked),
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (line[0] != rows[i].name[0] || strncmp(line, rows[i].name, rows[i].len) != 0)
			continue;

		const char *p = line + rows[i].len;
		uint64_t kib;

		if (host_scan_number(&p, &kib))
			*(uint64_t *)(void *)((char *)smaps + rows[i].offset) += kib * 1024;
		return;
	}
}

static void add_smaps(struct host_smaps *sum, const struct host_smaps *smaps)
{
	sum->size += smaps->size;
	sum->rss += smaps->rss;
	sum->pss += smaps->pss;
	sum->shared += smaps->shared;
	sum->anon += smaps->anon;
	sum->file += smaps->file;
	sum->ksm += smaps->ksm;
	sum->huge += smaps->huge;
	sum->hugetlb += smaps->hugetlb;
	sum->swap += smaps->swap;
	sum->locked += smaps->locked;
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

/* Adds a whole mapping to the sums that it belongs to. */
static void add_mapping(struct host_vm_memory *memory, const struct mapping *mapping, bool in_ram,
			struct host_smaps *smaps)
{
	if (!in_ram) {
		smaps->file = smaps->rss - smaps->anon;
		add_smaps(&memory->own, smaps);
		return;
	}
	if (is_file(mapping)) {
		struct host_smaps *file = file_counters(memory, mapping->path);

		smaps->file = smaps->rss - smaps->anon;
		add_smaps(&memory->ram_files, smaps);
		if (file)
			add_smaps(file, smaps);
	}
	add_smaps(&memory->ram, smaps);
}

static bool says_nothing(const char *line, const char *end)
{
	return end - line > 5 && memcmp(end - 5, " 0 kB", 5) == 0;
}

static void add_text(struct host_vm_memory *memory, char *text, const struct host_range *ram,
		     size_t n_ram)
{
	struct mapping mapping = { .path = "" };
	struct host_smaps smaps = { 0 };
	char *next;

	for (char *line = text; line; line = next) {
		char *end = strchrnul(line, '\n');

		next = *end ? end + 1 : NULL;
		if (*line >= 'A' && *line <= 'Z') {
			if (!says_nothing(line, end))
				add_figure(&smaps, line);
			continue;
		}
		*end = '\0';
		add_mapping(memory, &mapping, is_inside(mapping.start, ram, n_ram), &smaps);
		smaps = (struct host_smaps){ 0 };
		if (!read_mapping(line, &mapping))
			mapping = (struct mapping){ .path = "" };
	}
	add_mapping(memory, &mapping, is_inside(mapping.start, ram, n_ram), &smaps);
}

int host_read_vm_memory(int root_fd, pid_t pid, const struct host_range *ram, size_t n_ram,
			struct host_vm_memory *ret_memory, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	struct host_vm_memory memory = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/smaps", (int)pid);
	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;
	/* Every mapping has the same lines. */
	memory.ksm_known = strstr(text, "\nKSM:");
	add_text(&memory, text, ram, n_ram);
	*ret_memory = memory;
	return 0;
}

void host_vm_memory_clear(struct host_vm_memory *memory)
{
	for (size_t i = 0; i < memory->n_files; i++)
		free(memory->files[i].path);
	*memory = (struct host_vm_memory){ 0 };
}
