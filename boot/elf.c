/* SPDX-License-Identifier: Apache-2.0 */
/* A vmlinux: see elf.h. */
#include "boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "boot/file.h"
#include "boot/le.h"

enum {
	HEADERS_MAX = 64,      /* program headers; a kernel has about five */
	SECTIONS_MAX = 512,    /* a kernel has about fifty */
	NOTES_MAX = 64 * 1024, /* bytes of notes */
	NAMES_MAX = 64 * 1024, /* bytes of section names */
	NOTE_XEN_PHYS32_ENTRY = 18,
	NOTE_LINUX_BUILD_SALT = 0x100,
};

#define LOW_END	 UINT64_C(0x100000)
#define HIGH_END UINT64_C(0x100000000)

bool elf_is(const void *head, size_t len)
{
	return len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

static int check_header(const Elf64_Ehdr *eh, struct err **err)
{
	if (!elf_is(eh->e_ident, sizeof(eh->e_ident)))
		return err_set(err, ERR_USAGE, 0, "not an ELF file");
	if (eh->e_ident[EI_CLASS] == ELFCLASS32)
		return err_set(err, ERR_USAGE, 0,
			       "a 32-bit kernel: lodge boots 64-bit kernels only");
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != EM_X86_64)
		return err_set(err, ERR_USAGE, 0, "an ELF file, but not for x86-64");
	if (eh->e_type != ET_EXEC)
		return err_set(err, ERR_USAGE, 0, "an ELF file, but not a kernel");
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 || eh->e_phnum > HEADERS_MAX)
		return err_set(err, ERR_USAGE, 0,
			       "a broken vmlinux: %u program headers of %u bytes", eh->e_phnum,
			       eh->e_phentsize);
	return 0;
}

/* Puts a segment in its place by address. */
static int add_segment(struct elf_image *image, const Elf64_Phdr *ph, uint64_t file_size,
		       struct err **err)
{
	size_t at = image->n_segments;

	if (ph->p_memsz == 0)
		return 0;
	if (ph->p_filesz > file_size || ph->p_offset > file_size - ph->p_filesz)
		return err_set(
		    err, ERR_USAGE, 0,
		    "the vmlinux is truncated: %" PRIu64 " bytes of at least %" PRIu64, file_size,
		    ph->p_offset > UINT64_MAX - ph->p_filesz ? UINT64_MAX
							     : ph->p_offset + ph->p_filesz);
	if (ph->p_filesz > ph->p_memsz || ph->p_paddr < LOW_END || ph->p_paddr >= HIGH_END ||
	    ph->p_memsz > HIGH_END - ph->p_paddr)
		return err_set(err, ERR_USAGE, 0,
			       "a broken vmlinux: a segment of %" PRIu64 " bytes at 0x%" PRIx64,
			       ph->p_memsz, ph->p_paddr);
	if (at == ELF_SEGMENTS_MAX)
		return err_set(err, ERR_USAGE, 0, "a broken vmlinux: more than %d segments",
			       ELF_SEGMENTS_MAX);

	struct elf_segment *s = image->segments;

	for (; at > 0 && s[at - 1].gpa > ph->p_paddr; at--)
		s[at] = s[at - 1];
	s[at] = (struct elf_segment){ .gpa = ph->p_paddr,
				      .mem_size = ph->p_memsz,
				      .offset = ph->p_offset,
				      .file_size = ph->p_filesz };
	image->n_segments++;
	return 0;
}

static int check_segments(struct elf_image *image, struct err **err)
{
	const struct elf_segment *s = image->segments;

	if (image->n_segments == 0)
		return err_set(err, ERR_USAGE, 0, "a broken vmlinux: nothing to load");
	for (size_t i = 1; i < image->n_segments; i++)
		if (s[i].gpa - s[i - 1].gpa < s[i - 1].mem_size)
			return err_set(err, ERR_USAGE, 0,
				       "a broken vmlinux: segments overlap at 0x%" PRIx64,
				       s[i].gpa);
	image->start = s[0].gpa;
	image->end = s[image->n_segments - 1].gpa + s[image->n_segments - 1].mem_size;
	return 0;
}

static bool is_in_file_part(const struct elf_image *image, uint64_t gpa)
{
	for (size_t i = 0; i < image->n_segments; i++)
		if (gpa >= image->segments[i].gpa &&
		    gpa - image->segments[i].gpa < image->segments[i].file_size)
			return true;
	return false;
}

/* One note; name and desc are within the file's bytes. */
static void take_note(struct elf_image *image, const Elf64_Nhdr *nh, const uint8_t *name,
		      const uint8_t *desc)
{
	if (nh->n_namesz == 4 && memcmp(name, "Xen", 4) == 0 &&
	    nh->n_type == NOTE_XEN_PHYS32_ENTRY) {
		uint64_t entry = UINT64_MAX;

		if (nh->n_descsz == 4)
			entry = le32_get(desc);
		else if (nh->n_descsz == 8)
			entry = le64_get(desc);
		if (is_in_file_part(image, entry)) {
			image->pvh = true;
			image->pvh_entry = (uint32_t)entry;
		}
	}
	if (nh->n_namesz == 6 && memcmp(name, "Linux", 6) == 0 &&
	    nh->n_type == NOTE_LINUX_BUILD_SALT) {
		size_t n = 0;

		while (n < nh->n_descsz && n < ELF_RELEASE_MAX - 1 && desc[n] > ' ' &&
		       desc[n] < 0x7f)
			n++;
		memcpy(image->release, desc, n);
		image->release[n] = '\0';
	}
}

static uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static void scan_notes(struct elf_image *image, const uint8_t *notes, uint64_t len, uint64_t align)
{
	uint64_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;

		memcpy(&nh, notes + at, sizeof(nh));

		/* 32-bit sizes in 64-bit sums: nothing can wrap. */
		uint64_t name = at + sizeof(nh);
		uint64_t desc = align_up(name + nh.n_namesz, align);
		uint64_t end = desc + nh.n_descsz;

		if (end > len)
			return;
		take_note(image, &nh, notes + name, notes + desc);
		at = align_up(end, align);
		if (at > len)
			return;
	}
}

static int read_notes(int fd, struct elf_image *image, const Elf64_Phdr *ph, uint64_t file_size,
		      struct err **err)
{
	if (ph->p_filesz == 0)
		return 0;
	if (ph->p_filesz > NOTES_MAX || ph->p_offset > file_size ||
	    ph->p_filesz > file_size - ph->p_offset)
		return err_set(err, ERR_USAGE, 0,
			       "a broken vmlinux: %" PRIu64 " bytes of notes at %" PRIu64,
			       ph->p_filesz, ph->p_offset);

	_cleanup_free_ uint8_t *notes = malloc(ph->p_filesz);

	if (!notes)
		return err_set(err, ERR_NO_SPACE, errno, "read notes");
	if (file_read(fd, ph->p_offset, notes, ph->p_filesz, err) < 0)
		return -1;
	scan_notes(image, notes, ph->p_filesz, ph->p_align == 8 ? 8 : 4);
	return 0;
}

/* Ends the image where .init.scratch starts, if that is the last thing in it. */
static void cut_scratch(struct elf_image *image, const Elf64_Shdr *sh)
{
	struct elf_segment *last = &image->segments[image->n_segments - 1];

	if (sh->sh_offset < last->offset || sh->sh_offset - last->offset >= last->file_size ||
	    sh->sh_offset == last->offset)
		return;

	uint64_t keep = sh->sh_offset - last->offset;

	if (last->mem_size - keep != sh->sh_size)
		return;
	last->mem_size = keep;
	last->file_size = keep;
	image->end = last->gpa + keep;
}

/* Sections aren't needed to load a kernel, and a file may have none: whatever is odd about them is
 * ignored. */
static void find_scratch(int fd, const Elf64_Ehdr *eh, struct elf_image *image)
{
	static const char scratch[] = ".init.scratch";

	if (eh->e_shentsize != sizeof(Elf64_Shdr) || eh->e_shnum == 0 ||
	    eh->e_shnum > SECTIONS_MAX || eh->e_shstrndx >= eh->e_shnum)
		return;

	size_t len = eh->e_shnum * sizeof(Elf64_Shdr);
	_cleanup_free_ Elf64_Shdr *sections = malloc(len);

	if (!sections || file_read(fd, eh->e_shoff, sections, len, NULL) < 0)
		return;

	const Elf64_Shdr *names_section = &sections[eh->e_shstrndx];

	if (names_section->sh_size == 0 || names_section->sh_size > NAMES_MAX)
		return;

	uint64_t names_len = names_section->sh_size;
	_cleanup_free_ char *names = malloc(names_len);

	if (!names || file_read(fd, names_section->sh_offset, names, names_len, NULL) < 0)
		return;
	for (size_t i = 0; i < eh->e_shnum; i++) {
		uint32_t name = sections[i].sh_name;

		if (name < names_len && names_len - name >= sizeof(scratch) &&
		    memcmp(names + name, scratch, sizeof(scratch)) == 0 &&
		    (sections[i].sh_flags & SHF_ALLOC)) {
			cut_scratch(image, &sections[i]);
			return;
		}
	}
}

int elf_read(int fd, struct elf_image *ret_image, struct err **err)
{
	struct elf_image image = { 0 };
	Elf64_Phdr headers[HEADERS_MAX];
	Elf64_Ehdr eh;
	struct file_id id;

	if (file_identify(fd, &id, err) < 0)
		return -1;
	if (file_read(fd, 0, &eh, sizeof(eh), err) < 0 || check_header(&eh, err) < 0 ||
	    file_read(fd, eh.e_phoff, headers, eh.e_phnum * sizeof(headers[0]), err) < 0)
		return -1;
	for (size_t i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_LOAD &&
		    add_segment(&image, &headers[i], id.size, err) < 0)
			return -1;
	if (check_segments(&image, err) < 0)
		return -1;
	for (size_t i = 0; i < eh.e_phnum; i++)
		if (headers[i].p_type == PT_NOTE &&
		    read_notes(fd, &image, &headers[i], id.size, err) < 0)
			return -1;
	find_scratch(fd, &eh, &image);
	*ret_image = image;
	return 0;
}
