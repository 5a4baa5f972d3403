/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
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

#include "base/err.h"
#include "boot/kernel.h"
#include "boot/le.h"
#include "boot_images.h"
#include "mem/guest_ram.h"
#include "vm/guest_memory.h"
#include "vm/vm.h"

#define MIB (UINT64_C(1) << 20)

/* Where things are: docs/boot.md */
enum { INFO = 0x7000, CMDLINE = 0x20000, RSDP = 0xe0000, INITRD_SIZE = 0x12345 };

static char dir[64], kernel_path[80], initrd_path[80];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_kernel.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(kernel_path, sizeof(kernel_path), "%s/kernel", dir);
	snprintf(initrd_path, sizeof(initrd_path), "%s/initrd", dir);

	char cache[80];

	snprintf(cache, sizeof(cache), "%s/cache", dir);
	return setenv("LODGE_KERNEL_CACHE", cache, 1);
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* Writes a file, and frees its bytes. */
static void put_file(const char *path, struct bytes b)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(b.data, b.len, 1, f), 1);
	fclose(f);
	free(b.data);
}

static struct bytes make_initrd(size_t len)
{
	struct bytes b = { malloc(len), len };

	for (size_t i = 0; i < len; i++)
		b.data[i] = (uint8_t)(i * 7 + i / 256 + 1);
	return b;
}

static struct kernel *open_kernel(const char *initrd, enum kernel_boot mode)
{
	struct kernel *kernel = NULL;
	struct err *err = NULL;

	if (kernel_open(kernel_path, initrd, "quiet", mode, &kernel, &err) < 0)
		fail_msg("%s", err_message(err));
	return kernel;
}

static void assert_not_opened(const char *initrd, enum kernel_boot mode, enum err_code code,
			      const char *words)
{
	struct kernel *kernel;
	struct err *err = NULL;

	assert_int_equal(kernel_open(kernel_path, initrd, NULL, mode, &kernel, &err), -1);
	if (!strstr(err_message(err), words))
		fail_msg("\"%s\" isn't in \"%s\"", words, err_message(err));
	assert_int_equal(err_code(err), code);
	err_free(err);
}

static struct guest_ram *make_ram(uint64_t size)
{
	struct guest_ram *ram = NULL;

	assert_int_equal(guest_ram_new(size, &(struct guest_ram_options){ 0 }, &ram, NULL), 0);
	return ram;
}

static const uint8_t *at(struct guest_ram *ram, uint64_t gpa, uint64_t len)
{
	const uint8_t *p = guest_memory_range(guest_ram_memory(ram), gpa, len);

	assert_non_null(p);
	return p;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static void assert_vmlinux_is_in(struct guest_ram *ram)
{
	struct bytes v = make_vmlinux(1);

	assert_memory_equal(at(ram, VMLINUX_START, VMLINUX_CODE_SIZE), v.data + 0x1000,
			    VMLINUX_CODE_SIZE);
	assert_true(is_zero(at(ram, VMLINUX_START + VMLINUX_CODE_SIZE, 0x1f000), 0x1f000));
	assert_memory_equal(at(ram, VMLINUX_DATA, VMLINUX_DATA_SIZE), v.data + 0x23000,
			    VMLINUX_DATA_SIZE);
	free(v.data);
}

static void assert_initrd_is_at(struct guest_ram *ram, uint64_t gpa, size_t len)
{
	struct bytes b = make_initrd(len);

	assert_memory_equal(at(ram, gpa, len), b.data, len);
	free(b.data);
}

static void an_unpacked_kernel_is_mapped_and_enters_by_pvh(void **state)
{
	struct vm_entry entry;
	struct kernel_info info;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_XZ, 1));

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_AUTO);
	struct guest_ram *ram = make_ram(64 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 2, &entry, NULL), 0);
	assert_int_equal(entry.mode, VM_ENTRY_PVH);
	assert_int_equal(entry.rip, VMLINUX_ENTRY);
	assert_int_equal(entry.argument, INFO);
	assert_vmlinux_is_in(ram);

	kernel_info(kernel, &info);
	assert_int_equal(info.mode, KERNEL_BOOT_UNPACK);
	assert_true(info.unpacked_now);
	assert_null(info.fallback);
	assert_string_equal(info.release, "6.6.6-test");
	assert_string_equal(info.cmdline, "console=hvc0 quiet");
	assert_int_equal(info.memory_min, 17 * MIB);
	assert_true(info.n_mappings >= 2);
	assert_int_equal(info.mappings[0].gpa, VMLINUX_START);
	assert_int_equal(info.mappings[0].len, VMLINUX_CODE_SIZE & ~0xfff);
	assert_int_equal(info.mappings[0].fd, info.fd);
	kernel_free(kernel);
	guest_ram_free(ram);
}

