/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest is to be: see config.h. */
#include "machine/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "virtio/balloon.h"

#define MIB UINT64_C(1048576)

enum { HUGE_PAGE_BYTES = 2 << 20 };

static const char *const boot_names[] = {
	[VM_BOOT_AUTO] = "auto",
	[VM_BOOT_UNPACK] = "unpack",
	[VM_BOOT_DIRECT] = "direct",
};

static const char *const on_reset_names[] = {
	[VM_RESET_RESTART] = "restart",
	[VM_RESET_STOP] = "stop",
};

static const char *const backing_names[] = {
	[GUEST_RAM_ANON] = "anon",
	[GUEST_RAM_MEMFD] = "memfd",
	[GUEST_RAM_HUGETLB] = "hugetlb",
};

static const char *const thp_names[] = {
	[GUEST_RAM_THP_MADVISE] = "madvise",
	[GUEST_RAM_THP_ALWAYS] = "always",
	[GUEST_RAM_THP_NEVER] = "never",
};

void vm_config_init(struct vm_config *config)
{
	*config = (struct vm_config){
		.cpus = 1,
		.memory = 512 * MIB,
		.shares.weight = PROMISE_WEIGHT_DEFAULT,
		.boot = VM_BOOT_AUTO,
		.on_reset = VM_RESET_RESTART,
		.balloon = VIRTIO_BALLOON_ALL,
	};
}

void vm_config_clear(struct vm_config *config)
{
	free(config->name);
	free(config->kernel);
	free(config->initrd);
	free(config->append);
	*config = (struct vm_config){ 0 };
}

/* The index of name among n choices; otherwise is what to say of a name that isn't there. */
static int find_choice(const char *const *choices, size_t n, const char *name,
		       const char *otherwise, struct err **err)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(choices[i], name))
			return (int)i;
	return err_set(err, ERR_USAGE, 0, "\"%s\" %s", name, otherwise);
}

const char *vm_boot_name(enum vm_boot boot)
{
	return boot_names[boot];
}

int vm_boot_from_name(const char *name, enum vm_boot *ret_boot, struct err **err)
{
	int i = find_choice(boot_names, ARRAY_SIZE(boot_names), name,
			    "is no way to boot: choose auto, unpack or direct", err);

	if (i < 0)
		return -1;
	*ret_boot = (enum vm_boot)i;
	return 0;
}

const char *vm_on_reset_name(enum vm_on_reset on_reset)
{
	return on_reset_names[on_reset];
}

int vm_on_reset_from_name(const char *name, enum vm_on_reset *ret_on_reset, struct err **err)
{
	int i = find_choice(on_reset_names, ARRAY_SIZE(on_reset_names), name,
			    "is nothing to do on a reset: choose restart or stop", err);

	if (i < 0)
		return -1;
	*ret_on_reset = (enum vm_on_reset)i;
	return 0;
}

const char *vm_backing_name(enum guest_ram_backing backing)
{
	return backing_names[backing];
}

int vm_backing_from_name(const char *name, enum guest_ram_backing *ret_backing, struct err **err)
{
	int i = find_choice(backing_names, ARRAY_SIZE(backing_names), name,
			    "is no memory for a guest: choose anon, memfd or hugetlb", err);

	if (i < 0)
		return -1;
	*ret_backing = (enum guest_ram_backing)i;
	return 0;
}

const char *vm_thp_name(enum guest_ram_thp thp)
{
	return thp_names[thp];
}

int vm_thp_from_name(const char *name, enum guest_ram_thp *ret_thp, struct err **err)
{
	int i = find_choice(thp_names, ARRAY_SIZE(thp_names), name,
			    "says nothing about huge pages: choose always, madvise or never", err);

	if (i < 0)
		return -1;
	*ret_thp = (enum guest_ram_thp)i;
	return 0;
}

const struct vm_balloon_word vm_balloon_words[] = {
	{ VIRTIO_BALLOON_STATS, "stats" },
	{ VIRTIO_BALLOON_DEFLATE_ON_OOM, "deflate-on-oom" },
	{ VIRTIO_BALLOON_REPORTING, "reporting" },
	{ VIRTIO_BALLOON_HINTING, "hinting" },
	{ VIRTIO_BALLOON_POISON, "poison" },
	{ 0, NULL },
};

