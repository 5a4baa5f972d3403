/* SPDX-License-Identifier: Apache-2.0 */
/* The host's memory at one moment: see view.h. */
#include "host/view.h"

#include "base/err.h"
#include "host/file.h"

#define THP_DIR "sys/kernel/mm/transparent_hugepage/"

static void read_choice(int root_fd, const char *path, char choice[16])
{
	if (host_read_choice(root_fd, path, choice, 16, NULL) < 0)
		choice[0] = '\0';
}

int host_read_view(int root_fd, struct host_view *ret_view, struct err **err)
{
	struct host_view view = { 0 };

	if (host_read_meminfo(root_fd, &view.memory, err) < 0 ||
	    host_read_swap(root_fd, &view.swap, err) < 0)
		return -1;
	view.has_zswap = host_read_zswap(root_fd, &view.zswap, NULL) == 0;
	view.has_ksm = host_read_ksm(root_fd, &view.ksm, NULL) == 0;
	view.has_psi = host_read_psi(root_fd, "memory", &view.psi, NULL) == 0;
	read_choice(root_fd, THP_DIR "enabled", view.thp);
	read_choice(root_fd, THP_DIR "shmem_enabled", view.thp_shmem);
	*ret_view = view;
	return 0;
}
