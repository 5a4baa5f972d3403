/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel images made up for tests: see boot_images.h. */
#include "boot_images.h"

#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "boot/le.h"

static void must(int ok)
{
	if (!ok)
		abort();
}

static void pattern(uint8_t *p, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

/* One note; returns what follows it. */
static uint8_t *put_note(uint8_t *p, const char *name, uint32_t type, const void *desc,
			 uint32_t len)
{
	uint32_t name_len = (uint32_t)strlen(name) + 1;

	le32_put(p, name_len);
	le32_put(p + 4, len);
	le32_put(p + 8, type);
	memcpy(p + 12, name, name_len);
	p += 12 + ((name_len + 3) & ~3u);
	memcpy(p, desc, len);
	return p + ((len + 3) & ~3u);
}

struct bytes make_vmlinux(int with_pvh)
{
	enum {
		CODE = 0x1000,
		DATA = 0x23000,
		SCRATCH = DATA + VMLINUX_DATA_SIZE,
		SECTIONS = SCRATCH + VMLINUX_SCRATCH_SIZE,
		NAMES = SECTIONS + 4 * sizeof(Elf64_Shdr),
		LEN = NAMES + 64,
		NOTES = CODE + 0x100,
	};
	static const char names[] = "\0.shstrtab\0.init.scratch\0.data";
	struct bytes b = { calloc(1, LEN), LEN };

	must(b.data != NULL);
	pattern(b.data + CODE, VMLINUX_CODE_SIZE, 1);
	pattern(b.data + DATA, 0x8000, 2);
	pattern(b.data + DATA + 0x48000, 0x8000, 3); /* 256 KiB of zeros before it */

	uint8_t *note = b.data + NOTES;
	uint8_t entry[8] = { 0 };

	le32_put(entry, VMLINUX_ENTRY);
	note = put_note(note, "Linux", 0x100, "6.6.6-test", 11);
	if (with_pvh)
		note = put_note(note, "Xen", 18, entry, 8);

	Elf64_Ehdr eh = { .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = 1,
			  .e_phoff = sizeof(eh),
			  .e_shoff = SECTIONS,
			  .e_ehsize = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 3,
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = 4,
			  .e_shstrndx = 1 };
	const Elf64_Phdr ph[3] = {
		{ .p_type = PT_LOAD,
		  .p_offset = DATA,
		  .p_paddr = VMLINUX_DATA,
		  .p_filesz = VMLINUX_DATA_SIZE + VMLINUX_SCRATCH_SIZE,
		  .p_memsz = VMLINUX_DATA_SIZE + VMLINUX_SCRATCH_SIZE },
		{ .p_type = PT_LOAD,
		  .p_offset = CODE,
		  .p_paddr = VMLINUX_START,
		  .p_filesz = VMLINUX_CODE_SIZE,
		  .p_memsz = VMLINUX_CODE_SIZE },
		{ .p_type = PT_NOTE,
		  .p_offset = NOTES,
		  .p_filesz = (uint64_t)(note - (b.data + NOTES)),
		  .p_align = 4 },
	};
	const Elf64_Shdr sh[4] = {
		{ 0 },
		{ .sh_name = 1,
		  .sh_type = SHT_STRTAB,
		  .sh_offset = NAMES,
		  .sh_size = sizeof(names) },
		{ .sh_name = 25, .sh_flags = SHF_ALLOC, .sh_offset = DATA, .sh_size = 16 },
		{ .sh_name = 11,
		  .sh_flags = SHF_ALLOC,
		  .sh_offset = SCRATCH,
		  .sh_size = VMLINUX_SCRATCH_SIZE },
	};

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(b.data, &eh, sizeof(eh));
	memcpy(b.data + sizeof(eh), ph, sizeof(ph));
	memcpy(b.data + SECTIONS, sh, sizeof(sh));
	memcpy(b.data + NAMES, names, sizeof(names));
	return b;
}

static size_t pack_gzip(uint8_t *out, size_t room, const uint8_t *data, size_t len)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data,
		       .avail_in = (uInt)len,
		       .next_out = out,
		       .avail_out = (uInt)room };

	must(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	must(deflate(&z, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack_lz4(uint8_t *out, size_t room, const uint8_t *data, size_t len)
{
	enum { BLOCK = 8 << 20 };
	size_t at = 4;

	le32_put(out, 0x184c2102);
	for (size_t done = 0; done < len;) {
		int n = len - done < BLOCK ? (int)(len - done) : BLOCK;
		int packed = LZ4_compress_default((const char *)data + done, (char *)out + at + 4,
						  n, (int)(room - at - 4));

		must(packed > 0);
		le32_put(out + at, (uint32_t)packed);
		at += 4 + (size_t)packed;
		done += (size_t)n;
	}
	return at;
}

/* With a checksum, as the command zstd adds it. */
static size_t pack_zstd(uint8_t *out, size_t room, const uint8_t *data, size_t len)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	must(z != NULL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);

	size_t n = ZSTD_compress2(z, out, room, data, len);

	must(!ZSTD_isError(n));
	ZSTD_freeCCtx(z);
	return n;
}

struct bytes pack(enum packing packing, const uint8_t *data, size_t len)
{
	size_t room = len * 2 + 4096;
	struct bytes b = { calloc(1, room), 0 };

	must(b.data != NULL);
	switch (packing) {
	case PACK_GZIP:
		b.len = pack_gzip(b.data, room, data, len);
		return b; /* its last four bytes are the size already */
	case PACK_XZ:
		must(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, data, len, b.data, &b.len,
					     room) == LZMA_OK);
		break;
	case PACK_ZSTD:
		b.len = pack_zstd(b.data, room, data, len);
		break;
	case PACK_LZ4:
		b.len = pack_lz4(b.data, room, data, len);
		break;
	case PACK_BZIP2:
		memcpy(b.data, "BZh91AY&SY", 10);
		b.len = 64;
		break;
	case PACK_JUNK:
		pattern(b.data, 64, 4);
		b.len = 64;
		break;
	}
	le32_put(b.data + b.len, (uint32_t)len);
	b.len += 4;
	return b;
}

struct bytes make_bzimage(const struct bytes *payload)
{
	static const char version[] = "6.6.6-test (somebody@example.org) #1 SMP";
	size_t code = (BZ_PAYLOAD + payload->len + 15) & ~(size_t)15;
	struct bytes b = { calloc(1, BZ_CODE + code), BZ_CODE + code };
	uint8_t *h = b.data;

	must(h != NULL);
	pattern(h + BZ_CODE, code, 5);
	memcpy(h + BZ_CODE + BZ_PAYLOAD, payload->data, payload->len);
	h[0x1ef] = 0xff; /* the sentinel, which a loader mustn't copy */
	h[0x1f1] = BZ_SECTORS;
	le32_put(h + 0x1f4, (uint32_t)(code / 16));
	le16_put(h + 0x1fe, 0xaa55);
	h[0x200] = 0xeb;
	h[0x201] = 0x6a;
	memcpy(h + 0x202, "HdrS", 4);
	le16_put(h + 0x206, 0x20f);
	le16_put(h + 0x20e, 0x600); /* the version string is at 0x800 */
	memcpy(h + 0x800, version, sizeof(version));
	h[0x211] = 1;
	le32_put(h + 0x218, 0x11111111); /* as if somebody had booted it */
	le32_put(h + 0x22c, 0x7fffffff);
	le32_put(h + 0x230, 0x200000);
	h[0x234] = 1;
	le16_put(h + 0x236, 0x7f);
	le32_put(h + 0x238, 2047);
	le32_put(h + 0x248, BZ_PAYLOAD);
	le32_put(h + 0x24c, (uint32_t)payload->len);
	le64_put(h + 0x258, VMLINUX_START);
	le32_put(h + 0x260, BZ_INIT_SIZE);
	return b;
}

struct bytes make_kernel(enum packing packing, int with_pvh)
{
	struct bytes vmlinux = make_vmlinux(with_pvh);
	struct bytes payload = pack(packing, vmlinux.data, vmlinux.len);
	struct bytes kernel = make_bzimage(&payload);

	free(vmlinux.data);
	free(payload.data);
	return kernel;
}

int bytes_fd(const void *data, size_t len)
{
	int fd = memfd_create("bytes", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	return fd;
}
