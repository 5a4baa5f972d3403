/* SPDX-License-Identifier: Apache-2.0 */
/* What a host must or should offer: see doctor_checks.h. */
#include "cmd/doctor_checks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/ksm.h"
#include "host/meminfo.h"
#include "host/psi.h"
#include "host/zswap.h"
#include "ledger/place.h"

#define THP_ENABLED "sys/kernel/mm/transparent_hugepage/enabled"

__attribute__((format(printf, 3, 4))) static void
found(struct doctor_finding *finding, enum doctor_level level, const char *fmt, ...)
{
	va_list args;

	finding->level = level;
	va_start(args, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3))) static void mend(struct doctor_finding *finding,
						       const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(finding->mend, sizeof(finding->mend), fmt, args);
	va_end(args);
}

static const char *kvm_module(int root_fd)
{
	_cleanup_free_ char *cpuinfo = NULL;

	if (host_read_text(root_fd, "proc/cpuinfo", &cpuinfo, NULL) == 0) {
		if (strstr(cpuinfo, " svm"))
			return "kvm_amd";
		if (strstr(cpuinfo, " vmx"))
			return "kvm_intel";
	}
	return NULL;
}

static void examine_kvm(const struct doctor_host *host, struct doctor_finding *f)
{
	_cleanup_err_ struct err *err = NULL;

	if (host->probe_kvm(&err) == 0) {
		found(f, DOCTOR_OK, "/dev/kvm runs guests");
		return;
	}
	found(f, DOCTOR_MISSING, "%s", err_message(err));

	const char *module = kvm_module(host->root_fd);

	if (host_exists(host->root_fd, "dev/kvm") && !host_writable(host->root_fd, "dev/kvm"))
		mend(f, "usermod -aG kvm $USER, and log in again");
	else if (module && !host_exists(host->root_fd, "dev/kvm"))
		mend(f, "modprobe %s", module);
	else
		mend(f, "turn on virtualization in the firmware, or nested virtualization in the "
			"hypervisor outside");
}

static void examine_cgroup(const struct doctor_host *host, struct doctor_finding *f)
{
	static const char *const parameters =
	    "kernel parameters systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all";
	_cleanup_err_ struct err *err = NULL;
	struct ledger_place place;
	struct host_cgroup cgroup;

	if (host_read_cgroup(host->root_fd, &cgroup, &err) < 0) {
		found(f, DOCTOR_MISSING, "can't be read: %s", err_message(err));
		mend(f, "mount -t cgroup2 none /sys/fs/cgroup");
	} else if (cgroup.v1_memory) {
		found(f, DOCTOR_MISSING, "memory is controlled by version 1");
		mend(f, "%s", parameters);
	} else if (!cgroup.mounted) {
		found(f, DOCTOR_MISSING, "version 2 is not mounted");
		mend(f, "mount -t cgroup2 none /sys/fs/cgroup");
	} else if (ledger_find_own(host->root_fd, &place, &err) < 0) {
		found(f, DOCTOR_WARNING, "version 2 at /%s, but no place in it: %s", cgroup.mount,
		      err_message(err));
		mend(f, "run lodge as root, or in a group of this user's own");
	} else {
		found(f, DOCTOR_OK, "version 2 at /%s, guests in /%s", cgroup.mount, place.slice);
	}
}

static void examine_controllers(const struct doctor_host *host, struct doctor_finding *f)
{
	static const struct {
		enum host_controller bit;
		const char *name;
	} wanted[] = {
		{ HOST_CONTROLLER_CPU, "cpu" },
		{ HOST_CONTROLLER_IO, "io" },
		{ HOST_CONTROLLER_MEMORY, "memory" },
		{ HOST_CONTROLLER_PIDS, "pids" },
	};
	struct host_cgroup cgroup = { 0 };
	char lacking[64] = ""; /* room for all of them */
	size_t used = 0;

	host_read_cgroup(host->root_fd, &cgroup, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!(cgroup.controllers & wanted[i].bit))
			used += (size_t)snprintf(lacking + used, sizeof(lacking) - used, " %s",
						 wanted[i].name);
	if (!*lacking) {
		found(f, DOCTOR_OK, "cpu io memory pids");
		return;
	}
	found(f, DOCTOR_MISSING, "version 2 lacks%s", lacking);
	if (cgroup.mounted && !cgroup.v1_memory && !(cgroup.controllers & HOST_CONTROLLER_MEMORY))
		mend(f, "kernel parameter cgroup_enable=memory");
	else
		mend(f, "kernel parameter cgroup_no_v1=all");
}