/* The 256 KiB of zeros within the data and what follows it are left to anonymous memory. */
static void zeros_are_not_mapped(void **state)
{
	struct vm_entry entry;
	struct kernel_info info;
	uint64_t mapped = 0;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_UNPACK);
	struct guest_ram *ram = make_ram(64 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	kernel_info(kernel, &info);
	for (size_t i = 0; i < info.n_mappings; i++)
		mapped += info.mappings[i].len;
	assert_true(mapped < VMLINUX_CODE_SIZE + VMLINUX_DATA_SIZE - 0x20000);
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void pvh_tells_the_guest_its_machine(void **state)
{
	struct vm_entry entry;
	(void)state;

	put_file(kernel_path, make_vmlinux(1));
	put_file(initrd_path, make_initrd(INITRD_SIZE));

	struct kernel *kernel = open_kernel(initrd_path, KERNEL_BOOT_AUTO);
	struct guest_ram *ram = make_ram(4096 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 2, &entry, NULL), 0);
	assert_vmlinux_is_in(ram);

	const uint8_t *p = at(ram, INFO, 4096);

	assert_int_equal(le32_get(p), 0x336ec578);
	assert_int_equal(le32_get(p + 4), 1);
	assert_int_equal(le32_get(p + 12), 1);
	assert_int_equal(le64_get(p + 24), CMDLINE);
	assert_string_equal((const char *)at(ram, CMDLINE, 64), "console=hvc0 quiet");
	assert_int_equal(le64_get(p + 32), RSDP);
	assert_memory_equal(at(ram, RSDP, 36), "RSD PTR ", 8);

	const uint8_t *module = at(ram, le64_get(p + 16), 32);

	assert_int_equal(le64_get(module + 8), INITRD_SIZE);
	assert_int_equal(le64_get(module), 0xc0000000 - 0x13000);
	assert_initrd_is_at(ram, le64_get(module), INITRD_SIZE);

	static const uint64_t expected[][3] = {
		{ 0, 0x9fc00, 1 },
		{ 0x9fc00, 0x60400, 2 },
		{ 0x100000, 0xbff00000, 1 },
		{ 0xe0000000, 0x100000, 2 },
		{ 0x100000000, 0x40000000, 1 },
	};

	assert_int_equal(le32_get(p + 48), 5);
	for (size_t i = 0; i < 5; i++) {
		const uint8_t *e = at(ram, le64_get(p + 40) + i * 24, 24);

		assert_int_equal(le64_get(e), expected[i][0]);
		assert_int_equal(le64_get(e + 8), expected[i][1]);
		assert_int_equal(le32_get(e + 16), expected[i][2]);
	}
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void a_direct_kernel_is_copied_and_enters_in_long_mode(void **state)
{
	struct bytes b = make_kernel(PACK_GZIP, 1);
	struct vm_entry entry;
	struct kernel_info info;
	(void)state;

	uint8_t *copy = malloc(b.len);
	size_t len = b.len;

	memcpy(copy, b.data, len);
	put_file(kernel_path, b);
	put_file(initrd_path, make_initrd(INITRD_SIZE));

	struct kernel *kernel = open_kernel(initrd_path, KERNEL_BOOT_DIRECT);
	struct guest_ram *ram = make_ram(3000 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	assert_int_equal(entry.mode, VM_ENTRY_LINUX64);
	assert_int_equal(entry.rip, VMLINUX_START + 0x200);
	assert_memory_equal(at(ram, VMLINUX_START, len - BZ_CODE), copy + BZ_CODE, len - BZ_CODE);

	const uint8_t *p = at(ram, entry.argument, 4096);

	assert_int_equal(le64_get(p + 0x70), RSDP);
	assert_int_equal(p[0x1ef], 0); /* the sentinel */
	assert_memory_equal(p + 0x202, "HdrS", 4);
	assert_int_equal(p[0x210], 0xff);
	assert_int_equal(le32_get(p + 0x214), VMLINUX_START);
	assert_int_equal(le32_get(p + 0x218), 0x80000000 - 0x13000); /* initrd_addr_max */
	assert_int_equal(le32_get(p + 0x21c), INITRD_SIZE);
	assert_initrd_is_at(ram, le32_get(p + 0x218), INITRD_SIZE);
	assert_int_equal(le32_get(p + 0x228), CMDLINE);
	assert_int_equal(p[0x1e8], 4);
	assert_int_equal(le64_get(p + 0x2d0), 0);
	assert_int_equal(le64_get(p + 0x2d0 + 8), 0x9fc00);
	assert_int_equal(le64_get(p + 0x2d0 + 40), 0x100000);
	assert_int_equal(le64_get(p + 0x2d0 + 48), 2999 * MIB);
	assert_int_equal(le32_get(p + 0x2d0 + 56), 1);
	kernel_info(kernel, &info);
	assert_int_equal(info.mode, KERNEL_BOOT_DIRECT);
	assert_null(info.fallback);
	assert_int_equal(info.memory_min, 18 * MIB);
	kernel_free(kernel);
	guest_ram_free(ram);
	free(copy);
}

/* Walks the page tables as a processor does. */
static uint64_t translate(struct guest_ram *ram, uint64_t cr3, uint64_t va)
{
	uint64_t table = cr3;

	for (int shift = 39; shift >= 21; shift -= 9) {
		uint64_t e = le64_get(at(ram, table + ((va >> shift) & 511) * 8, 8));

		assert_int_equal(e & 3, 3);
		if (shift == 21) {
			assert_int_equal(e & 0x80, 0x80);
			return (e & ~UINT64_C(0x1fffff)) | (va & 0x1fffff);
		}
		assert_int_equal(e & 0x80, 0);
		table = e & ~UINT64_C(0xfff);
	}
	return 0;
}

static void long_mode_sees_4_gib_as_they_are(void **state)
{
	static const uint64_t addresses[] = { 0,	  0x7123,     0x1000200, 0x3fffffff,
					      0x40000000, 0xbfffffff, 0xffffffff };
	struct vm_entry entry;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_GZIP, 1));

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_DIRECT);
	struct guest_ram *ram = make_ram(64 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		assert_int_equal(translate(ram, entry.page_tables, addresses[i]), addresses[i]);

	const uint8_t *gdt = at(ram, entry.gdt, entry.gdt_limit + 1u);

	assert_int_equal(le64_get(gdt), 0);
	assert_int_equal(gdt[0x10 + 5], 0x9b); /* code, accessed */
	assert_int_equal(gdt[0x10 + 6], 0xaf); /* 64-bit */
	assert_int_equal(gdt[0x18 + 5], 0x93); /* data, writable, accessed */
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void a_reset_loads_the_same_again(void **state)
{
	struct vm_entry entry;
	struct kernel_info first, second;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_LZ4, 1));
	put_file(initrd_path, make_initrd(INITRD_SIZE));

	struct kernel *kernel = open_kernel(initrd_path, KERNEL_BOOT_AUTO);
	struct guest_ram *ram = make_ram(64 * MIB);

	/* What is opened stays good when the files are replaced. */
	unlink(kernel_path);
	unlink(initrd_path);
	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	kernel_info(kernel, &first);

	size_t n = first.n_mappings;

	memset(guest_memory_range(guest_ram_memory(ram), 0, 64 * MIB), 0xee, 64 * MIB);
	assert_int_equal(guest_ram_clear(ram, NULL), 0);
	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	assert_vmlinux_is_in(ram);
	assert_initrd_is_at(ram, 64 * MIB - 0x13000, INITRD_SIZE);
	kernel_info(kernel, &second);
	assert_int_equal(second.n_mappings, n);
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void a_guests_writes_stay_its_own(void **state)
{
	struct vm_entry entry;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_AUTO);
	struct guest_ram *one = make_ram(64 * MIB), *two = make_ram(64 * MIB);

	assert_int_equal(kernel_load(kernel, one, 1, &entry, NULL), 0);
	memset(guest_memory_range(guest_ram_memory(one), VMLINUX_START, 0x20000), 0, 0x20000);
	assert_int_equal(kernel_load(kernel, two, 1, &entry, NULL), 0);
	assert_vmlinux_is_in(two);
	kernel_free(kernel);
	guest_ram_free(one);
	guest_ram_free(two);
}

