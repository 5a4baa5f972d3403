/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest whose balloon driver lies, forgets and repeats itself.
 *
 * The input is a byte of options (bit 7: RAM of huge pages) and a list of operations of 8 bytes:
 * the device brought up with some features and queues, arrays of page numbers and other buffers
 * offered, registers and guest memory written, and what the host asks for in between. Whatever
 * happens, only pages that are in the balloon, or in a report that may be acted on, are given back;
 * what the host is told adds up; and a reset brings the device back.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/fakes/fakes.h"
#include "tests/fakes/guest_ram.h"
#include "tests/unit/balloon_rig.h"
#include "virtio/balloon_internal.h"

enum {
	OP_LEN = 8,
	OPS_MAX = 200,
	TURNS_MAX = 8,
	BAR_LEN = 0x4000,
	PAGES = RIG_RAM_MIB << 8,
	ARRAYS = RIG_BUFFERS,			  /* the driver's arrays, one after the other ... */
	ARRAYS_LEN = 0x80000,			  /* ... and again from the start */
	ARRAY_MAX = 3000 * (int)sizeof(uint32_t), /* more than a turn takes */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next_array;

static void check(bool holds)
{
	if (!holds)
		abort();
}

static const struct virtio_balloon *balloon(void)
{
	return (const struct virtio_balloon *)rig.dev;
}

static void on_release(uint64_t page, uint64_t n)
{
	const struct virtio_balloon *b = balloon();
	const struct virtio_balloon_config config = balloon_config(b);
	bool reports = balloon_negotiated(b, VIRTIO_BALLOON_F_REPORTING) && config.poison_val == 0;

	check(virtio_device_running(rig.dev));
	check(reports || page_bitmap_all(&b->ballooned, page, n));
}

static uint64_t bits(const struct page_bitmap *bitmap)
{
	uint64_t n = 0;

	for (uint64_t word = 0; word < PAGES / 64; word++)
		n += (uint64_t)__builtin_popcountll(bitmap->words[word]);
	return n;
}

static void check_sums(void)
{
	const struct virtio_balloon *b = balloon();
	struct virtio_balloon_info info = rig_info();

	check(info.actual_pages == bits(&b->ballooned));
	check(info.reported_pages == bits(&b->reported));
	check(info.hinted_pages == bits(&b->hinted));
	check(info.target_pages <= PAGES);
	check((info.negotiated & ~info.options) == 0);
	check(info.reported_total >= info.reported_pages);
	check((info.options & VIRTIO_BALLOON_POISON) || info.poison_value == 0);
}

static void turns(void)
{
	for (unsigned i = 0; i < TURNS_MAX && fake_loop_turn(rig.m.loop) > 0; i++)
		;
}

/* The chain's descriptors follow each other in the table. */
static void offer(unsigned q, uint64_t gpa, uint32_t len, uint16_t flags)
{
	if (rig.d.queues[q].size == 0)
		return;
	rig_offer_at(q, gpa, len, flags);
}

/* An array of numbers from first on, so many apart, and some bytes short of whole. */
static void offer_array(unsigned q, uint32_t first, uint8_t step, uint16_t n, unsigned missing)
{
	uint32_t pfns[ARRAY_MAX / sizeof(uint32_t)];

	n %= ARRAY_MAX / sizeof(uint32_t);
	if (n * sizeof(uint32_t) <= missing)
		return;
	for (unsigned i = 0; i < n; i++)
		pfns[i] = first + i * (uint32_t)(int8_t)step;
	if (next_array + sizeof(pfns) > ARRAYS + ARRAYS_LEN)
		next_array = ARRAYS;
	memcpy(driver_at(&rig.m.ram, next_array), pfns, n * sizeof(uint32_t));
	offer(q, next_array, (uint32_t)(n * sizeof(uint32_t) - missing), 0);
	next_array += sizeof(pfns);
}

/* A chain of two descriptors, wherever they point. */
static void offer_pair(unsigned q, const uint8_t *op)
{
	struct driver_queue *queue = &rig.d.queues[q];
	uint16_t flags = op[2] & 3u;

	if (queue->size == 0)
		return;
	driver_set_desc(queue, 0, ARRAYS + op[3], 1 + op[4] % 64u, (uint16_t)(flags | 1u), 1);
	driver_set_desc(queue, 1, ARRAYS + op[5], 1 + op[6] % 64u, op[7] & 7, op[7] >> 3);
	driver_offer(queue, 0);
}

static void operate(const uint8_t *op)
{
	static const uint8_t widths[4] = { 1, 2, 4, 8 };
	unsigned q = op[0] >> 4 & 7, len = widths[op[1] & 3];
	uint16_t where = (uint16_t)(op[2] | op[3] << 8);
	uint8_t value[8];
	uint32_t word;

	q %= VIRTIO_QUEUES_MAX;
	memcpy(&word, op + 4, 4);
	memcpy(value, op + 4, 4);
	memcpy(value + 4, op + 4, 4);
	switch (op[0] & 15) {
	case 0:
		rig_start(virtio_driver_offered(&rig.d) & op[1], op[2] & 0x1f);
		break;
	case 1: /* numbers near RAM's */
	case 2:
		offer_array(q, word % (PAGES + 64), op[1], where, op[7] & 3);
		break;
	case 3: /* any */
		offer_array(q, word, op[1], where, 0);
		break;
	case 4: /* pages themselves */
		offer(q, (uint64_t)where << 8, word & 0x7fffff, VRING_DESC_F_WRITE);
		break;
	case 5:
		offer(q, word, where, op[1] & 7);
		break;
	case 6:
		offer_pair(q, op);
		break;
	case 7:
		virtio_driver_kick(&rig.d, q);
		turns();
		break;
	case 8:
		fake_loop_turn(rig.m.loop);
		break;
	case 9: /* the device's configuration */
		bus_write(&rig.m.mmio, rig.d.common + 0x800 + (where & 31), value, len);
		break;
	case 10:
		bus_write(&rig.m.mmio, rig.d.common + where % BAR_LEN, value, len);
		break;
	case 11: /* guest memory: the queues and the arrays */
		memcpy(rig.m.ram.bytes + (size_t)where * 4, value, 4);
		break;
	case 12: /* the id that is asked for, or another */
		word = op[1] & 1 ? balloon_config(balloon()).free_page_hint_cmd_id : word;
		memcpy(driver_at(&rig.m.ram, ARRAYS), &word, sizeof(word));
		offer(q, ARRAYS, sizeof(word), 0);
		break;
	case 13:
		virtio_balloon_set_target(rig.dev, word * (uint64_t)(op[1] + 1));
		break;
	case 14:
		if (op[1] & 1)
			virtio_balloon_ask_stats(rig.dev, NULL);
		else
			virtio_balloon_ask_hints(rig.dev, NULL);
		break;
	case 15: /* bus mastering, or the status */
		if (op[1] & 1)
			config_write(&rig.m, RIG_SLOT, PCI_COMMAND, op[2] & 4 ? 6 : 2, 2);
		else
			virtio_driver_set_status(&rig.d, op[2]);
		break;
	}
}

/* Whatever happened, a driver that begins anew gets a device that works. */
static void check_recovery(void)
{
	const uint32_t pfns[] = { RIG_FREE_PAGE, RIG_FREE_PAGE + 1 };

	virtio_driver_set_status(&rig.d, 0);
	check(rig_info().actual_pages == 0);
	config_write(&rig.m, RIG_SLOT, rig.d.pci_cfg + VIRTIO_PCI_CAP_LENGTH, 0, 4);
	config_write(&rig.m, RIG_SLOT, PCI_COMMAND, 6, 2);
	rig.next_buffer = RIG_BUFFERS;
	memset(rig.next_desc, 0, sizeof(rig.next_desc));
	check(rig_start(0, 3));
	rig_offer(INFLATE, pfns, sizeof(pfns));
	virtio_driver_kick(&rig.d, INFLATE);
	turns();
	check(rig_used(INFLATE) == 1);
	check(rig_info().actual_pages == 2);
	check(!rig_broken());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t options = size ? data[0] : 0;

	log_to(-1);
	fake_guest_ram.unit = options & 0x80 ? 512 : 1;
	fake_guest_ram.n_releases = 0;
	fake_guest_ram.on_release = on_release;
	next_array = ARRAYS;
	rig_renew(options & VIRTIO_BALLOON_ALL);
	memset(rig.d.queues, 0, sizeof(rig.d.queues));
	for (size_t at = 1; at + OP_LEN <= size && at < (size_t)OPS_MAX * OP_LEN; at += OP_LEN)
		operate(data + at);
	check_sums();
	check_recovery();
	rig_unplug();
	check(fakes_live() == 1); /* configuration space */
	return 0;
}