static void examine_memory(const struct doctor_host *host, struct doctor_finding *f)
{
	_cleanup_err_ struct err *err = NULL;
	struct host_meminfo meminfo;
	char total[SIZE_TEXT_MAX];
	char available[SIZE_TEXT_MAX];

	if (host_read_meminfo(host->root_fd, &meminfo, &err) < 0) {
		found(f, DOCTOR_MISSING, "can't be read: %s", err_message(err));
		mend(f, "mount -t proc none /proc");
		return;
	}
	found(f, DOCTOR_OK, "%s, of which %s available", size_format(meminfo.total, total),
	      size_format(meminfo.available, available));
}

static void examine_swap(const struct doctor_host *host, struct doctor_finding *f)
{
	struct host_swap swap = { 0 };
	char disk[SIZE_TEXT_MAX];
	char used[SIZE_TEXT_MAX];

	if (host_read_swap(host->root_fd, &swap, NULL) == 0 && swap.disk > 0) {
		found(f, DOCTOR_OK, "%s on disk, of which %s used", size_format(swap.disk, disk),
		      size_format(swap.disk_used, used));
		return;
	}
	if (swap.zram > 0)
		found(f, DOCTOR_WARNING, "only zram, which is RAM itself and counts as nothing");
	else
		found(f, DOCTOR_MISSING, "none");
	mend(f, "fallocate -l 8G /swapfile && chmod 600 /swapfile && mkswap /swapfile && "
		"swapon /swapfile");
}

static void examine_zswap(const struct doctor_host *host, struct doctor_finding *f)
{
	_cleanup_free_ char *enabled = NULL;

	if (host_read_text(host->root_fd, HOST_ZSWAP_ENABLED_PATH, &enabled, NULL) < 0) {
		found(f, DOCTOR_MISSING, "not in this kernel");
		mend(f, "apt install linux-image-amd64 (the \"cloud\" kernels lack it)");
	} else if (*enabled != 'Y') {
		found(f, DOCTOR_WARNING, "off");
		mend(f, "echo Y > /" HOST_ZSWAP_ENABLED_PATH);
	} else {
		found(f, DOCTOR_OK, "on");
	}
}

static void examine_ksm(const struct doctor_host *host, struct doctor_finding *f)
{
	uint64_t run;

	if (host_read_number(host->root_fd, HOST_KSM_RUN_PATH, &run, NULL) < 0) {
		found(f, DOCTOR_MISSING, "not in this kernel");
		mend(f, "apt install linux-image-amd64 (it needs CONFIG_KSM)");
	} else if (run != 1) {
		found(f, DOCTOR_WARNING, "off");
		mend(f, "lodged, for guests started with --merge (or echo 1 > /" HOST_KSM_RUN_PATH
			")");
	} else {
		found(f, DOCTOR_OK, "on");
	}
}

static void examine_thp(const struct doctor_host *host, struct doctor_finding *f)
{
	char mode[32];

	if (host_read_choice(host->root_fd, THP_ENABLED, mode, sizeof(mode), NULL) < 0) {
		found(f, DOCTOR_MISSING, "not in this kernel");
		mend(f, "apt install linux-image-amd64 (it needs CONFIG_TRANSPARENT_HUGEPAGE)");
	} else if (strcmp(mode, "never") == 0) {
		found(f, DOCTOR_WARNING, "never");
		mend(f, "echo madvise > /" THP_ENABLED);
	} else {
		found(f, DOCTOR_OK, "%s", mode);
	}
}

static void examine_psi(const struct doctor_host *host, struct doctor_finding *f)
{
	struct host_psi psi;

	if (host_read_psi(host->root_fd, "memory", &psi, NULL) < 0) {
		found(f, DOCTOR_MISSING, "off");
		mend(f, "kernel parameter psi=1");
		return;
	}
	found(f, DOCTOR_OK, "on");
}

