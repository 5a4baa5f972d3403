/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest is to be: the options of `lodge run`, or the same as JSON.
 *
 * The JSON form (docs/config.md) is an object with a member for each option, such as "memory" (a
 * size such as "512M", or bytes). It's what --config reads and what the runtime directory's
 * config.json holds.
 */
#ifndef LODGE_MACHINE_CONFIG_H
#define LODGE_MACHINE_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/promise.h"
#include "ledger/shares.h"
#include "mem/guest_ram.h"

struct err;

enum { VM_NAME_MAX = 63, VM_CPUS_MAX = 8 };

/* RAM, in bytes. The firmware tables lie below 1 MiB; RAM above 4 GiB ends where the 64-bit PCI
 * window begins, at 256 GiB, and has a hole of 1 GiB below 4 GiB (docs/architecture.md). */
#define VM_MEMORY_MIN (UINT64_C(1) << 20)
#define VM_MEMORY_MAX (UINT64_C(255) << 30)

/* How the kernel gets into the guest (docs/boot.md). */
enum vm_boot {
	VM_BOOT_AUTO,	/* unpack, or direct where unpacking isn't possible */
	VM_BOOT_UNPACK, /* the unpacked image, cached and mapped, through the PVH entry */
	VM_BOOT_DIRECT, /* the bzImage as it is, through the 64-bit entry */
};

/* What happens when the guest resets itself. */
enum vm_on_reset {
	VM_RESET_RESTART, /* it boots again */
	VM_RESET_STOP,	  /* it stops, as if it had powered off */
};

struct vm_config {
	char *name;   /* NULL: to be chosen by `lodge run` */
	char *kernel; /* path of a bzImage or vmlinux */
	char *initrd; /* path, or NULL */
	char *append; /* command line after lodge's own defaults, or NULL */
	unsigned cpus;
	uint64_t memory;    /* bytes, a multiple of 4096 */
	uint64_t guarantee; /* bytes of memory that may always be in RAM, a multiple of 4096 */
	bool best_effort;   /* it is promised nothing */
	struct ledger_shares shares;
	struct guest_ram_options ram;
	unsigned balloon; /* enum virtio_balloon_option; 0: there is no balloon */
	enum vm_boot boot;
	enum vm_on_reset on_reset;
};

/* The defaults: 1 vCPU, 512 MiB, no guarantee, a weight of 100, no limits, auto,
 * restart. */
void vm_config_init(struct vm_config *config);
void vm_config_clear(struct vm_config *config);

/* Reads the members that are present over what config holds. An unknown member, a wrong type or a
 * value out of range is ERR_USAGE with the member's name, and leaves config as it was. */
int vm_config_from_json(struct vm_config *config, const json_t *json, struct err **err);
/* A new object with every member that is set; vm_config_from_json() reads it back to the same
 * config. NULL if there is no memory. */
json_t *vm_config_to_json(const struct vm_config *config);

/* Checks everything that can be checked without opening a file: kernel given, cpus 1 to
 * VM_CPUS_MAX, memory page-aligned and from VM_MEMORY_MIN to VM_MEMORY_MAX, what it's made of and
 * promised fitting together, texts that JSON can hold (UTF-8), and the name. A name has letters,
 * digits,
 * '.', '_' and '-', doesn't start with '.' or '-', and is at most VM_NAME_MAX bytes long; so it is
 * safe as the name of a file. */
int vm_config_check(const struct vm_config *config, struct err **err);
int vm_name_check(const char *name, struct err **err);

/* What such a guest is to be promised. One whose memory is locked has all of it guaranteed; one in
 * huge pages that were set aside needs none of the rest of the host's RAM for it. */
struct promise vm_config_promise(const struct vm_config *config);

/* The words for the choices, as options and JSON have them: "auto", "unpack", "direct"; "restart",
 * "stop"; "anon", "memfd", "hugetlb"; "madvise", "always", "never". Reading another word is
 * ERR_USAGE that lists them. */
const char *vm_boot_name(enum vm_boot boot);
int vm_boot_from_name(const char *name, enum vm_boot *ret_boot, struct err **err);
const char *vm_on_reset_name(enum vm_on_reset on_reset);
int vm_on_reset_from_name(const char *name, enum vm_on_reset *ret_on_reset, struct err **err);
const char *vm_backing_name(enum guest_ram_backing backing);
int vm_backing_from_name(const char *name, enum guest_ram_backing *ret_backing, struct err **err);
const char *vm_thp_name(enum guest_ram_thp thp);
int vm_thp_from_name(const char *name, enum guest_ram_thp *ret_thp, struct err **err);

/* What a balloon can do (enum virtio_balloon_option) as words: "all", "none", or a list such as
 * "stats,reporting" of stats, deflate-on-oom, reporting, hinting and poison. */
enum { VM_BALLOON_TEXT_MAX = 64 };
char *vm_balloon_text(unsigned options, char buf[VM_BALLOON_TEXT_MAX]);
int vm_balloon_from_text(const char *text, unsigned *ret_options, struct err **err);
/* The words of single options, for lists; ends with an option of 0. */
struct vm_balloon_word {
	unsigned option;
	const char *word;
};
extern const struct vm_balloon_word vm_balloon_words[];

#endif
