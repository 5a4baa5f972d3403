/* SPDX-License-Identifier: Apache-2.0 */
/* Doorbells: see doorbell.h. */
#include "vm/doorbell.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "vm/internal.h"

int vm_doorbell_add(struct vm *vm, uint64_t gpa, int event_fd, struct err **err)
{
	/* Length 0 matches writes of any length. */
	struct kvm_ioeventfd doorbell = { .addr = gpa, .fd = event_fd };

	if (ioctl(vm->fd, KVM_IOEVENTFD, &doorbell) < 0)
		return err_set(err, ERR_FAILED, errno, "KVM: doorbell at 0x%" PRIx64, gpa);
	return 0;
}

void vm_doorbell_remove(struct vm *vm, uint64_t gpa, int event_fd)
{
	struct kvm_ioeventfd doorbell = { .addr = gpa,
					  .fd = event_fd,
					  .flags = KVM_IOEVENTFD_FLAG_DEASSIGN };

	ioctl(vm->fd, KVM_IOEVENTFD, &doorbell);
}
