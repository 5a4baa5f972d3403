/* SPDX-License-Identifier: Apache-2.0 */
/* lodge doctor: what this host offers and lacks, and what mends it. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/command.h"
#include "cmd/doctor_checks.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "vm/kvm_probe.h"

static int try_userfaultfd(void)
{
	_cleanup_close_ int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

static int try_io_uring(void)
{
	struct io_uring_params params = { 0 };
	_cleanup_close_ int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	return fd < 0 ? errno : 0;
}

static void print_finding(const struct doctor_check *check, const struct doctor_finding *f)
{
	printf("%-9s%-13s%s\n", doctor_level_name(f->level), check->name, f->text);
	if (f->level == DOCTOR_OK)
		return;
	printf("%22sfor:  %s\n", "", check->purpose);
	if (*f->mend)
		printf("%22smend: %s\n", "", f->mend);
}

static json_t *finding_to_json(const struct doctor_check *check, const struct doctor_finding *f)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "check", check->name, "level",
			 doctor_level_name(f->level), "text", f->text, "purpose", check->purpose,
			 "mend", f->mend);
}

static int examine_host(bool json)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct doctor_host host = {
		.root_fd = root_fd,
		.uid = geteuid(),
		.probe_kvm = kvm_probe,
		.try_userfaultfd = try_userfaultfd,
		.try_io_uring = try_io_uring,
	};
	json_t *list = json ? json_array() : NULL;
	bool usable = false;

	for (size_t i = 0; i < doctor_n_checks; i++) {
		struct doctor_finding f = { 0 };

		doctor_checks[i].examine(&host, &f);
		/* The only one that guests can't do without. */
		if (strcmp(doctor_checks[i].name, "kvm") == 0)
			usable = f.level == DOCTOR_OK;
		if (json)
			json_array_append_new(list, finding_to_json(&doctor_checks[i], &f));
		else
			print_finding(&doctor_checks[i], &f);
	}
	if (json) {
		json_t *report = json_pack("{s:b, s:o}", "usable", usable, "checks", list);

		report_json(report);
		json_decref(report);
	} else {
		puts(usable ? "\nGuests can run here." : "\nGuests can't run here.");
	}
	return usable ? 0 : ERR_NO_KVM;
}

static int probe_kvm_only(void)
{
	_cleanup_err_ struct err *err = NULL;

	if (kvm_probe(&err) < 0) {
		puts(err_message(err));
		return ERR_NO_KVM;
	}
	puts("/dev/kvm runs guests");
	return 0;
}

static const struct command_option options[] = {
	{ "json", 'j', NULL, "as JSON, for programs" },
	{ "probe-kvm", 'k', NULL, "only say, in one line, whether KVM runs guests" },
	{ 0 },
};

static int run_doctor(int argc, char **argv)
{
	bool json = false;
	bool probe = false;
	const char *value;
	int status;
	int c;

	while ((c = options_next(&cmd_doctor, argc, argv, &value, &status)) >= 0) {
		json |= c == 'j';
		probe |= c == 'k';
	}
	if (c == OPTIONS_EXIT || options_operands(&cmd_doctor, argc, 0, 0, NULL, &status) < 0)
		return status;
	return report_flush(probe ? probe_kvm_only() : examine_host(json));
}

const struct command cmd_doctor = {
	.name = "doctor",
	.operands = "[--json] [--probe-kvm]",
	.summary = "Says what this host offers and lacks, and what mends it",
	.details = "The exit status is 0 if guests can run here, and 5 if KVM can't be used.\n",
	.options = options,
	.run = run_doctor,
};