char *vm_balloon_text(unsigned options, char buf[VM_BALLOON_TEXT_MAX])
{
	size_t used = 0;

	if (options == 0 || options == VIRTIO_BALLOON_ALL) {
		snprintf(buf, VM_BALLOON_TEXT_MAX, "%s", options ? "all" : "none");
		return buf;
	}
	/* A balloon that can nothing else. */
	snprintf(buf, VM_BALLOON_TEXT_MAX, "plain");
	for (const struct vm_balloon_word *w = vm_balloon_words; w->option; w++)
		if (options & w->option)
			used += (size_t)snprintf(buf + used, VM_BALLOON_TEXT_MAX - used, "%s%s",
						 used ? "," : "", w->word);
	return buf;
}

static int find_balloon_word(const char *word, size_t len, unsigned *ret_option, struct err **err)
{
	for (const struct vm_balloon_word *w = vm_balloon_words; w->option; w++) {
		if (strlen(w->word) == len && !strncmp(w->word, word, len)) {
			*ret_option = w->option;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, 0,
		       "\"%.*s\" is nothing that a balloon can do: choose all, none, plain, or of "
		       "stats, deflate-on-oom, reporting, hinting and poison",
		       (int)len, word);
}

int vm_balloon_from_text(const char *text, unsigned *ret_options, struct err **err)
{
	static const struct vm_balloon_word whole[] = {
		{ VIRTIO_BALLOON_ALL, "all" },
		{ 0, "none" },
		{ VIRTIO_BALLOON_BASE, "plain" },
	};
	unsigned options = VIRTIO_BALLOON_BASE;
	unsigned option = 0;

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		if (!strcmp(text, whole[i].word)) {
			*ret_options = whole[i].option;
			return 0;
		}
	}
	for (const char *word = text;; word++) {
		size_t len = strcspn(word, ",");

		if (find_balloon_word(word, len, &option, err) < 0)
			return -1;
		options |= option;
		word += len;
		if (!*word)
			break;
	}
	*ret_options = options;
	return 0;
}

/* A copy of a text that may be missing. */
static int copy_text(const char *text, char **ret_copy, struct err **err)
{
	char *copy = NULL;

	if (text && !(copy = strdup(text)))
		return err_set(err, ERR_NO_SPACE, errno, "configuration");
	*ret_copy = copy;
	return 0;
}

static int copy_config(const struct vm_config *config, struct vm_config *ret_copy, struct err **err)
{
	*ret_copy = *config;
	ret_copy->name = ret_copy->kernel = ret_copy->initrd = ret_copy->append = NULL;
	if (copy_text(config->name, &ret_copy->name, err) < 0 ||
	    copy_text(config->kernel, &ret_copy->kernel, err) < 0 ||
	    copy_text(config->initrd, &ret_copy->initrd, err) < 0 ||
	    copy_text(config->append, &ret_copy->append, err) < 0) {
		vm_config_clear(ret_copy);
		return -1;
	}
	return 0;
}

static int read_text(const json_t *json, char **text, struct err **err)
{
	char *copy = NULL;

	if (!json_is_string(json))
		return err_set(err, ERR_USAGE, 0, "must be a string");
	if (copy_text(json_string_value(json), &copy, err) < 0)
		return -1;
	free(*text);
	*text = copy;
	return 0;
}

static int check_cpus(json_int_t cpus, struct err **err)
{
	if (cpus < 1 || cpus > VM_CPUS_MAX)
		return err_set(err, ERR_USAGE, 0, "%" JSON_INTEGER_FORMAT " is not from 1 to %d",
			       cpus, VM_CPUS_MAX);
	return 0;
}

static int check_memory(uint64_t memory, struct err **err)
{
	char given[SIZE_TEXT_MAX];
	char limit[SIZE_TEXT_MAX];

	if (memory < VM_MEMORY_MIN)
		return err_set(err, ERR_USAGE, 0, "%s is less than any guest needs (%s)",
			       size_format(memory, given), size_format(VM_MEMORY_MIN, limit));
	if (memory > VM_MEMORY_MAX)
		return err_set(err, ERR_USAGE, 0, "%s is more than a guest can have (%s)",
			       size_format(memory, given), size_format(VM_MEMORY_MAX, limit));
	if (memory % GUEST_RAM_PAGE)
		return err_set(err, ERR_USAGE, 0, "%" PRIu64 " bytes are no multiple of %d", memory,
			       GUEST_RAM_PAGE);
	return 0;
}

static int read_name(struct vm_config *config, const json_t *json, struct err **err)
{
	if (json_is_string(json) && vm_name_check(json_string_value(json), err) < 0)
		return -1;
	return read_text(json, &config->name, err);
}

