/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a guest's kernel: see kernel.h. */
#include "boot/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "boot/cmdline.h"
#include "boot/kernel_cache.h"
#include "boot/kernel_parts.h"
#include "boot/layout.h"
#include "boot/unpack.h"

static void cleanup_kernel(struct kernel **kernel)
{
	kernel_free(*kernel);
}

/* Boots the bzImage as it is; reason is NULL if that was asked for. */
static int use_direct(struct kernel *k, const char *reason, struct err **err)
{
	k->direct = true;
	if (!reason)
		return 0;
	k->fallback = strdup(reason);
	if (!k->fallback)
		return err_set(err, ERR_NO_SPACE, errno, "kernel");
	log_line("kernel %s: boots directly, not unpacked: %s", k->path, reason);
	return 0;
}

/* Exchanges the bzImage for its unpacked image. */
static int use_unpacked(struct kernel *k, struct err **err)
{
	_cleanup_close_ int fd = -1;
	struct elf_image elf;
	struct file_id id;
	bool made = false;

	if (kernel_cache_open(k->fd, &k->id, &k->bzimage, &fd, &made, err) < 0)
		return -1;
	if (elf_read(fd, &elf, err) < 0)
		return err_wrap(err, "its unpacked image");
	if (!elf.pvh)
		return err_set(err, ERR_STATE, 0, "it has no PVH entry (CONFIG_PVH)");
	if (file_identify(fd, &id, err) < 0)
		return -1;
	close(k->fd);
	k->fd = take_fd(fd);
	k->id = id;
	k->elf = elf;
	k->unpacked_now = made;
	return 0;
}

/* In auto mode the bzImage itself is as good, unless it's the image that is broken: then the guest
 * would find out, and stop without a word. ERR_STATE is for what only the direct way can boot. */
static int unpack_or_fall_back(struct kernel *k, enum kernel_boot mode, struct err **err)
{
	_cleanup_err_ struct err *why = NULL;
	const char *format;

	if (!unpack_is_supported(k->fd, k->bzimage.payload_offset, k->bzimage.payload_size,
				 &format))
		err_set(&why, ERR_STATE, 0, "it is packed with %s, which lodge can't unpack",
			format);
	else if (use_unpacked(k, &why) == 0)
		return 0;

	if (mode == KERNEL_BOOT_AUTO && err_code(why) != ERR_USAGE)
		return use_direct(k, err_message(why), err);
	if (err_code(why) == ERR_STATE)
		return err_set(err, ERR_USAGE, 0, "%s: boot it with --boot direct",
			       err_message(why));
	return err_set(err, err_code(why), 0, "%s", err_message(why));
}

static int open_bzimage(struct kernel *k, enum kernel_boot mode, struct err **err)
{
	if (bzimage_read(k->fd, &k->bzimage, err) < 0)
		return -1;
	if (mode == KERNEL_BOOT_DIRECT)
		return use_direct(k, NULL, err);
	return unpack_or_fall_back(k, mode, err);
}

static int open_vmlinux(struct kernel *k, enum kernel_boot mode, struct err **err)
{
	if (mode == KERNEL_BOOT_DIRECT)
		return err_set(err, ERR_USAGE, 0,
			       "a vmlinux can't boot with --boot direct, which takes a bzImage "
			       "(vmlinuz)");
	if (elf_read(k->fd, &k->elf, err) < 0)
		return -1;
	if (!k->elf.pvh)
		return err_set(err, ERR_USAGE, 0,
			       "this vmlinux has no PVH entry (CONFIG_PVH): give the bzImage "
			       "(vmlinuz) of the same kernel");
	return 0;
}

static int open_image(struct kernel *k, enum kernel_boot mode, struct err **err)
{
	uint8_t head[4];

	if (file_open(k->path, &k->fd, &k->id, err) < 0)
		return -1;
	if (k->id.size < sizeof(head))
		return err_set(err, ERR_USAGE, 0, "not a Linux kernel image");
	if (file_read(k->fd, 0, head, sizeof(head), err) < 0)
		return -1;
	return elf_is(head, sizeof(head)) ? open_vmlinux(k, mode, err) : open_bzimage(k, mode, err);
}

static int open_initrd(struct kernel *k, struct err **err)
{
	if (file_open(k->initrd_path, &k->initrd_fd, &k->initrd_id, err) < 0)
		return -1;
	if (k->initrd_id.size == 0)
		return err_set(err, ERR_USAGE, 0, "is empty");
	if (k->initrd_id.size > UINT32_MAX)
		return err_set(err, ERR_USAGE, 0,
			       "is %" PRIu64 " MiB: a guest can't take more "
			       "than 4095",
			       k->initrd_id.size >> 20);
	return 0;
}

static size_t cmdline_max(const struct kernel *k)
{
	uint32_t max = k->bzimage.protocol ? k->bzimage.cmdline_size : CMDLINE_MAX;

	return max < LAYOUT_CMDLINE_MAX - 1 ? max : LAYOUT_CMDLINE_MAX - 1;
}

int kernel_open(const char *path, const char *initrd_path, const char *append,
		enum kernel_boot mode, struct kernel **ret_kernel, struct err **err)
{
	_cleanup_(cleanup_kernel) struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return err_set(err, ERR_NO_SPACE, errno, "kernel");
	k->fd = -1;
	k->initrd_fd = -1;
	k->path = strdup(path);
	k->initrd_path = initrd_path ? strdup(initrd_path) : NULL;
	if (!k->path || (initrd_path && !k->initrd_path))
		return err_set(err, ERR_NO_SPACE, errno, "kernel");

	if (open_image(k, mode, err) < 0)
		return err_wrap(err, "kernel %s", path);
	if (initrd_path && open_initrd(k, err) < 0)
		return err_wrap(err, "initrd %s", initrd_path);
	if (cmdline_build(append, cmdline_max(k), &k->cmdline, err) < 0)
		return -1;
	*ret_kernel = take_ptr(k);
	return 0;
}

void kernel_free(struct kernel *kernel)
{
	if (!kernel)
		return;
	if (kernel->fd >= 0)
		close(kernel->fd);
	if (kernel->initrd_fd >= 0)
		close(kernel->initrd_fd);
	free(kernel->path);
	free(kernel->initrd_path);
	free(kernel->cmdline);
	free(kernel->fallback);
	free(kernel);
}

void kernel_info(const struct kernel *kernel, struct kernel_info *ret_info)
{
	*ret_info = (struct kernel_info){
		.mode = kernel->direct ? KERNEL_BOOT_DIRECT : KERNEL_BOOT_UNPACK,
		.unpacked_now = kernel->unpacked_now,
		.fallback = kernel->fallback,
		.release = kernel->bzimage.release[0] ? kernel->bzimage.release
						      : kernel->elf.release,
		.cmdline = kernel->cmdline,
		.memory_min = kernel_memory_min(kernel),
		.initrd_size = kernel->initrd_fd >= 0 ? kernel->initrd_id.size : 0,
		.fd = kernel->fd,
		.initrd_fd = kernel->initrd_fd,
		.mappings = kernel->mappings,
		.n_mappings = kernel->n_mappings,
	};
}
