/* SPDX-License-Identifier: Apache-2.0 */
/* lodge set NAME cpu-limit=PERCENT zswap-limit=SIZE: what the guest may use of processors and of
 * zswap, held by the kernel. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmd/guest_promise.h"
#include "cmd/report.h"
#include "cmd/set.h"
#include "host/file.h"
#include "ledger/shares.h"

/* No limit on zswap, as a key's value. */
static const uint64_t unlimited = UINT64_MAX;

/* Whether there's such a file of the guest's group, and this user may write to it. */
static int check_file(const struct set_guest *guest, const char *file, const char *lacking,
		      struct err **err)
{
	struct guest_promise standing;
	char path[PATH_MAX];

	if (guest_promise_read(guest->root_fd, guest->show, &standing, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/%s/%s", standing.slice, standing.name, file);
	if (!host_exists(guest->root_fd, path))
		return err_set(err, ERR_REFUSED, 0, "there is no /%s: %s", path, lacking);
	if (!host_writable(guest->root_fd, path))
		return err_set(err, ERR_DENIED, 0, "this user may not write to /%s", path);
	return 0;
}

static int report_failure(const struct set_guest *guest, struct err *err)
{
	err_wrap(&err, "guest %s", guest->name);
	return report_err(&err);
}

int set_parse_cpu_limit(const char *text, uint64_t *ret_value, struct err **err)
{
	unsigned percent;

	if (shares_parse_cpu_limit(text, &percent, err) < 0)
		return -1;
	*ret_value = percent;
	return 0;
}

int set_check_cpu_limit(const struct set_guest *guest, uint64_t value, struct err **err)
{
	(void)value;
	return check_file(guest, "cpu.max", "guests' cgroups have no cpu controller", err);
}

int set_apply_cpu_limit(const struct set_guest *guest, uint64_t value)
{
	struct guest_promise standing;
	char texts[2][SHARES_TEXT_MAX];
	struct err *err = NULL;

	if (guest_promise_read(guest->root_fd, guest->show, &standing, &err) < 0 ||
	    ledger_write_cpu_limit(guest->root_fd, standing.slice, standing.name, (unsigned)value,
				   &err) < 0)
		return report_failure(guest, err);
	printf("cpu-limit: %s (before: %s)\n", shares_format_cpu_limit((unsigned)value, texts[0]),
	       shares_format_cpu_limit(standing.shares.cpu_limit, texts[1]));
	return 0;
}

int set_parse_zswap_limit(const char *text, uint64_t *ret_value, struct err **err)
{
	uint64_t bytes;
	bool limited;

	if (shares_parse_zswap_limit(text, &limited, &bytes, err) < 0)
		return -1;
	*ret_value = limited ? bytes : unlimited;
	return 0;
}

int set_check_zswap_limit(const struct set_guest *guest, uint64_t value, struct err **err)
{
	(void)value;
	return check_file(guest, "memory.zswap.max",
			  "this host's kernel can't limit zswap by group (Linux 5.19 with zswap)",
			  err);
}

int set_apply_zswap_limit(const struct set_guest *guest, uint64_t value)
{
	bool limited = value != unlimited;
	struct guest_promise standing;
	char texts[2][SHARES_TEXT_MAX];
	struct err *err = NULL;

	if (guest_promise_read(guest->root_fd, guest->show, &standing, &err) < 0 ||
	    ledger_write_zswap_limit(guest->root_fd, standing.slice, standing.name, limited, value,
				     &err) < 0)
		return report_failure(guest, err);
	printf("zswap-limit: %s (before: %s)\n",
	       shares_format_zswap_limit(limited, value, texts[0]),
	       shares_format_zswap_limit(standing.shares.zswap_limited, standing.shares.zswap_limit,
					 texts[1]));
	return 0;
}
