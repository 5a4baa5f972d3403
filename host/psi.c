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
	const char *avg10 = line ? strstr(line, "avg10=") : NULL;
	const char *total = line ? strstr(line, "total=") : NULL;
	uint64_t percent;
	uint64_t hundredths;

	if (!avg10 || !total)
		return false;
	avg10 += strlen("avg10=");
	if (!host_scan_number(&avg10, &percent) || *avg10++ != '.' ||
	    !host_scan_number(&avg10, &hundredths))
		return false;
	total += strlen("total=");
	if (!host_scan_number(&total, ret_us))
		return false;
	*ret_avg10 = (unsigned)(percent * 100 + hundredths);
	return true;
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
