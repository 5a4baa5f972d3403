/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "boot/le.h"
#include "boot/unpack.h"
#include "boot_images.h"

/* Bytes before the payload in its file */
enum { LEAD = 1000, SIZE = 9 << 20 };

static const enum packing formats[] = { PACK_GZIP, PACK_XZ, PACK_ZSTD, PACK_LZ4 };
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* More than one block of LZ4; words, random bytes, and 4 MiB of zeros. */
static uint8_t *sample(void)
{
	uint8_t *p = calloc(1, SIZE);

	assert_non_null(p);
	for (size_t i = 0; i < 2 << 20; i++)
		p[i] = (uint8_t)(i / 100);
	srandom(1);
	for (size_t i = 6 << 20; i < SIZE; i++)
		p[i] = (uint8_t)random();
	return p;
}

static int payload_fd(const struct bytes *payload)
{
	uint8_t *file = calloc(1, LEAD + payload->len);

	memcpy(file + LEAD, payload->data, payload->len);

	int fd = bytes_fd(file, LEAD + payload->len);

	free(file);
	return fd;
}

static int out_file(void)
{
	return memfd_create("out", MFD_CLOEXEC);
}

/* Unpacks, which is to fail with these words. */
static void assert_fails(const struct bytes *payload, uint64_t size, int out, enum err_code code,
			 const char *words)
{
	struct err *err = NULL;
	int in = payload_fd(payload);

	assert_int_equal(unpack_file(in, LEAD, payload->len, out, size, &err), -1);
	if (!strstr(err_message(err), words))
		fail_msg("\"%s\" isn't in \"%s\"", words, err_message(err));
	assert_int_equal(err_code(err), code);
	err_free(err);
	close(in);
	close(out);
}

static void each_format_gives_back_what_was_packed(void **state)
{
	uint8_t *data = sample();
	(void)state;

	for (size_t i = 0; i < FORMATS; i++) {
		struct bytes payload = pack(formats[i], data, SIZE);
		int in = payload_fd(&payload), out = out_file();
		const char *name;

		assert_true(unpack_is_supported(in, LEAD, payload.len, &name));
		assert_int_equal(unpack_file(in, LEAD, payload.len, out, SIZE, NULL), 0);

		struct stat st;
		void *p = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, out, 0);

		assert_int_equal(fstat(out, &st), 0);
		assert_int_equal(st.st_size, SIZE);
		assert_memory_equal(p, data, SIZE);
		/* The zeros take no room. */
		assert_in_range(st.st_blocks * 512, 1, 5 << 20);
		munmap(p, SIZE);
		close(in);
		close(out);
		free(payload.data);
	}
	free(data);
}

static void an_image_that_ends_in_zeros_keeps_its_size(void **state)
{
	uint8_t *data = sample();
	struct bytes payload = pack(PACK_ZSTD, data, 4 << 20);
	int in = payload_fd(&payload), out = out_file();
	struct stat st;

	(void)state;
	assert_int_equal(unpack_file(in, LEAD, payload.len, out, 4 << 20, NULL), 0);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_size, 4 << 20);
	close(in);
	close(out);
	free(payload.data);
	free(data);
}

static void a_wrong_size_is_found(void **state)
{
	uint8_t *data = sample();
	(void)state;

	for (size_t i = 0; i < FORMATS; i++) {
		struct bytes payload = pack(formats[i], data, SIZE);

		assert_fails(&payload, SIZE - 1, out_file(), ERR_USAGE, "more than");
		assert_fails(&payload, SIZE + 1, out_file(), ERR_USAGE, "not to the");
		free(payload.data);
	}
	free(data);
}

static void truncated_data_is_found(void **state)
{
	uint8_t *data = sample();
	(void)state;

	for (size_t i = 0; i < FORMATS; i++) {
		struct bytes payload = pack(formats[i], data, SIZE);

		payload.len -= payload.len / 3;
		assert_fails(&payload, SIZE, out_file(), ERR_USAGE, "unpack ");
		payload.len = 9;
		assert_fails(&payload, SIZE, out_file(), ERR_USAGE, "unpack ");
		free(payload.data);
	}
	free(data);
}

static void broken_data_is_found(void **state)
{
	uint8_t *data = sample();
	(void)state;

	for (size_t i = 0; i < FORMATS; i++) {
		struct bytes payload = pack(formats[i], data, SIZE);

		/* In the middle, where there's nothing but packed data; LZ4 has no checksum, so
		 * break what it looks at: a block's length. */
		if (formats[i] == PACK_LZ4)
			le32_put(payload.data + 4, 0x7fffffff);
		else
			memset(payload.data + payload.len / 2, 0xff, 4096);
		assert_fails(&payload, SIZE, out_file(), ERR_USAGE, "unpack ");
		free(payload.data);
	}
	free(data);
}

static void a_full_disk_is_told_apart(void **state)
{
	uint8_t *data = sample();
	struct bytes payload = pack(PACK_ZSTD, data, SIZE);

	(void)state;
	assert_fails(&payload, SIZE, open("/dev/full", O_WRONLY), ERR_NO_SPACE, "No space left");
	free(payload.data);
	free(data);
}

static void other_formats_are_named(void **state)
{
	static const struct {
		const char *magic, *name;
	} cases[] = {
		{ "BZh91AY&SY", "bzip2" },
		{ "\x5d\0\0\0\4\xff\xff\xff", "lzma" },
		{ "\x89LZO\0\r\n\x1a", "lzo" },
		{ "whatever", "an unknown format" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t file[32] = { 0 };
		struct bytes payload = { file, sizeof(file) };
		const char *name;

		memcpy(file, cases[i].magic, 8);

		int fd = bytes_fd(file, sizeof(file));

		assert_false(unpack_is_supported(fd, 0, sizeof(file), &name));
		assert_string_equal(name, cases[i].name);
		assert_fails(&payload, SIZE, out_file(), ERR_USAGE, cases[i].name);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_gives_back_what_was_packed),
		cmocka_unit_test(an_image_that_ends_in_zeros_keeps_its_size),
		cmocka_unit_test(a_wrong_size_is_found),
		cmocka_unit_test(truncated_data_is_found),
		cmocka_unit_test(broken_data_is_found),
		cmocka_unit_test(a_full_disk_is_told_apart),
		cmocka_unit_test(other_formats_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
