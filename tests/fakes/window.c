/* SPDX-License-Identifier: Apache-2.0 */
/* vm/window.h without KVM: see fakes.h. */
#include "vm/window.h"

#include <string.h>

#include "base/err.h"
#include "tests/fakes/fakes.h"

struct vm *fake_vm(void)
{
	return (struct vm *)&fakes;
}

int vm_window_new(struct vm *vm, uint64_t gpa, void *hva, uint64_t len,
		  struct vm_window **ret_window, struct err **err)
{
	(void)vm;
	for (unsigned i = 0; i < FAKE_WINDOWS_MAX && !fakes.fail_windows; i++) {
		struct fake_window *window = &fakes.windows[i];

		if (window->live)
			continue;
		*window = (struct fake_window){ .live = true, .gpa = gpa, .hva = hva, .len = len };
		fakes.windows_made++;
		*ret_window = (struct vm_window *)window;
		return 0;
	}
	return err_set(err, ERR_FAILED, 0, "no more windows");
}

void vm_window_free(struct vm_window *window)
{
	if (window)
		((struct fake_window *)window)->live = false;
}

bool fake_window_read(uint64_t gpa, void *data, size_t len)
{
	for (unsigned i = 0; i < FAKE_WINDOWS_MAX; i++) {
		const struct fake_window *w = &fakes.windows[i];

		if (w->live && gpa >= w->gpa && gpa - w->gpa < w->len &&
		    len <= w->len - (gpa - w->gpa)) {
			memcpy(data, w->hva + (gpa - w->gpa), len);
			return true;
		}
	}
	return false;
}