static void too_little_memory_says_how_much_is_enough(void **state)
{
	struct vm_entry entry;
	struct err *err = NULL;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_AUTO);
	struct guest_ram *ram = make_ram(16 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 1, &entry, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_non_null(strstr(err_message(err), "needs 17 MiB"));
	assert_non_null(strstr(err_message(err), "--memory 17M or more"));
	err_free(err);
	guest_ram_free(ram);

	/* And that it's enough is true. */
	ram = make_ram(17 * MIB);
	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void an_initrd_goes_below_the_kernel_if_above_is_no_room(void **state)
{
	struct vm_entry entry;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));
	put_file(initrd_path, make_initrd(8 * MIB));

	struct kernel *kernel = open_kernel(initrd_path, KERNEL_BOOT_AUTO);
	struct guest_ram *ram = make_ram(18 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	assert_initrd_is_at(ram, 8 * MIB, 8 * MIB);
	assert_vmlinux_is_in(ram);
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void an_initrd_without_room_says_how_much_is_enough(void **state)
{
	struct vm_entry entry;
	struct kernel_info info;
	struct err *err = NULL;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));
	put_file(initrd_path, make_initrd(20 * MIB + 1));

	struct kernel *kernel = open_kernel(initrd_path, KERNEL_BOOT_AUTO);
	struct guest_ram *ram = make_ram(32 * MIB);

	assert_int_equal(kernel_load(kernel, ram, 1, &entry, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_non_null(strstr(err_message(err), "its 21 MiB don't fit"));
	kernel_info(kernel, &info);
	assert_true(info.memory_min > 32 * MIB);
	err_free(err);
	guest_ram_free(ram);

	ram = make_ram(info.memory_min);
	assert_int_equal(kernel_load(kernel, ram, 1, &entry, NULL), 0);
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void auto_boots_directly_what_it_cannot_unpack(void **state)
{
	struct kernel_info info;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_BZIP2, 1));

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_AUTO);

	kernel_info(kernel, &info);
	assert_int_equal(info.mode, KERNEL_BOOT_DIRECT);
	assert_non_null(strstr(info.fallback, "packed with bzip2"));
	kernel_free(kernel);
	assert_not_opened(NULL, KERNEL_BOOT_UNPACK, ERR_USAGE, "--boot direct");
}

