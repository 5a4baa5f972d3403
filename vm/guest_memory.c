/* SPDX-License-Identifier: Apache-2.0 */
/* The one gate to guest memory: see guest_memory.h. */
#include "vm/guest_memory.h"

#include <string.h>

#include "base/err.h"

int guest_memory_add(struct guest_memory *memory, uint64_t gpa, uint64_t len, void *hva,
		     struct err **err)
{
	uint64_t end;

	if (memory->n_regions == GUEST_MEMORY_REGIONS_MAX)
		return err_set(err, ERR_FAILED, 0, "guest memory: too many regions");
	if (len == 0 || __builtin_add_overflow(gpa, len, &end))
		return err_set(err, ERR_FAILED, 0, "guest memory: bad region");
	for (size_t i = 0; i < memory->n_regions; i++) {
		const struct guest_memory_region *r = &memory->regions[i];

		if (gpa < r->gpa + r->len && r->gpa < end)
			return err_set(err, ERR_FAILED, 0, "guest memory: regions overlap");
	}
	memory->regions[memory->n_regions++] = (struct guest_memory_region){ .gpa = gpa,
									     .len = len,
									     .hva = hva };
	return 0;
}

void *guest_memory_range(const struct guest_memory *memory, uint64_t gpa, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (size_t i = 0; i < memory->n_regions; i++) {
		const struct guest_memory_region *r = &memory->regions[i];

		/* Written so that nothing can wrap: r->len and the offset are both within a
		 * region, which was checked when it was added. */
		if (gpa >= r->gpa && gpa - r->gpa < r->len && len <= r->len - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	return NULL;
}

int guest_memory_write(const struct guest_memory *memory, uint64_t gpa, const void *buf, size_t len)
{
	void *hva = guest_memory_range(memory, gpa, len);

	if (!hva)
		return -1;
	memcpy(hva, buf, len);
	return 0;
}
