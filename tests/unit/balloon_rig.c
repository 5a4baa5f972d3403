/* SPDX-License-Identifier: Apache-2.0 */
/* A balloon for tests: see balloon_rig.h. */
#include "tests/unit/balloon_rig.h"

#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "mem/guest_ram.h"
#include "tests/fakes/fakes.h"

struct balloon_rig rig;

static void on_changed(void *opaque)
{
	((struct balloon_rig *)opaque)->changes++;
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void plug(unsigned options)
{
	const struct virtio_balloon_host host = { rig.ram, on_changed, &rig };
	const struct virtio_pci_host pci = test_machine_host(&rig.m);

	rig.next_buffer = RIG_BUFFERS;
	memset(rig.next_desc, 0, sizeof(rig.next_desc));
	rig.changes = 0;
	check(virtio_balloon_new(&host, options, &rig.dev, NULL) == 0);
	check(virtio_pci_new(&pci, rig.dev, RIG_SLOT, &rig.transport, NULL) == 0);
	virtio_driver_probe(&rig.d, &rig.m, RIG_SLOT);
}

void rig_init(unsigned options, uint64_t ram_bytes)
{
	const struct guest_ram_options plain = { .backing = GUEST_RAM_ANON };

	test_machine_init(&rig.m);
	check(guest_ram_new(ram_bytes, &plain, &rig.ram, NULL) == 0);
	/* The driver's memory is a part of the guest's RAM. */
	rig.spare = rig.m.ram;
	rig.m.ram.memory = *guest_ram_memory(rig.ram);
	rig.m.ram.bytes = guest_memory_range(&rig.m.ram.memory, DRIVER_RAM_GPA, DRIVER_RAM_LEN);
	plug(options);
}

void rig_renew(unsigned options)
{
	if (!rig.ram) {
		rig_init(options, (uint64_t)RIG_RAM_MIB << 20);
		return;
	}
	check(guest_ram_clear(rig.ram, NULL) == 0);
	test_machine_renew(&rig.m);
	plug(options);
}

void rig_unplug(void)
{
	unsigned changes = rig.changes;

	virtio_pci_free(rig.transport);
	check(rig.changes == changes);
}

void rig_clear(void)
{
	rig_unplug();
	rig.m.ram = rig.spare;
	test_machine_clear(&rig.m);
	guest_ram_free(rig.ram);
	rig.ram = NULL;
	check(fakes_live() == 0);
}

bool rig_start(uint64_t features, unsigned queues)
{
	if (!virtio_driver_negotiate(&rig.d, features | 1ull << VIRTIO_F_VERSION_1))
		return false;
	virtio_driver_use_msix(&rig.d, VIRTIO_QUEUES_MAX);
	for (unsigned q = 0; q < VIRTIO_QUEUES_MAX; q++)
		if (queues & 1u << q)
			virtio_driver_setup_queue(&rig.d, q, RIG_QUEUE_SIZE);
	virtio_driver_set_status(&rig.d, virtio_driver_status(&rig.d) | VIRTIO_CONFIG_S_DRIVER_OK);
	return true;
}

void rig_start_all(void)
{
	check(rig_start(0x3f, 0x1f));
	while (fake_loop_turn(rig.m.loop) > 0)
		;
}

bool rig_broken(void)
{
	return virtio_driver_status(&rig.d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

struct virtio_balloon_info rig_info(void)
{
	struct virtio_balloon_info info;

	virtio_balloon_info(rig.dev, &info);
	return info;
}

void rig_offer_at(unsigned queue, uint64_t gpa, uint32_t len, uint16_t flags)
{
	uint16_t desc = rig.next_desc[queue]++ % RIG_QUEUE_SIZE;

	driver_set_desc(&rig.d.queues[queue], desc, gpa, len, flags, 0);
	driver_offer(&rig.d.queues[queue], desc);
}

void rig_offer(unsigned queue, const void *data, uint32_t len)
{
	check(rig.next_buffer + len <= DRIVER_RAM_GPA + DRIVER_RAM_LEN);
	memcpy(driver_at(&rig.m.ram, rig.next_buffer), data, len);
	rig_offer_at(queue, rig.next_buffer, len, 0);
	rig.next_buffer += (len + 63) / 64 * 64;
}

unsigned rig_kick(unsigned queue)
{
	unsigned turns = 0;

	virtio_driver_kick(&rig.d, queue);
	while (fake_loop_turn(rig.m.loop) > 0)
		turns++;
	return turns;
}

void *rig_page(uint64_t page)
{
	const struct guest_memory *memory = guest_ram_memory(rig.ram);
	uint64_t gpa = page * GUEST_RAM_PAGE;

	if (gpa >= guest_ram_low_end(rig.ram))
		gpa += GUEST_RAM_HIGH_START - guest_ram_low_end(rig.ram);
	return guest_memory_range(memory, gpa, GUEST_RAM_PAGE);
}

uint16_t rig_used(unsigned queue)
{
	return driver_used_idx(&rig.d.queues[queue]);
}
