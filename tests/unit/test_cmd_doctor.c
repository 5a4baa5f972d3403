/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor finds on recorded hosts. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/doctor_checks.h"

static int works(void)
{
	return 0;
}

static int forbidden(void)
{
	return EPERM;
}

static int absent(void)
{
	return ENOSYS;
}

static int kvm_works(struct err **err)
{
	(void)err;
	return 0;
}

static int kvm_fails(struct err **err)
{
	return err_set(err, ERR_NO_KVM, 0, "it runs nothing");
}

static const struct doctor_host good_host = {
	.probe_kvm = kvm_works,
	.try_userfaultfd = works,
	.try_io_uring = works,
};

static const struct doctor_host bad_host = {
	.uid = 1000,
	.probe_kvm = kvm_fails,
	.try_userfaultfd = forbidden,
	.try_io_uring = absent,
};

static struct doctor_finding examine(const struct doctor_host *host, const char *tree,
				     const char *check)
{
	struct doctor_host h = *host;
	struct doctor_finding f = { 0 };
	char path[4096];

	snprintf(path, sizeof(path), "%s/trees/%s", TEST_SOURCE_DIR, tree);
	_cleanup_close_ int root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(root_fd >= 0);
	h.root_fd = root_fd;
	for (size_t i = 0; i < doctor_n_checks; i++)
		if (strcmp(doctor_checks[i].name, check) == 0) {
			doctor_checks[i].examine(&h, &f);
			return f;
		}
	fail_msg("no check %s", check);
	return f;
}

static void a_good_host_has_nothing_to_mend(void **state)
{
	(void)state;
	for (size_t i = 0; i < doctor_n_checks; i++) {
		struct doctor_finding f = examine(&good_host, "debian", doctor_checks[i].name);

		assert_string_equal(f.mend, "");
		assert_string_not_equal(f.text, "");
		assert_int_equal(f.level, DOCTOR_OK);
	}
}

static void a_bad_host_is_told_how_to_mend_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < doctor_n_checks; i++) {
		struct doctor_finding f = examine(&bad_host, "bare", doctor_checks[i].name);

		assert_int_not_equal(f.level, DOCTOR_OK);
		assert_string_not_equal(f.mend, "");
		assert_string_not_equal(f.text, "");
	}
}

static void assert_found(const struct doctor_host *host, const char *tree, const char *check,
			 enum doctor_level level, const char *text, const char *mend)
{
	struct doctor_finding f = examine(host, tree, check);

	assert_int_equal(f.level, level);
	assert_non_null(strstr(f.text, text));
	assert_non_null(strstr(f.mend, mend));
}

static void each_lack_has_its_own_command(void **state)
{
	static const struct {
		const char *check;
		enum doctor_level level;
		const char *text;
		const char *mend;
	} rows[] = {
		{ "kvm", DOCTOR_MISSING, "it runs nothing", "modprobe kvm_intel" },
		{ "rights", DOCTOR_WARNING, "user 1000", "as root" },
		{ "cgroup", DOCTOR_MISSING, "version 1", "cgroup_no_v1=all" },
		{ "controllers", DOCTOR_MISSING, "cpu io memory pids", "cgroup_no_v1=all" },
		{ "memory", DOCTOR_MISSING, "can't be read", "/proc" },
		{ "swap", DOCTOR_MISSING, "none", "swapon" },
		{ "zswap", DOCTOR_WARNING, "off", "echo Y > /sys/module/zswap" },
		{ "ksm", DOCTOR_WARNING, "off",
		  "lodged, for guests started with --merge (or echo 1 > /sys/kernel/mm/ksm/run)" },
		{ "thp", DOCTOR_WARNING, "never", "echo madvise" },
		{ "psi", DOCTOR_MISSING, "off", "psi=1" },
		{ "damon", DOCTOR_MISSING, "kernel", "CONFIG_DAMON" },
		{ "userfaultfd", DOCTOR_WARNING, "user", "unprivileged_userfaultfd=1" },
		{ "io_uring", DOCTOR_MISSING, "not implemented", "CONFIG_IO_URING" },
		{ "tun", DOCTOR_MISSING, "/dev/net/tun", "modprobe tun" },
		{ "vhost-net", DOCTOR_MISSING, "/dev/vhost-net", "modprobe vhost_net" },
		{ "vhost-vsock", DOCTOR_MISSING, "/dev/vhost-vsock", "modprobe vhost_vsock" },
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), doctor_n_checks);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_found(&bad_host, "bare", rows[i].check, rows[i].level, rows[i].text,
			     rows[i].mend);
}

static void a_kvm_that_is_there_and_broken_is_not_mended_by_a_module(void **state)
{
	(void)state;
	assert_found(&bad_host, "debian", "kvm", DOCTOR_MISSING, "it runs nothing",
		     "nested virtualization");
}

static void kvm_comes_first(void **state)
{
	(void)state;
	assert_string_equal(doctor_checks[0].name, "kvm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_host_has_nothing_to_mend),
		cmocka_unit_test(a_bad_host_is_told_how_to_mend_everything),
		cmocka_unit_test(each_lack_has_its_own_command),
		cmocka_unit_test(a_kvm_that_is_there_and_broken_is_not_mended_by_a_module),
		cmocka_unit_test(kvm_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