static int read_kernel(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_text(json, &config->kernel, err);
}

static int read_initrd(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_text(json, &config->initrd, err);
}

static int read_append(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_text(json, &config->append, err);
}

static int read_cpus(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_integer(json))
		return err_set(err, ERR_USAGE, 0, "must be a whole number");
	if (check_cpus(json_integer_value(json), err) < 0)
		return -1;
	config->cpus = (unsigned)json_integer_value(json);
	return 0;
}

static int read_size(const json_t *json, uint64_t *bytes, struct err **err)
{
	if (json_is_string(json))
		return size_parse(json_string_value(json), bytes, err);
	if (!json_is_integer(json) || json_integer_value(json) < 0)
		return err_set(err, ERR_USAGE, 0,
			       "must be a size such as \"512M\", or a number of bytes");
	*bytes = (uint64_t)json_integer_value(json);
	return 0;
}

static int read_memory(struct vm_config *config, const json_t *json, struct err **err)
{
	uint64_t memory = 0;

	if (read_size(json, &memory, err) < 0 || check_memory(memory, err) < 0)
		return -1;
	config->memory = memory;
	return 0;
}

static int read_guarantee(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_size(json, &config->guarantee, err);
}

static int check_weight(json_int_t weight, struct err **err)
{
	if (weight < PROMISE_WEIGHT_MIN || weight > PROMISE_WEIGHT_MAX)
		return err_set(err, ERR_USAGE, 0, "%" JSON_INTEGER_FORMAT " is not from %d to %d",
			       weight, PROMISE_WEIGHT_MIN, PROMISE_WEIGHT_MAX);
	return 0;
}

static int read_weight(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_integer(json))
		return err_set(err, ERR_USAGE, 0, "must be a whole number");
	if (check_weight(json_integer_value(json), err) < 0)
		return -1;
	config->shares.weight = (unsigned)json_integer_value(json);
	return 0;
}

static int read_cpu_limit(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_string(json))
		return err_set(err, ERR_USAGE, 0, "must be a string such as \"150%%\"");
	return shares_parse_cpu_limit(json_string_value(json), &config->shares.cpu_limit, err);
}

static int read_zswap_limit(struct vm_config *config, const json_t *json, struct err **err)
{
	struct ledger_shares *s = &config->shares;

	if (json_is_string(json))
		return shares_parse_zswap_limit(json_string_value(json), &s->zswap_limited,
						&s->zswap_limit, err);
	if (read_size(json, &s->zswap_limit, err) < 0)
		return -1;
	if (s->zswap_limit % GUEST_RAM_PAGE)
		return err_set(err, ERR_USAGE, 0, "%" PRIu64 " bytes are no multiple of %d",
			       s->zswap_limit, GUEST_RAM_PAGE);
	s->zswap_limited = true;
	return 0;
}

static int read_boot(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_string(json))
		return err_set(err, ERR_USAGE, 0, "must be a string");
	return vm_boot_from_name(json_string_value(json), &config->boot, err);
}

static int read_on_reset(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_string(json))
		return err_set(err, ERR_USAGE, 0, "must be a string");
	return vm_on_reset_from_name(json_string_value(json), &config->on_reset, err);
}

static int read_backing(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_string(json))
		return err_set(err, ERR_USAGE, 0, "must be a string");
	return vm_backing_from_name(json_string_value(json), &config->ram.backing, err);
}

static int read_thp(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_string(json))
		return err_set(err, ERR_USAGE, 0, "must be a string");
	return vm_thp_from_name(json_string_value(json), &config->ram.thp, err);
}

static int read_flag(const json_t *json, bool *flag, struct err **err)
{
	if (!json_is_boolean(json))
		return err_set(err, ERR_USAGE, 0, "must be true or false");
	*flag = json_is_true(json);
	return 0;
}

static int read_lock(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_flag(json, &config->ram.lock, err);
}

static int read_prefault(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_flag(json, &config->ram.prefault, err);
}

static int read_merge(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_flag(json, &config->ram.merge, err);
}

static int read_best_effort(struct vm_config *config, const json_t *json, struct err **err)
{
	return read_flag(json, &config->best_effort, err);
}

static int read_balloon(struct vm_config *config, const json_t *json, struct err **err)
{
	if (!json_is_string(json))
		return err_set(err, ERR_USAGE, 0, "must be a string");
	return vm_balloon_from_text(json_string_value(json), &config->balloon, err);
}