static void auto_boots_directly_what_has_no_pvh_entry(void **state)
{
	struct kernel_info info;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 0));

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_AUTO);

	kernel_info(kernel, &info);
	assert_int_equal(info.mode, KERNEL_BOOT_DIRECT);
	assert_non_null(strstr(info.fallback, "no PVH entry"));
	kernel_free(kernel);
	assert_not_opened(NULL, KERNEL_BOOT_UNPACK, ERR_USAGE, "no PVH entry");
}

static void auto_boots_directly_without_a_cache(void **state)
{
	struct kernel_info info;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));
	setenv("LODGE_KERNEL_CACHE", "/proc/none", 1);

	struct kernel *kernel = open_kernel(NULL, KERNEL_BOOT_AUTO);

	kernel_info(kernel, &info);
	assert_int_equal(info.mode, KERNEL_BOOT_DIRECT);
	assert_non_null(strstr(info.fallback, "kernel cache"));
	kernel_free(kernel);
	assert_not_opened(NULL, KERNEL_BOOT_UNPACK, ERR_FAILED, "/proc/none");
}

static void a_broken_payload_is_an_error_in_auto_too(void **state)
{
	struct bytes b = make_kernel(PACK_ZSTD, 1);
	(void)state;

	memset(b.data + BZ_CODE + BZ_PAYLOAD + 1000, 0xff, 1000);
	put_file(kernel_path, b);
	assert_not_opened(NULL, KERNEL_BOOT_AUTO, ERR_USAGE, "the packed data is broken");
}

static void a_vmlinux_only_boots_by_pvh(void **state)
{
	(void)state;
	put_file(kernel_path, make_vmlinux(1));
	assert_not_opened(NULL, KERNEL_BOOT_DIRECT, ERR_USAGE, "takes a bzImage");
	put_file(kernel_path, make_vmlinux(0));
	assert_not_opened(NULL, KERNEL_BOOT_AUTO, ERR_USAGE, "no PVH entry");
}

