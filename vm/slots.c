/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's memory slots: guest RAM, and the windows of window.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "vm/internal.h"
#include "vm/window.h"

int vm_slot_set(struct vm *vm, uint64_t gpa, void *hva, uint64_t len, bool read_only,
		unsigned *ret_slot, struct err **err)
{
	if (vm->slots_used == UINT64_MAX)
		return err_set(err, ERR_FAILED, 0, "KVM: no memory slot left");

	unsigned slot = (unsigned)__builtin_ctzll(~vm->slots_used);
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = read_only ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)hva,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_set(err, ERR_FAILED, errno,
			       "KVM: memory slot of 0x%" PRIx64 " bytes at 0x%" PRIx64, len, gpa);
	vm->slots_used |= UINT64_C(1) << slot;
	*ret_slot = slot;
	return 0;
}

void vm_slot_clear(struct vm *vm, unsigned slot)
{
	struct kvm_userspace_memory_region region = { .slot = slot };

	ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	vm->slots_used &= ~(UINT64_C(1) << slot);
}

struct vm_window {
	struct vm *vm;
	unsigned slot;
};

int vm_window_new(struct vm *vm, uint64_t gpa, void *hva, uint64_t len,
		  struct vm_window **ret_window, struct err **err)
{
	struct vm_window *window = calloc(1, sizeof(*window));

	if (!window)
		return err_set(err, ERR_NO_SPACE, errno, "window");
	window->vm = vm;
	if (vm_slot_set(vm, gpa, hva, len, true, &window->slot, err) < 0) {
		free(window);
		return err_wrap(err, "window");
	}
	*ret_window = window;
	return 0;
}

void vm_window_free(struct vm_window *window)
{
	if (!window)
		return;
	vm_slot_clear(window->vm, window->slot);
	free(window);
}