static const struct {
	const char *name;
	int (*read)(struct vm_config *config, const json_t *json, struct err **err);
} members[] = {
	{ "name", read_name },
	{ "kernel", read_kernel },
	{ "initrd", read_initrd },
	{ "append", read_append },
	{ "cpus", read_cpus },
	{ "memory", read_memory },
	{ "boot", read_boot },
	{ "on_reset", read_on_reset },
	{ "backing", read_backing },
	{ "thp", read_thp },
	{ "lock", read_lock },
	{ "prefault", read_prefault },
	{ "merge", read_merge },
	{ "balloon", read_balloon },
	{ "guarantee", read_guarantee },
	{ "weight", read_weight },
	{ "best_effort", read_best_effort },
	{ "cpu_limit", read_cpu_limit },
	{ "zswap_limit", read_zswap_limit },
};

static int read_member(struct vm_config *config, const char *name, const json_t *json,
		       struct err **err)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (strcmp(members[i].name, name) != 0)
			continue;
		return members[i].read(config, json, err) < 0 ? err_wrap(err, "%s", name) : 0;
	}
	return err_set(
	    err, ERR_USAGE, 0,
	    "there is no member \"%s\": the members are name, kernel, initrd, append, "
	    "cpus, memory, guarantee, weight, cpu_limit, zswap_limit, best_effort, boot, on_reset, backing, thp, lock, "
	    "prefault, merge and balloon",
	    name);
}

int vm_config_from_json(struct vm_config *config, const json_t *json, struct err **err)
{
	_cleanup_(vm_config_clear) struct vm_config changed = { 0 };
	const char *name;
	json_t *value;

	if (!json_is_object(json))
		return err_set(err, ERR_USAGE, 0, "a configuration must be a JSON object");
	if (copy_config(config, &changed, err) < 0)
		return -1;
	/* Iterating changes nothing, but jansson's iterator takes no const. */
	json_object_foreach ((json_t *)json, name, value)
		if (read_member(&changed, name, value, err) < 0)
			return -1;

	struct vm_config old = *config;

	*config = changed;
	changed = old; /* cleared on the way out */
	return 0;
}

/* Adds a text that may be missing. */
static int put_text(json_t *object, const char *name, const char *text)
{
	return text ? json_object_set_new(object, name, json_string(text)) : 0;
}

static int put_limits(json_t *object, const struct ledger_shares *s)
{
	char cpu_limit[SHARES_TEXT_MAX];

	if (s->cpu_limit > 0 &&
	    put_text(object, "cpu_limit", shares_format_cpu_limit(s->cpu_limit, cpu_limit)) < 0)
		return -1;
	return s->zswap_limited ? json_object_set_new(object, "zswap_limit",
						      json_integer((json_int_t)s->zswap_limit))
				: 0;
}

