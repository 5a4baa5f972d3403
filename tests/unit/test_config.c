/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "machine/config.h"
#include "virtio/balloon.h"

#define MIB UINT64_C(1048576)

static int read_text(struct vm_config *config, const char *text, struct err **err)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(json);

	int rc = vm_config_from_json(config, json, err);

	json_decref(json);
	return rc;
}

static void assert_read(struct vm_config *config, const char *text)
{
	_cleanup_err_ struct err *err = NULL;

	if (read_text(config, text, &err) < 0)
		fail_msg("%s: %s", text, err_message(err));
}

static void assert_not_read(const char *text, const char *message)
{
	_cleanup_(vm_config_clear) struct vm_config config;
	_cleanup_err_ struct err *err = NULL;

	vm_config_init(&config);
	assert_int_equal(read_text(&config, text, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	if (!strstr(err_message(err), message))
		fail_msg("%s: \"%s\" doesn't say \"%s\"", text, err_message(err), message);
}

static void assert_check_fails(const struct vm_config *config, const char *message)
{
	_cleanup_err_ struct err *err = NULL;

	assert_int_equal(vm_config_check(config, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	if (!strstr(err_message(err), message))
		fail_msg("\"%s\" doesn't say \"%s\"", err_message(err), message);
}

static void every_member_is_read(void **state)
{
	_cleanup_(vm_config_clear) struct vm_config config;

	(void)state;
	vm_config_init(&config);
	assert_read(&config, "{\"name\": \"web\", \"kernel\": \"/boot/vmlinuz\", "
			     "\"initrd\": \"/boot/initrd.img\", \"append\": \"quiet\", "
			     "\"cpus\": 8, \"memory\": \"1G\", \"boot\": \"direct\", "
			     "\"on_reset\": \"stop\", \"backing\": \"anon\", "
			     "\"thp\": \"never\", \"lock\": true, \"prefault\": true, "
			     "\"merge\": true, \"balloon\": \"stats,poison\"}");
	assert_string_equal(config.name, "web");
	assert_string_equal(config.kernel, "/boot/vmlinuz");
	assert_string_equal(config.initrd, "/boot/initrd.img");
	assert_string_equal(config.append, "quiet");
	assert_int_equal(config.cpus, 8);
	assert_int_equal(config.memory, 1024 * MIB);
	assert_int_equal(config.boot, VM_BOOT_DIRECT);
	assert_int_equal(config.on_reset, VM_RESET_STOP);
	assert_int_equal(config.ram.backing, GUEST_RAM_ANON);
	assert_int_equal(config.ram.thp, GUEST_RAM_THP_NEVER);
	assert_true(config.ram.lock);
	assert_true(config.ram.prefault);
	assert_true(config.ram.merge);
	assert_int_equal(config.balloon,
			 VIRTIO_BALLOON_BASE | VIRTIO_BALLOON_STATS | VIRTIO_BALLOON_POISON);
	assert_int_equal(vm_config_check(&config, NULL), 0);
}

static void members_that_are_missing_stay_as_they_were(void **state)
{
	_cleanup_(vm_config_clear) struct vm_config config;

	(void)state;
	vm_config_init(&config);
	assert_read(&config, "{\"kernel\": \"a\", \"cpus\": 2}");
	assert_read(&config, "{\"kernel\": \"b\"}");
	assert_string_equal(config.kernel, "b");
	assert_null(config.initrd);
	assert_int_equal(config.cpus, 2);
	assert_int_equal(config.memory, 512 * MIB);
}

static void memory_may_be_a_number_of_bytes(void **state)
{
	_cleanup_(vm_config_clear) struct vm_config config;

	(void)state;
	vm_config_init(&config);
	assert_read(&config, "{\"memory\": 67108864}");
	assert_int_equal(config.memory, 64 * MIB);
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	assert_not_read("[]", "must be a JSON object");
	assert_not_read("{\"kernal\": \"x\"}", "there is no member \"kernal\"");
	assert_not_read("{\"kernel\": 1}", "kernel: must be a string");
	assert_not_read("{\"initrd\": null}", "initrd: must be a string");
	assert_not_read("{\"cpus\": \"2\"}", "cpus: must be a whole number");
	assert_not_read("{\"cpus\": 1.5}", "cpus: must be a whole number");
	assert_not_read("{\"cpus\": 0}", "cpus: 0 is not from 1 to 8");
	assert_not_read("{\"cpus\": 9}", "cpus: 9 is not from 1 to 8");
	assert_not_read("{\"cpus\": 4294967297}", "cpus: 4294967297 is not from 1 to 8");
	assert_not_read("{\"memory\": \"lots\"}", "memory: \"lots\" is not a size");
	assert_not_read("{\"memory\": -4096}", "memory: must be a size");
	assert_not_read("{\"memory\": true}", "memory: must be a size");
	assert_not_read("{\"memory\": 0}", "memory: 0B is less than any guest needs (1M)");
	assert_not_read("{\"memory\": \"1M\", \"cpus\": 64}", "cpus: 64");
	assert_not_read("{\"memory\": \"256G\"}", "256G is more than a guest can have (255G)");
	assert_not_read("{\"memory\": 2097153}", "memory: 2097153 bytes are no multiple of 4096");
	assert_not_read("{\"boot\": \"slow\"}", "boot: \"slow\" is no way to boot");
	assert_not_read("{\"on_reset\": \"panic\"}", "on_reset: \"panic\" is nothing to do");
	assert_not_read("{\"backing\": \"tape\"}", "backing: \"tape\" is no memory for a guest");
	assert_not_read("{\"thp\": true}", "thp: must be a string");
	assert_not_read("{\"thp\": \"often\"}", "thp: \"often\" says nothing about huge pages");
	assert_not_read("{\"merge\": \"yes\"}", "merge: must be true or false");
	assert_not_read("{\"lock\": 1}", "lock: must be true or false");
	assert_not_read("{\"name\": \"../x\"}", "name: \"../x\" can't be a guest's name");
}

static void a_refused_object_changes_nothing(void **state)
{
	_cleanup_(vm_config_clear) struct vm_config config;

	(void)state;
	vm_config_init(&config);
	assert_read(&config, "{\"kernel\": \"a\"}");
	assert_int_equal(
	    read_text(&config, "{\"kernel\": \"b\", \"memory\": \"1G\", \"cpus\": 99}", NULL), -1);
	assert_string_equal(config.kernel, "a");
	assert_int_equal(config.memory, 512 * MIB);
	assert_int_equal(config.cpus, 1);
}

static void json_that_was_written_reads_back_the_same(void **state)
{
	_cleanup_(vm_config_clear) struct vm_config config;
	_cleanup_(vm_config_clear) struct vm_config copy;

	(void)state;
	vm_config_init(&config);
	vm_config_init(&copy);
	assert_read(&config, "{\"name\": \"web\", \"kernel\": \"k\\u00e9rnel\", \"memory\": "
			     "\"255G\", \"boot\": \"unpack\", \"on_reset\": \"stop\", "
			     "\"backing\": \"memfd\", \"thp\": \"always\", \"lock\": true, "
			     "\"guarantee\": \"1G\", \"weight\": 7, \"best_effort\": true, "
			     "\"cpu_limit\": \"150%\", \"zswap_limit\": \"64M\"}");

	json_t *written = vm_config_to_json(&config);

	assert_non_null(written);
	assert_null(json_object_get(written, "initrd"));
	assert_int_equal(vm_config_from_json(&copy, written, NULL), 0);

	json_t *again = vm_config_to_json(&copy);

	assert_true(json_equal(written, again));
	assert_int_equal(copy.guarantee, 1024 * MIB);
	assert_int_equal(copy.shares.weight, 7);
	assert_int_equal(copy.shares.cpu_limit, 150);
	assert_true(copy.shares.zswap_limited);
	assert_int_equal(copy.shares.zswap_limit, 64 * MIB);
	assert_true(copy.best_effort);
	json_decref(written);
	json_decref(again);
}

static void a_guest_needs_a_kernel_and_sound_numbers(void **state)
{
	struct vm_config config;
	char kernel[] = "vmlinuz";
	char empty[] = "";
	char latin1[] = "/boot/caf\xe9";
	char name[] = "a/b";

	(void)state;
	vm_config_init(&config);
	assert_check_fails(&config, "no kernel given");
	config.kernel = empty;
	assert_check_fails(&config, "kernel: can't be empty");
	config.kernel = latin1;
	assert_check_fails(&config, "kernel: must be valid UTF-8");
	config.kernel = kernel;
	config.append = empty;
	assert_int_equal(vm_config_check(&config, NULL), 0);
	config.cpus = 0;
	assert_check_fails(&config, "cpus: 0 is not from 1 to 8");
	config.cpus = 8;
	config.memory = 0;
	assert_check_fails(&config, "memory: 0B");
	config.memory = UINT64_MAX - 4095;
	assert_check_fails(&config, "more than a guest can have");
	config.memory = VM_MEMORY_MAX;
	assert_int_equal(vm_config_check(&config, NULL), 0);
	config.name = name;
	assert_check_fails(&config, "name: \"a/b\" can't be a guest's name");
}

static void a_balloon_is_read_and_written_in_words(void **state)
{
	static const struct {
		const char *text;
		unsigned options;
	} rows[] = {
		{ "all", VIRTIO_BALLOON_ALL },
		{ "none", 0 },
		{ "plain", VIRTIO_BALLOON_BASE },
		{ "hinting", VIRTIO_BALLOON_BASE | VIRTIO_BALLOON_HINTING },
		{ "stats,deflate-on-oom,reporting,hinting",
		  VIRTIO_BALLOON_ALL & ~VIRTIO_BALLOON_POISON },
	};
	static const char *const bad[] = { "",	   ",",		"stats,",      ",stats",
					   "stat", "stats,all", "plain,stats", "none,stats" };
	char buf[VM_BALLOON_TEXT_MAX];
	unsigned options;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(vm_balloon_from_text(rows[i].text, &options, NULL), 0);
		assert_int_equal(options, rows[i].options);
		assert_string_equal(vm_balloon_text(options, buf), rows[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_err_ struct err *err = NULL;

		assert_int_equal(vm_balloon_from_text(bad[i], &options, &err), -1);
		assert_non_null(strstr(err_message(err), "nothing that a balloon can do"));
	}
}

static void what_the_kernel_can_not_do_together_is_refused(void **state)
{
	struct vm_config config;
	char kernel[] = "vmlinuz";

	(void)state;
	vm_config_init(&config);
	config.kernel = kernel;
	config.ram.merge = true;
	assert_int_equal(vm_config_check(&config, NULL), 0);
	config.ram.backing = GUEST_RAM_MEMFD;
	assert_check_fails(&config, "merge: KSM merges anonymous memory only, and the backing is "
				    "memfd");
	config.ram.merge = false;
	config.ram.backing = GUEST_RAM_HUGETLB;
	assert_int_equal(vm_config_check(&config, NULL), 0);
	config.memory = 5 * MIB;
	assert_check_fails(&config, "memory: with backing hugetlb it must be a multiple of 2M");
	config.memory = 6 * MIB;
	config.ram.thp = GUEST_RAM_THP_NEVER;
	assert_check_fails(&config, "thp: backing hugetlb has huge pages of its own");
}

static void what_is_promised_fits_the_guest(void **state)
{
	struct vm_config config;
	char kernel[] = "vmlinuz";

	(void)state;
	vm_config_init(&config);
	config.kernel = kernel;
	assert_int_equal(config.guarantee, 0);
	assert_int_equal(config.shares.weight, 100);
	config.guarantee = 512 * MIB;
	assert_int_equal(vm_config_check(&config, NULL), 0);
	config.best_effort = true;
	assert_check_fails(&config, "guarantee: a guest of best effort is promised nothing");
	config.best_effort = false;
	config.guarantee = 513 * MIB;
	assert_check_fails(&config, "guarantee: 513M are more than the guest's memory (512M)");
	config.guarantee = 4097;
	assert_check_fails(&config, "guarantee: 4097 bytes are no multiple of 4096");
	config.guarantee = 4096;
	config.shares.weight = 0;
	assert_check_fails(&config, "weight: 0 is not from 1 to 10000");
	config.shares.weight = 10001;
	assert_check_fails(&config, "weight: 10001 is not from 1 to 10000");
	assert_not_read("{\"guarantee\": -1}", "guarantee: must be a size");
	assert_not_read("{\"guarantee\": true}", "guarantee: must be a size");
	assert_not_read("{\"weight\": 20000}", "weight: 20000 is not from 1 to 10000");
	assert_not_read("{\"weight\": \"1\"}", "weight: must be a whole number");
	assert_not_read("{\"cpu_limit\": 150}", "cpu_limit: must be a string such as \"150%\"");
	assert_not_read("{\"cpu_limit\": \"150\"}", "cpu_limit: \"150\" is not from 1% to 10000%");
	assert_not_read("{\"zswap_limit\": -1}", "zswap_limit: must be a size");
	assert_not_read("{\"zswap_limit\": 4097}", "zswap_limit: 4097 bytes are no multiple of");
	assert_not_read("{\"zswap_limit\": \"some\"}", "zswap_limit: \"some\" is not a size");
	assert_not_read("{\"best_effort\": 1}", "best_effort: must be true or false");
}

static void what_a_guest_is_promised_follows_from_what_it_is(void **state)
{
	struct vm_config config;
	struct promise promise;

	(void)state;
	vm_config_init(&config);
	config.guarantee = 128 * MIB;
	promise = vm_config_promise(&config);
	assert_int_equal(promise.memory, 512 * MIB);
	assert_int_equal(promise.limit, 512 * MIB);
	assert_int_equal(promise.guarantee, 128 * MIB);
	assert_int_equal(promise.overhead, promise_overhead(1, 512 * MIB, false));
	config.ram.merge = true;
	assert_int_equal(vm_config_promise(&config).overhead, promise_overhead(1, 512 * MIB, true));
	/* What can't be swapped is all guaranteed; what is set aside already needs nothing. */
	config.ram.lock = true;
	assert_int_equal(vm_config_promise(&config).guarantee, 512 * MIB);
	config.ram.backing = GUEST_RAM_HUGETLB;
	promise = vm_config_promise(&config);
	assert_int_equal(promise.memory, 0);
	assert_int_equal(promise.guarantee, 0);
	assert_true(promise.overhead > 0);
	config.best_effort = true;
	assert_true(vm_config_promise(&config).best_effort);
}

static void names_are_safe_as_file_names(void **state)
{
	static const char *const good[] = { "a", "web-1", "A.b_c", "_x", "9lives" };
	static const char *const bad[] = { "",	 ".",	"..",  "../x",	   "a/b",      ".lock",
					   "-d", "a b", "a\n", "\xc3\xa9", "a\x1b[2J", "a:b" };
	char longest[VM_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(vm_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_err_ struct err *err = NULL;

		assert_int_equal(vm_name_check(bad[i], &err), -1);
		assert_int_equal(err_code(err), ERR_USAGE);
	}
	memset(longest, 'x', sizeof(longest));
	longest[VM_NAME_MAX + 1] = '\0';
	assert_int_equal(vm_name_check(longest, NULL), -1);
	longest[VM_NAME_MAX] = '\0';
	assert_int_equal(vm_name_check(longest, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_is_read),
		cmocka_unit_test(members_that_are_missing_stay_as_they_were),
		cmocka_unit_test(memory_may_be_a_number_of_bytes),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_refused_object_changes_nothing),
		cmocka_unit_test(json_that_was_written_reads_back_the_same),
		cmocka_unit_test(a_guest_needs_a_kernel_and_sound_numbers),
		cmocka_unit_test(a_balloon_is_read_and_written_in_words),
		cmocka_unit_test(what_the_kernel_can_not_do_together_is_refused),
		cmocka_unit_test(what_is_promised_fits_the_guest),
		cmocka_unit_test(what_a_guest_is_promised_follows_from_what_it_is),
		cmocka_unit_test(names_are_safe_as_file_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
