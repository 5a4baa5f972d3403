/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <elf.h>

#include "base/err.h"
#include "boot/elf.h"
#include "boot/le.h"
#include "boot_images.h"

/* The program headers of make_vmlinux() */
enum { PH_DATA, PH_CODE, PH_NOTE };

static Elf64_Phdr *ph(struct bytes *b, size_t i)
{
	return (Elf64_Phdr *)(void *)(b->data + sizeof(Elf64_Ehdr)) + i;
}

static Elf64_Ehdr *eh(struct bytes *b)
{
	return (Elf64_Ehdr *)(void *)b->data;
}

static Elf64_Shdr *sh(struct bytes *b, size_t i)
{
	return (Elf64_Shdr *)(void *)(b->data + eh(b)->e_shoff) + i;
}

static int read_bytes(const struct bytes *b, struct elf_image *image, struct err **err)
{
	int fd = bytes_fd(b->data, b->len);
	int r = elf_read(fd, image, err);

	close(fd);
	return r;
}

static void assert_refused(struct bytes b, const char *words)
{
	struct elf_image image;
	struct err *err = NULL;

	assert_int_equal(read_bytes(&b, &image, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	if (!strstr(err_message(err), words))
		fail_msg("\"%s\" isn't in \"%s\"", words, err_message(err));
	err_free(err);
	free(b.data);
}

static void a_vmlinux_is_understood(void **state)
{
	struct bytes b = make_vmlinux(1);
	struct elf_image image;

	(void)state;
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_int_equal(image.n_segments, 2);
	assert_int_equal(image.segments[0].gpa, VMLINUX_START);
	assert_int_equal(image.segments[0].file_size, VMLINUX_CODE_SIZE);
	assert_int_equal(image.segments[1].gpa, VMLINUX_DATA);
	assert_int_equal(image.start, VMLINUX_START);
	assert_true(image.pvh);
	assert_int_equal(image.pvh_entry, VMLINUX_ENTRY);
	assert_string_equal(image.release, "6.6.6-test");
	free(b.data);
}

static void scratch_at_the_end_takes_no_memory(void **state)
{
	struct bytes b = make_vmlinux(1);
	struct elf_image image;

	(void)state;
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_int_equal(image.end, VMLINUX_SCRATCH);
	assert_int_equal(image.segments[1].file_size, VMLINUX_DATA_SIZE);
	assert_int_equal(image.segments[1].mem_size, VMLINUX_DATA_SIZE);
	free(b.data);
}

static void scratch_elsewhere_stays(void **state)
{
	struct bytes b = make_vmlinux(1);
	struct elf_image image;

	(void)state;
	sh(&b, 3)->sh_size -= 0x1000; /* something would be after it */
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_int_equal(image.end, VMLINUX_SCRATCH + VMLINUX_SCRATCH_SIZE);
	sh(&b, 3)->sh_size += 0x1000;
	sh(&b, 3)->sh_offset = UINT64_MAX - 5;
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_int_equal(image.end, VMLINUX_SCRATCH + VMLINUX_SCRATCH_SIZE);
	free(b.data);
}

static void broken_sections_are_ignored(void **state)
{
	static const struct {
		uint64_t shoff;
		uint16_t shnum, shstrndx;
	} cases[] = {
		{ UINT64_MAX - 8, 4, 1 }, { INT64_MAX, 4, 1 }, { 0, 4, 1 },
		{ 0x93000, 0xffff, 1 },	  { 0x93000, 4, 9 },   { 0, 0, 0 },
	};
	struct elf_image image;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes b = make_vmlinux(1);

		eh(&b)->e_shoff = cases[i].shoff;
		eh(&b)->e_shnum = cases[i].shnum;
		eh(&b)->e_shstrndx = cases[i].shstrndx;
		assert_int_equal(read_bytes(&b, &image, NULL), 0);
		assert_int_equal(image.end, VMLINUX_SCRATCH + VMLINUX_SCRATCH_SIZE);
		free(b.data);
	}
}

static void the_entry_may_be_4_bytes(void **state)
{
	struct bytes b = make_vmlinux(1);
	uint8_t *note = b.data + ph(&b, PH_NOTE)->p_offset;
	struct elf_image image;

	(void)state;
	note += 12 + 8 + 12; /* the build salt */
	assert_int_equal(le32_get(note + 4), 8);
	le32_put(note + 4, 4);
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_int_equal(image.pvh_entry, VMLINUX_ENTRY);
	le32_put(note + 4, 5);
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_false(image.pvh);
	free(b.data);
}

static void an_entry_outside_of_the_image_is_none(void **state)
{
	struct bytes b = make_vmlinux(1);
	uint8_t *desc = b.data + ph(&b, PH_NOTE)->p_offset + 12 + 8 + 12 + 12 + 4;
	struct elf_image image;

	(void)state;
	assert_int_equal(le64_get(desc), VMLINUX_ENTRY);
	le64_put(desc, VMLINUX_START - 1);
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_false(image.pvh);
	le64_put(desc, UINT64_C(0x100000000) + VMLINUX_ENTRY);
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_false(image.pvh);
	free(b.data);
}

static void a_vmlinux_without_the_note_says_so(void **state)
{
	struct bytes b = make_vmlinux(0);
	struct elf_image image;

	(void)state;
	assert_int_equal(read_bytes(&b, &image, NULL), 0);
	assert_false(image.pvh);
	assert_string_equal(image.release, "6.6.6-test");
	free(b.data);
}

static void notes_that_run_over_their_end_are_ignored(void **state)
{
	static const uint32_t sizes[] = { 0xffffffff, 0x7fffffff, 0xfffffff4, 1000 };
	struct elf_image image;
	(void)state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (unsigned field = 0; field < 8; field += 4) {
			struct bytes b = make_vmlinux(1);

			le32_put(b.data + ph(&b, PH_NOTE)->p_offset + field, sizes[i]);
			assert_int_equal(read_bytes(&b, &image, NULL), 0);
			assert_false(image.pvh);
			free(b.data);
		}
}

static void a_32_bit_kernel_is_called_so(void **state)
{
	struct bytes b = make_vmlinux(1);

	(void)state;
	b.data[EI_CLASS] = ELFCLASS32;
	assert_refused(b, "a 32-bit kernel");
}

static void another_machines_file_is_refused(void **state)
{
	struct bytes b = make_vmlinux(1);

	(void)state;
	eh(&b)->e_machine = EM_AARCH64;
	assert_refused(b, "not for x86-64");
}

static void an_ordinary_program_is_refused(void **state)
{
	struct bytes b = make_vmlinux(1);

	(void)state;
	eh(&b)->e_type = ET_DYN;
	assert_refused(b, "not a kernel");
}

static void a_truncated_vmlinux_is_refused(void **state)
{
	struct bytes b = make_vmlinux(1);

	(void)state;
	b.len = 0x40000;
	assert_refused(b, "truncated: 262144 bytes of at least");
	b = make_vmlinux(1);
	b.len = 70;
	assert_refused(b, "truncated");
}

static void segments_that_are_out_of_bounds_are_refused(void **state)
{
	static const struct {
		uint64_t offset, paddr, filesz, memsz;
		const char *words;
	} cases[] = {
		{ UINT64_MAX, 0x1000000, 16, 16, "truncated" },
		{ 0x1000, 0x1000000, UINT64_MAX, UINT64_MAX, "truncated" },
		{ 0x1000, 0xfffff, 16, 16, "a segment" },
		{ 0x1000, 0, 16, 16, "a segment" },
		{ 0x1000, 0xfffff000, 16, 0x1001, "a segment" },
		{ 0x1000, 0x1000000, 16, UINT64_MAX, "a segment" },
		{ 0x1000, UINT64_MAX, 16, 16, "a segment" },
		{ 0x1000, 0x1000000, 16, 8, "a segment" },
		{ 0x1000, VMLINUX_DATA - 8, 16, 16, "overlap" },
		{ 0x1000, VMLINUX_DATA, 16, 16, "overlap" },
		{ 0x1000, 0x1000000, 16, 0x80000000, "overlap" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes b = make_vmlinux(1);

		ph(&b, PH_CODE)->p_offset = cases[i].offset;
		ph(&b, PH_CODE)->p_paddr = cases[i].paddr;
		ph(&b, PH_CODE)->p_filesz = cases[i].filesz;
		ph(&b, PH_CODE)->p_memsz = cases[i].memsz;
		assert_refused(b, cases[i].words);
	}
}

static void counts_are_bounded(void **state)
{
	struct bytes b = make_vmlinux(1);

	(void)state;
	eh(&b)->e_phnum = 0;
	assert_refused(b, "program headers");
	b = make_vmlinux(1);
	eh(&b)->e_phnum = 0xffff;
	assert_refused(b, "program headers");
	b = make_vmlinux(1);
	ph(&b, PH_NOTE)->p_filesz = 1 << 20;
	assert_refused(b, "notes");
	b = make_vmlinux(1);
	ph(&b, PH_CODE)->p_type = PT_NULL;
	ph(&b, PH_DATA)->p_type = PT_NULL;
	assert_refused(b, "nothing to load");

	b = make_vmlinux(1);
	eh(&b)->e_phnum = ELF_SEGMENTS_MAX + 1;
	for (size_t i = 0; i < eh(&b)->e_phnum; i++)
		*ph(&b, i) = (Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_paddr = 0x1000000 + i * 0x1000,
					   .p_memsz = 0x1000 };
	assert_refused(b, "more than 16 segments");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vmlinux_is_understood),
		cmocka_unit_test(scratch_at_the_end_takes_no_memory),
		cmocka_unit_test(scratch_elsewhere_stays),
		cmocka_unit_test(broken_sections_are_ignored),
		cmocka_unit_test(the_entry_may_be_4_bytes),
		cmocka_unit_test(an_entry_outside_of_the_image_is_none),
		cmocka_unit_test(a_vmlinux_without_the_note_says_so),
		cmocka_unit_test(notes_that_run_over_their_end_are_ignored),
		cmocka_unit_test(a_32_bit_kernel_is_called_so),
		cmocka_unit_test(another_machines_file_is_refused),
		cmocka_unit_test(an_ordinary_program_is_refused),
		cmocka_unit_test(a_truncated_vmlinux_is_refused),
		cmocka_unit_test(segments_that_are_out_of_bounds_are_refused),
		cmocka_unit_test(counts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
