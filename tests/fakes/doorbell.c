/* SPDX-License-Identifier: Apache-2.0 */
/* vm/doorbell.h without KVM: see fakes.h. */
#include "vm/doorbell.h"

#include <unistd.h>

#include "base/err.h"
#include "tests/fakes/fakes.h"

static struct fake_doorbell *find(uint64_t gpa)
{
	for (unsigned i = 0; i < FAKE_DOORBELLS_MAX; i++)
		if (fakes.doorbells[i].live && fakes.doorbells[i].gpa == gpa)
			return &fakes.doorbells[i];
	return NULL;
}

int vm_doorbell_add(struct vm *vm, uint64_t gpa, int event_fd, struct err **err)
{
	(void)vm;
	if (find(gpa))
		return err_set(err, ERR_FAILED, 0, "a doorbell is there already");
	for (unsigned i = 0; i < FAKE_DOORBELLS_MAX && !fakes.fail_doorbells; i++) {
		if (fakes.doorbells[i].live)
			continue;
		fakes.doorbells[i] = (struct fake_doorbell){ .live = true,
							     .gpa = gpa,
							     .event_fd = event_fd };
		return 0;
	}
	return err_set(err, ERR_FAILED, 0, "no more doorbells");
}

void vm_doorbell_remove(struct vm *vm, uint64_t gpa, int event_fd)
{
	struct fake_doorbell *doorbell = find(gpa);

	(void)vm;
	if (doorbell && doorbell->event_fd == event_fd)
		doorbell->live = false;
}

bool fake_doorbell_ring(uint64_t gpa)
{
	const struct fake_doorbell *doorbell = find(gpa);
	const uint64_t one = 1;

	return doorbell && write(doorbell->event_fd, &one, sizeof(one)) == (ssize_t)sizeof(one);
}
