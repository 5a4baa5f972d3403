/* SPDX-License-Identifier: Apache-2.0 */
/* zswap: see zswap.h. */
#include "host/zswap.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/fields.h"
#include "host/file.h"

int host_read_zswap(int root_fd, struct host_zswap *ret_zswap, struct err **err)
{
	_cleanup_free_ char *enabled = NULL;
	_cleanup_free_ char *compressor = NULL;
	struct host_zswap zswap = { 0 };

	if (host_read_text(root_fd, HOST_ZSWAP_ENABLED_PATH, &enabled, err) < 0)
		return -1;
	zswap.enabled = *enabled == 'Y';
	if (host_read_text(root_fd, "sys/module/zswap/parameters/compressor", &compressor, NULL) ==
	    0)
		snprintf(zswap.compressor, sizeof(zswap.compressor), "%s", compressor);
	zswap.max_percent = host_read_known(root_fd,
					    "sys/module/zswap/parameters/max_pool_percent");
	*ret_zswap = zswap;
	return 0;
}