static void bad_files_are_named(void **state)
{
	char words[120];
	(void)state;

	snprintf(words, sizeof(words), "kernel %s: can't open it: No such file", kernel_path);
	assert_not_opened(NULL, KERNEL_BOOT_AUTO, ERR_USAGE, words);
	assert_int_equal(mkfifo(kernel_path, 0600), 0);
	assert_not_opened(NULL, KERNEL_BOOT_AUTO, ERR_USAGE, "not a regular file");
	unlink(kernel_path);
	put_file(kernel_path, make_initrd(3));
	assert_not_opened(NULL, KERNEL_BOOT_AUTO, ERR_USAGE, "not a Linux kernel image");
	put_file(kernel_path, make_initrd(100000));
	assert_not_opened(NULL, KERNEL_BOOT_AUTO, ERR_USAGE, "not a Linux kernel image");
	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));
	snprintf(words, sizeof(words), "initrd %s: can't open it: No such file", initrd_path);
	assert_not_opened(initrd_path, KERNEL_BOOT_AUTO, ERR_USAGE, words);
	close(open(initrd_path, O_WRONLY | O_CREAT, 0600));
	assert_not_opened(initrd_path, KERNEL_BOOT_AUTO, ERR_USAGE, "is empty");
	assert_not_opened(dir, KERNEL_BOOT_AUTO, ERR_USAGE, "is a directory");
}

static void a_file_that_was_changed_is_not_loaded(void **state)
{
	struct vm_entry entry;
	struct err *err = NULL;
	(void)state;

	put_file(kernel_path, make_kernel(PACK_ZSTD, 1));
	put_file(initrd_path, make_initrd(INITRD_SIZE));

	struct kernel *kernel = open_kernel(initrd_path, KERNEL_BOOT_AUTO);
	struct guest_ram *ram = make_ram(64 * MIB);

	assert_int_equal(truncate(initrd_path, 100), 0);
	assert_int_equal(kernel_load(kernel, ram, 1, &entry, &err), -1);
	assert_non_null(strstr(err_message(err), "the file was changed"));
	assert_non_null(strstr(err_message(err), initrd_path));
	err_free(err);
	kernel_free(kernel);
	guest_ram_free(ram);
}

static void a_long_command_line_is_refused(void **state)
{
	char words[2100];
	struct kernel *kernel;
	struct err *err = NULL;

	(void)state;
	memset(words, 'a', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	put_file(kernel_path, make_vmlinux(1));
	assert_int_equal(kernel_open(kernel_path, NULL, words, KERNEL_BOOT_AUTO, &kernel, &err),
			 -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_non_null(strstr(err_message(err), "more than the 2047"));
	err_free(err);
}

int main(void)
{
#define KERNEL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		KERNEL_TEST(an_unpacked_kernel_is_mapped_and_enters_by_pvh),
		KERNEL_TEST(zeros_are_not_mapped),
		KERNEL_TEST(pvh_tells_the_guest_its_machine),
		KERNEL_TEST(a_direct_kernel_is_copied_and_enters_in_long_mode),
		KERNEL_TEST(long_mode_sees_4_gib_as_they_are),
		KERNEL_TEST(a_reset_loads_the_same_again),
		KERNEL_TEST(a_guests_writes_stay_its_own),
		KERNEL_TEST(too_little_memory_says_how_much_is_enough),
		KERNEL_TEST(an_initrd_goes_below_the_kernel_if_above_is_no_room),
		KERNEL_TEST(an_initrd_without_room_says_how_much_is_enough),
		KERNEL_TEST(auto_boots_directly_what_it_cannot_unpack),
		KERNEL_TEST(auto_boots_directly_what_has_no_pvh_entry),
		KERNEL_TEST(auto_boots_directly_without_a_cache),
		KERNEL_TEST(a_broken_payload_is_an_error_in_auto_too),
		KERNEL_TEST(a_vmlinux_only_boots_by_pvh),
		KERNEL_TEST(bad_files_are_named),
		KERNEL_TEST(a_file_that_was_changed_is_not_loaded),
		KERNEL_TEST(a_long_command_line_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