static void examine_damon(const struct doctor_host *host, struct doctor_finding *f)
{
	if (!host_exists(host->root_fd, "sys/kernel/mm/damon/admin")) {
		found(f, DOCTOR_MISSING, "not in this kernel");
		mend(f, "a kernel with CONFIG_DAMON_SYSFS, such as Debian's 6.12 "
			"(bookworm-backports)");
		return;
	}
	found(f, DOCTOR_OK, "there");
}

static void examine_userfaultfd(const struct doctor_host *host, struct doctor_finding *f)
{
	int errnum = host->try_userfaultfd();

	if (errnum == 0) {
		found(f, DOCTOR_OK, "there");
	} else if (errnum == EPERM) {
		found(f, DOCTOR_WARNING, "not for this user");
		mend(f, "sysctl vm.unprivileged_userfaultfd=1");
	} else {
		found(f, DOCTOR_MISSING, "%s", strerror(errnum));
		mend(f, "a kernel with CONFIG_USERFAULTFD");
	}
}

static void examine_io_uring(const struct doctor_host *host, struct doctor_finding *f)
{
	int errnum = host->try_io_uring();

	if (errnum == 0) {
		found(f, DOCTOR_OK, "there");
	} else if (errnum == EPERM) {
		found(f, DOCTOR_WARNING, "not for this user");
		mend(f, "sysctl kernel.io_uring_disabled=0");
	} else {
		found(f, DOCTOR_MISSING, "%s", strerror(errnum));
		mend(f, "a kernel with CONFIG_IO_URING");
	}
}

static void examine_node(const struct doctor_host *host, const char *path, const char *module,
			 struct doctor_finding *f)
{
	if (!host_exists(host->root_fd, path)) {
		found(f, DOCTOR_MISSING, "no /%s", path);
		mend(f, "modprobe %s", module);
	} else if (!host_writable(host->root_fd, path)) {
		found(f, DOCTOR_WARNING, "/%s is not for this user", path);
		mend(f, "run lodge as root, or setfacl -m u:$USER:rw /%s", path);
	} else {
		found(f, DOCTOR_OK, "/%s", path);
	}
}

static void examine_tun(const struct doctor_host *host, struct doctor_finding *f)
{
	examine_node(host, "dev/net/tun", "tun", f);
}

static void examine_vhost_net(const struct doctor_host *host, struct doctor_finding *f)
{
	examine_node(host, "dev/vhost-net", "vhost_net", f);
}

static void examine_vhost_vsock(const struct doctor_host *host, struct doctor_finding *f)
{
	examine_node(host, "dev/vhost-vsock", "vhost_vsock", f);
}

static void examine_rights(const struct doctor_host *host, struct doctor_finding *f)
{
	if (host->uid == 0) {
		found(f, DOCTOR_OK, "root");
		return;
	}
	found(f, DOCTOR_WARNING, "user %u: guests run, but their memory can't be guaranteed",
	      (unsigned)host->uid);
	mend(f, "run lodge as root");
}

const struct doctor_check doctor_checks[] = {
	{ "kvm", "running guests at all", examine_kvm },
	{ "rights", "control groups, KSM, the host's settings", examine_rights },
	{ "cgroup", "guarantees and limits of memory", examine_cgroup },
	{ "controllers", "guarantees and limits of memory, processors and disks",
	  examine_controllers },
	{ "memory", "guests' RAM", examine_memory },
	{ "swap", "more guests than RAM", examine_swap },
	{ "zswap", "faster swap, by compressing it in RAM first", examine_zswap },
	{ "ksm", "sharing equal pages between guests", examine_ksm },
	{ "thp", "huge pages, which make guests faster", examine_thp },
	{ "psi", "seeing which guests wait for memory", examine_psi },
	{ "damon", "seeing which memory guests really use", examine_damon },
	{ "userfaultfd", "starting guests from saved states before they're loaded",
	  examine_userfaultfd },
	{ "io_uring", "fast disks", examine_io_uring },
	{ "tun", "networks between guests and host", examine_tun },
	{ "vhost-net", "fast networks", examine_vhost_net },
	{ "vhost-vsock", "sockets between host and guest", examine_vhost_vsock },
};

const size_t doctor_n_checks = ARRAY_SIZE(doctor_checks);

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = { "ok", "warning", "missing" };

	return names[level];
}
