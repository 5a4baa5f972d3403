/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "boot/bzimage.h"
#include "boot/le.h"
#include "boot_images.h"

static const uint8_t unpacked[100000];

static struct bytes good(void)
{
	struct bytes payload = pack(PACK_ZSTD, unpacked, sizeof(unpacked));
	struct bytes b = make_bzimage(&payload);

	free(payload.data);
	return b;
}

/* Reads the image, which is to be refused with these words. */
static void assert_refused(const struct bytes *b, const char *words)
{
	struct bzimage image;
	struct err *err = NULL;
	int fd = bytes_fd(b->data, b->len);

	assert_int_equal(bzimage_read(fd, &image, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	if (!strstr(err_message(err), words))
		fail_msg("\"%s\" isn't in \"%s\"", words, err_message(err));
	err_free(err);
	close(fd);
}

static void a_distributions_image_is_understood(void **state)
{
	struct bytes b = good();
	struct bzimage image;
	struct err *err = NULL;
	int fd = bytes_fd(b.data, b.len);

	(void)state;
	assert_int_equal(bzimage_read(fd, &image, &err), 0);
	assert_int_equal(image.code_offset, BZ_CODE);
	assert_int_equal(image.code_offset + image.code_size, b.len);
	assert_int_equal(image.payload_offset, BZ_CODE + BZ_PAYLOAD);
	assert_int_equal(image.unpacked_size, sizeof(unpacked));
	assert_int_equal(image.pref_address, 0x1000000);
	assert_int_equal(image.init_size, BZ_INIT_SIZE);
	assert_int_equal(image.initrd_addr_max, 0x7fffffff);
	assert_int_equal(image.cmdline_size, 2047);
	assert_int_equal(image.protocol, 0x20f);
	assert_string_equal(image.release, "6.6.6-test");
	assert_int_equal(image.header_size, 0x202 + 0x6a - 0x1f1);
	assert_memory_equal(image.header, b.data + 0x1f1, image.header_size);
	close(fd);
	free(b.data);
}

static void a_signature_after_the_image_is_fine(void **state)
{
	struct bytes b = good();
	struct bzimage image;
	int fd = bytes_fd(b.data, b.len);

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)b.len + 1472), 0);
	assert_int_equal(bzimage_read(fd, &image, NULL), 0);
	close(fd);
	free(b.data);
}

static void no_setup_sectors_mean_four(void **state)
{
	struct bytes b = good();
	struct bzimage image;

	(void)state;
	b.data[0x1f1] = 0;
	le32_put(b.data + 0x1f4, (uint32_t)((b.len - 5 * 512) / 16));
	/* The payload moves with the start of the code. */
	le32_put(b.data + 0x248, BZ_PAYLOAD + (BZ_SECTORS + 1 - 5) * 512);

	int fd = bytes_fd(b.data, b.len);

	assert_int_equal(bzimage_read(fd, &image, NULL), 0);
	assert_int_equal(image.code_offset, 5 * 512);
	assert_int_equal(image.payload_offset, BZ_CODE + BZ_PAYLOAD);
	close(fd);
	free(b.data);
}

static void a_truncated_image_is_refused_with_both_sizes(void **state)
{
	struct bytes b = good();
	char words[64];

	(void)state;
	snprintf(words, sizeof(words), "truncated: %zu bytes of %zu", b.len - 1, b.len);
	b.len--;
	assert_refused(&b, words);
	free(b.data);
}

static void what_is_no_kernel_is_called_so(void **state)
{
	struct bytes b = good();

	(void)state;
	b.data[0x202] = 'X';
	assert_refused(&b, "not a Linux kernel image");
	b.data[0x202] = 'H';
	b.data[0x1fe] = 0;
	assert_refused(&b, "not a Linux kernel image");
	b.len = 100;
	assert_refused(&b, "not a Linux kernel image");
	b.len = 0;
	assert_refused(&b, "not a Linux kernel image");
	free(b.data);
}

static void a_32_bit_kernel_is_called_so(void **state)
{
	struct bytes b = good();

	(void)state;
	le16_put(b.data + 0x236, 0);
	assert_refused(&b, "a 32-bit kernel");
	le16_put(b.data + 0x236, 0x7f);
	le16_put(b.data + 0x206, 0x20b);
	assert_refused(&b, "boot protocol 2.11");
	free(b.data);
}

static void numbers_that_leave_the_file_are_refused(void **state)
{
	static const struct {
		unsigned offset, len;
		uint64_t value;
		const char *words;
	} cases[] = {
		{ 0x1f4, 4, UINT32_MAX, "truncated" },
		{ 0x1f4, 4, 0, "no code" },
		{ 0x248, 4, UINT32_MAX, "payload" },
		{ 0x24c, 4, UINT32_MAX, "payload" },
		{ 0x24c, 4, 4, "payload" },
		{ 0x258, 8, 0xff000, "wants to run" },
		{ 0x258, 8, 0x1000001, "wants to run" },
		{ 0x258, 8, UINT64_MAX - 0xfff, "wants to run" },
		{ 0x258, 8, 0xfff00000, "wants to run" },
		{ 0x260, 4, 16, "less memory" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes b = good();

		if (cases[i].len == 8)
			le64_put(b.data + cases[i].offset, cases[i].value);
		else
			le32_put(b.data + cases[i].offset, (uint32_t)cases[i].value);
		assert_refused(&b, cases[i].words);
		free(b.data);
	}
}

static void an_impossible_unpacked_size_is_refused(void **state)
{
	struct bytes payload = pack(PACK_ZSTD, unpacked, sizeof(unpacked));
	struct bytes b;

	(void)state;
	le32_put(payload.data + payload.len - 4, 0x40000001);
	b = make_bzimage(&payload);
	assert_refused(&b, "unpacks to 1073741825 bytes");
	free(b.data);
	free(payload.data);
}

static void a_header_longer_than_its_room_is_cut(void **state)
{
	struct bytes b = good();
	struct bzimage image;

	(void)state;
	b.data[0x201] = 0xff;

	int fd = bytes_fd(b.data, b.len);

	assert_int_equal(bzimage_read(fd, &image, NULL), 0);
	assert_int_equal(image.header_size, BZIMAGE_HEADER_MAX);
	close(fd);
	free(b.data);
}

static void an_odd_version_string_is_no_release(void **state)
{
	struct bytes b = good();
	struct bzimage image;

	(void)state;
	le16_put(b.data + 0x20e, 0xffff);

	int fd = bytes_fd(b.data, b.len);

	assert_int_equal(bzimage_read(fd, &image, NULL), 0);
	assert_string_equal(image.release, "");
	close(fd);
	free(b.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_distributions_image_is_understood),
		cmocka_unit_test(a_signature_after_the_image_is_fine),
		cmocka_unit_test(no_setup_sectors_mean_four),
		cmocka_unit_test(a_truncated_image_is_refused_with_both_sizes),
		cmocka_unit_test(what_is_no_kernel_is_called_so),
		cmocka_unit_test(a_32_bit_kernel_is_called_so),
		cmocka_unit_test(numbers_that_leave_the_file_are_refused),
		cmocka_unit_test(an_impossible_unpacked_size_is_refused),
		cmocka_unit_test(a_header_longer_than_its_room_is_cut),
		cmocka_unit_test(an_odd_version_string_is_no_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