json_t *vm_config_to_json(const struct vm_config *config)
{
	char balloon[VM_BALLOON_TEXT_MAX];
	json_t *object = json_object();

	if (put_text(object, "name", config->name) < 0 ||
	    put_text(object, "kernel", config->kernel) < 0 ||
	    put_text(object, "initrd", config->initrd) < 0 ||
	    put_text(object, "append", config->append) < 0 ||
	    json_object_set_new(object, "cpus", json_integer(config->cpus)) < 0 ||
	    json_object_set_new(object, "memory", json_integer((json_int_t)config->memory)) < 0 ||
	    json_object_set_new(object, "guarantee", json_integer((json_int_t)config->guarantee)) <
		0 ||
	    json_object_set_new(object, "weight", json_integer(config->shares.weight)) < 0 ||
	    json_object_set_new(object, "best_effort", json_boolean(config->best_effort)) < 0 ||
	    put_limits(object, &config->shares) < 0 ||
	    put_text(object, "boot", vm_boot_name(config->boot)) < 0 ||
	    put_text(object, "on_reset", vm_on_reset_name(config->on_reset)) < 0 ||
	    put_text(object, "backing", vm_backing_name(config->ram.backing)) < 0 ||
	    put_text(object, "thp", vm_thp_name(config->ram.thp)) < 0 ||
	    json_object_set_new(object, "lock", json_boolean(config->ram.lock)) < 0 ||
	    json_object_set_new(object, "prefault", json_boolean(config->ram.prefault)) < 0 ||
	    json_object_set_new(object, "merge", json_boolean(config->ram.merge)) < 0 ||
	    put_text(object, "balloon", vm_balloon_text(config->balloon, balloon)) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

int vm_name_check(const char *name, struct err **err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(name);

	if (len == 0)
		return err_set(err, ERR_USAGE, 0, "a guest's name can't be empty");
	if (len > VM_NAME_MAX)
		return err_set(err, ERR_USAGE, 0,
			       "a guest's name can have at most %d bytes, and this has %zu",
			       VM_NAME_MAX, len);
	if (strspn(name, allowed) != len)
		return err_set(err, ERR_USAGE, 0,
			       "\"%s\" can't be a guest's name: use letters, digits, '.', '_' and "
			       "'-'",
			       name);
	if (name[0] == '.' || name[0] == '-')
		return err_set(err, ERR_USAGE, 0,
			       "\"%s\" can't be a guest's name: it must start with a letter, a "
			       "digit or '_'",
			       name);
	return 0;
}

/* JSON holds UTF-8 only, and what a guest is must fit its config.json. */
static int check_text(const char *member, const char *text, struct err **err)
{
	json_t *json = text ? json_string(text) : NULL;

	if (text && !json)
		return err_set(err, ERR_USAGE, 0, "%s: must be valid UTF-8", member);
	json_decref(json);
	if (text && !*text && strcmp(member, "append") != 0)
		return err_set(err, ERR_USAGE, 0, "%s: can't be empty", member);
	return 0;
}

/* What the kernel can't do together. */
static int check_ram(const struct vm_config *config, struct err **err)
{
	const struct guest_ram_options *ram = &config->ram;

	if (ram->merge && ram->backing != GUEST_RAM_ANON)
		return err_set(err, ERR_USAGE, 0,
			       "merge: KSM merges anonymous memory only, and the backing is %s",
			       vm_backing_name(ram->backing));
	if (ram->backing != GUEST_RAM_HUGETLB)
		return 0;
	if (config->memory % HUGE_PAGE_BYTES)
		return err_set(err, ERR_USAGE, 0,
			       "memory: with backing hugetlb it must be a multiple of 2M");
	if (ram->thp != GUEST_RAM_THP_MADVISE)
		return err_set(err, ERR_USAGE, 0,
			       "thp: backing hugetlb has huge pages of its own; leave one out");
	return 0;
}

static int check_promise(const struct vm_config *config, struct err **err)
{
	char given[SIZE_TEXT_MAX];
	char limit[SIZE_TEXT_MAX];

	if (check_weight(config->shares.weight, err) < 0)
		return err_wrap(err, "weight");
	if (config->guarantee > config->memory)
		return err_set(
		    err, ERR_USAGE, 0, "guarantee: %s are more than the guest's memory (%s)",
		    size_format(config->guarantee, given), size_format(config->memory, limit));
	if (config->guarantee % GUEST_RAM_PAGE)
		return err_set(err, ERR_USAGE, 0,
			       "guarantee: %" PRIu64 " bytes are no multiple of %d",
			       config->guarantee, GUEST_RAM_PAGE);
	if (config->best_effort && config->guarantee > 0)
		return err_set(err, ERR_USAGE, 0,
			       "guarantee: a guest of best effort is promised nothing; leave one "
			       "out");
	return 0;
}

int vm_config_check(const struct vm_config *config, struct err **err)
{
	if (config->name && vm_name_check(config->name, err) < 0)
		return err_wrap(err, "name");
	if (!config->kernel)
		return err_set(err, ERR_USAGE, 0, "no kernel given: name a bzImage or vmlinux");
	if (check_text("kernel", config->kernel, err) < 0 ||
	    check_text("initrd", config->initrd, err) < 0 ||
	    check_text("append", config->append, err) < 0)
		return -1;
	if (check_cpus(config->cpus, err) < 0)
		return err_wrap(err, "cpus");
	if (check_memory(config->memory, err) < 0)
		return err_wrap(err, "memory");
	if (check_promise(config, err) < 0)
		return -1;
	return check_ram(config, err);
}

struct promise vm_config_promise(const struct vm_config *config)
{
	const struct guest_ram_options *ram = &config->ram;
	uint64_t memory = ram->backing == GUEST_RAM_HUGETLB ? 0 : config->memory;
	uint64_t guarantee = ram->lock ? memory : config->guarantee;

	return (struct promise){
		.memory = memory,
		.limit = memory,
		.guarantee = guarantee < memory ? guarantee : memory,
		.overhead = promise_overhead(config->cpus, config->memory, ram->merge),
		.best_effort = config->best_effort,
	};
}
