/* SPDX-License-Identifier: Apache-2.0 */
/* A bzImage: see bzimage.h. */
#include "boot/bzimage.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "boot/file.h"
#include "boot/le.h"

/* Offsets in the file; the names are the boot protocol's. */
enum {
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	BOOT_FLAG = 0x1fe,
	JUMP_LENGTH = 0x201,
	HEADER = 0x202,
	VERSION = 0x206,
	KERNEL_VERSION = 0x20e,
	LOADFLAGS = 0x211,
	INITRD_ADDR_MAX = 0x22c,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,

	LOADED_HIGH = 1 << 0,
	XLF_KERNEL_64 = 1 << 0,
	PROTOCOL_MIN = 0x20c,
	SECTOR = 512,
	SIZE_FIELD = 4, /* after the packed image: the size it unpacks to */
};

/* What isn't a kernel, told apart from kernels that lodge can't boot. */
static int check_kind(const uint8_t *head, struct err **err)
{
	if (le16_get(head + BOOT_FLAG) != 0xaa55 || memcmp(head + HEADER, "HdrS", 4) != 0)
		return err_set(err, ERR_USAGE, 0, "not a Linux kernel image");

	unsigned protocol = le16_get(head + VERSION);

	if (protocol < PROTOCOL_MIN)
		return err_set(err, ERR_USAGE, 0,
			       "a 32-bit kernel, or older than Linux 3.8 (boot protocol %u.%u): "
			       "lodge boots 64-bit kernels only",
			       protocol >> 8, protocol & 0xff);
	if (!(head[LOADFLAGS] & LOADED_HIGH) || !(le16_get(head + XLOADFLAGS) & XLF_KERNEL_64))
		return err_set(err, ERR_USAGE, 0,
			       "a 32-bit kernel: lodge boots 64-bit kernels only");
	return 0;
}

/* The parts of the file, which all come from the file itself. */
static int read_layout(const uint8_t *head, uint64_t file_size, struct bzimage *image,
		       struct err **err)
{
	unsigned sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
	uint64_t packed_offset = le32_get(head + PAYLOAD_OFFSET);

	image->code_offset = (sectors + 1) * SECTOR;
	image->code_size = (uint64_t)le32_get(head + SYSSIZE) * 16;
	if (image->code_offset + image->code_size > file_size)
		return err_set(err, ERR_USAGE, 0,
			       "the kernel image is truncated: %" PRIu64 " bytes of %" PRIu64,
			       file_size, image->code_offset + image->code_size);
	if (image->code_size <= BZIMAGE_ENTRY64)
		return err_set(err, ERR_USAGE, 0, "a broken kernel image: it holds no code");

	image->payload_offset = image->code_offset + packed_offset;
	image->payload_size = le32_get(head + PAYLOAD_LENGTH);
	if (image->payload_size <= SIZE_FIELD ||
	    packed_offset + image->payload_size > image->code_size)
		return err_set(err, ERR_USAGE, 0,
			       "a broken kernel image: its payload is outside of it");
	return 0;
}

static int read_wishes(const uint8_t *head, struct bzimage *image, struct err **err)
{
	image->protocol = le16_get(head + VERSION);
	image->pref_address = le64_get(head + PREF_ADDRESS);
	image->init_size = le32_get(head + INIT_SIZE);
	image->initrd_addr_max = le32_get(head + INITRD_ADDR_MAX);
	image->cmdline_size = le32_get(head + CMDLINE_SIZE);

	/* Below 1 MiB are the tables that lodge writes; the kernel's early mapping ends at 4 GiB.
	 */
	if (image->pref_address < 0x100000 || (image->pref_address & 0xfff) ||
	    image->pref_address > UINT32_MAX || image->init_size > UINT32_MAX - image->pref_address)
		return err_set(err, ERR_USAGE, 0,
			       "a broken kernel image: it wants to run at 0x%" PRIx64,
			       image->pref_address);
	if (image->init_size < image->code_size)
		return err_set(err, ERR_USAGE, 0,
			       "a broken kernel image: it asks for less memory than its own size");

	image->header_size = HEADER + head[JUMP_LENGTH] - BZIMAGE_HEADER_OFFSET;
	if (image->header_size > BZIMAGE_HEADER_MAX)
		image->header_size = BZIMAGE_HEADER_MAX;
	memcpy(image->header, head + BZIMAGE_HEADER_OFFSET, image->header_size);
	return 0;
}

/* The release is the first word of the version string, which is for people to read: one that is
 * missing or odd isn't an error. */
static void read_release(int fd, const uint8_t *head, struct bzimage *image)
{
	uint64_t offset = (uint64_t)le16_get(head + KERNEL_VERSION) + 0x200;
	char text[BZIMAGE_RELEASE_MAX];
	size_t n = 0;

	if (offset == 0x200 || offset + sizeof(text) > image->code_offset ||
	    file_read(fd, offset, text, sizeof(text), NULL) < 0)
		return;
	while (n < sizeof(text) - 1 && text[n] > ' ' && text[n] < 0x7f)
		n++;
	memcpy(image->release, text, n);
	image->release[n] = '\0';
}

int bzimage_read(int fd, struct bzimage *ret_image, struct err **err)
{
	struct bzimage image = { 0 };
	uint8_t head[BZIMAGE_HEADER_OFFSET + BZIMAGE_HEADER_MAX];
	uint8_t size_field[SIZE_FIELD];
	struct file_id id;

	if (file_identify(fd, &id, err) < 0)
		return -1;
	if (id.size < sizeof(head))
		return err_set(err, ERR_USAGE, 0, "not a Linux kernel image");
	if (file_read(fd, 0, head, sizeof(head), err) < 0 || check_kind(head, err) < 0 ||
	    read_layout(head, id.size, &image, err) < 0 || read_wishes(head, &image, err) < 0)
		return -1;
	read_release(fd, head, &image);

	if (file_read(fd, image.payload_offset + image.payload_size - SIZE_FIELD, size_field,
		      SIZE_FIELD, err) < 0)
		return -1;
	image.unpacked_size = le32_get(size_field);
	if (image.unpacked_size == 0 || image.unpacked_size > BZIMAGE_UNPACKED_MAX)
		return err_set(err, ERR_USAGE, 0,
			       "a broken kernel image: it says it unpacks to %" PRIu64 " bytes",
			       image.unpacked_size);
	*ret_image = image;
	return 0;
}
