/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure stall information: see psi.h. */
#include "host/psi.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/file.h"

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static bool read_line(const char *text, const char *kind, uint64_t *ret_us, unsigned *ret_avg10)
{
	const char *line = strstr(text, kind);
	const char *total = line ? strstr(line, "total=") : NULL;
	unsigned whole;
	unsigned hundredths;

	if (!total || sscanf(line, "%*s avg10=%3u.%2u", &whole, &hundredths) != 2)
		return false;
	*ret_avg10 = whole * 100 + hundredths;
	total += strlen("total=");
	return host_scan_number(&total, ret_us);
}

int host_read_psi(int root_fd, const char *resource, struct host_psi *ret_psi, struct err **err)
{
	_cleanup_free_ char *text = NULL;
	struct host_psi psi;
	char path[64];

	snprintf(path, sizeof(path), "proc/pressure/%s", resource);
	if (host_read_text(root_fd, path, &text, err) < 0)
		return -1;
	if (!read_line(text, "some ", &psi.some_us, &psi.some_avg10) ||
	    !read_line(text, "full ", &psi.full_us, &psi.full_avg10))
		return err_set(err, ERR_FAILED, 0, "/%s has an unknown form", path);
	*ret_psi = psi;
	return 0;
}
