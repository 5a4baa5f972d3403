/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtqueue in a guest memory of random contents.
 *
 * The input is 12 bytes of set-up (feature bits, log2 of the size, then the offsets of the
 * three areas in units of 2 bytes, and the indices the device starts from) and the memory itself: a
 * region of 8 KiB, a hole, and one of 4 KiB. Whatever is in there, every buffer that comes out of
 * the queue must be RAM, and the queue must come to an end.
 */
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/queue.h"
#include "vm/guest_memory.h"

enum {
	SETUP_LEN = 12,
	LOW_GPA = 0,
	LOW_LEN = 8192,
	HIGH_GPA = 0x4000,
	HIGH_LEN = 4096,
	CHAINS_MAX = 600,
	SPAN_MAX = 64, /* of each buffer, at either end, this much is touched */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool in_ram(const struct guest_memory *memory, const struct iovec *iov)
{
	for (size_t i = 0; i < memory->n_regions; i++) {
		const struct guest_memory_region *r = &memory->regions[i];
		const uint8_t *base = iov->iov_base;

		if (base >= r->hva && iov->iov_len <= r->len &&
		    (size_t)(base - r->hva) <= r->len - iov->iov_len)
			return true;
	}
	return false;
}

static void touch(struct iovec *iov, bool write)
{
	static volatile uint8_t sink;
	uint8_t *base = iov->iov_base;

	for (size_t i = 0; i < iov->iov_len && i < SPAN_MAX; i++) {
		sink = base[i] ^ base[iov->iov_len - 1 - i];
		if (write)
			base[i] = sink;
	}
}

static void check_chain(const struct virtqueue *vq, struct virtq_chain *chain)
{
	uint64_t total = 0;

	check(chain->head < vq->state.size);
	check(chain->n_readable + chain->n_writable >= 1);
	check(chain->n_readable + chain->n_writable <= VIRTQ_IOV_MAX);
	for (unsigned i = 0; i < chain->n_readable + chain->n_writable; i++) {
		check(chain->iov[i].iov_len > 0);
		check(in_ram(vq->memory, &chain->iov[i]));
		total += chain->iov[i].iov_len;
		touch(&chain->iov[i], i >= chain->n_readable);
	}
	check(total == chain->readable_len + chain->writable_len);
	check(total <= 1ull << 32);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void run(struct virtqueue *vq, struct virtq_chain *chain)
{
	int found = 0;

	for (unsigned n = 0; n < CHAINS_MAX; n++) {
		found = virtqueue_pop(vq, chain);
		if (found <= 0)
			break;
		check_chain(vq, chain);
		virtqueue_disable_notify(vq);
		virtqueue_push(vq, chain, (uint32_t)chain->writable_len);
		virtqueue_should_notify(vq);
		virtqueue_enable_notify(vq);
	}
	/* What is broken stays broken, and what is empty doesn't say that there is more. */
	if (found < 0) {
		check(virtqueue_pop(vq, chain) == -1);
		check(!virtqueue_should_notify(vq));
		check(!virtqueue_enable_notify(vq));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_memory memory = { .n_regions = 0 };
	struct virtqueue vq;
	static struct virtq_chain chain;
	uint8_t *low, *high;
	size_t n;

	if (size < SETUP_LEN)
		return -1;
	/* Their own allocations, so that a byte too far is found. */
	low = calloc(1, LOW_LEN);
	high = calloc(1, HIGH_LEN);
	if (!low || !high)
		abort();
	guest_memory_add(&memory, LOW_GPA, LOW_LEN, low, NULL);
	guest_memory_add(&memory, HIGH_GPA, HIGH_LEN, high, NULL);
	n = size - SETUP_LEN < LOW_LEN ? size - SETUP_LEN : LOW_LEN;
	memcpy(low, data + SETUP_LEN, n);
	if (size - SETUP_LEN - n > 0)
		memcpy(high, data + SETUP_LEN + n,
		       size - SETUP_LEN - n < HIGH_LEN ? size - SETUP_LEN - n : HIGH_LEN);

	virtqueue_init(&vq, VIRTQUEUE_SIZE_MAX);
	vq.state.size = (uint16_t)(1u << data[1] % 10);
	vq.state.desc = get16(data + 2) * 2ull;
	vq.state.avail = get16(data + 4) * 2ull;
	vq.state.used = get16(data + 6) * 2ull;
	vq.state.last_avail_idx = get16(data + 8);
	vq.state.used_idx = get16(data + 10);
	if (virtqueue_start(&vq, &memory, (uint64_t)(data[0] & 3) << VIRTIO_RING_F_INDIRECT_DESC) ==
	    0)
		run(&vq, &chain);
	free(low);
	free(high);
	return 0;
}
