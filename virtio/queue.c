/* SPDX-License-Identifier: Apache-2.0 */
/* The split virtqueue: see queue.h. */
#include "virtio/queue.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <string.h>

#include "vm/guest_memory.h"

/* §2.7.5, §2.7.6, §2.7.8: where things are in the three areas. */
enum {
	DESC_LEN = 16,
	USED_ELEM_LEN = 8,
	RING_FLAGS = 0,
	RING_IDX = 2,
	RING_ENTRIES = 4,
};

/* §2.7.5: a chain has at most 2^32 bytes. */
static const uint64_t chain_len_max = 1ull << 32;

/* Guest memory is little-endian, as is x86-64: fields are used as they come. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lodge runs on x86-64");
_Static_assert(sizeof(struct vring_desc) == DESC_LEN, "a descriptor of virtio 1.2, 2.7.5");

/* Reads and writes of ring fields: each exactly once. The areas' alignment was checked when the
 * queue started. */
static uint16_t load16(const uint8_t *p, int order)
{
	const uint16_t *field = (const void *)p;

	return order == __ATOMIC_ACQUIRE ? __atomic_load_n(field, __ATOMIC_ACQUIRE)
					 : __atomic_load_n(field, __ATOMIC_RELAXED);
}

static void store16(uint8_t *p, uint16_t value, int order)
{
	uint16_t *field = (void *)p;

	if (order == __ATOMIC_RELEASE)
		__atomic_store_n(field, value, __ATOMIC_RELEASE);
	else
		__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

static uint16_t avail_idx(const struct virtqueue *vq)
{
	/* What the driver wrote before it moved the index is read after it. */
	return load16(vq->avail + RING_IDX, __ATOMIC_ACQUIRE);
}

/* §2.7.7: the driver's event index, after its ring. */
static uint16_t used_event(const struct virtqueue *vq)
{
	return load16(vq->avail + RING_ENTRIES + 2 * vq->state.size, __ATOMIC_RELAXED);
}

/* §2.7.10: the device's event index, after its ring. */
static void set_avail_event(struct virtqueue *vq, uint16_t value)
{
	store16(vq->used + RING_ENTRIES + USED_ELEM_LEN * vq->state.size, value, __ATOMIC_RELAXED);
}

void virtqueue_init(struct virtqueue *vq, uint16_t max_size)
{
	*vq = (struct virtqueue){ .max_size = max_size, .state.size = max_size };
}

void virtqueue_reset(struct virtqueue *vq)
{
	bool paused = vq->paused;

	virtqueue_init(vq, vq->max_size);
	vq->paused = paused;
}

int virtqueue_start(struct virtqueue *vq, const struct guest_memory *memory, uint64_t features)
{
	const struct virtqueue_state *s = &vq->state;
	uint64_t size = s->size;

	if (size == 0 || size > vq->max_size || (size & (size - 1)) != 0)
		return -1;
	if (s->desc % VRING_DESC_ALIGN_SIZE != 0 || s->avail % VRING_AVAIL_ALIGN_SIZE != 0 ||
	    s->used % VRING_USED_ALIGN_SIZE != 0)
		return -1;
	/* Each ring ends with an event index, used or not. */
	vq->desc = guest_memory_range(memory, s->desc, DESC_LEN * size);
	vq->avail = guest_memory_range(memory, s->avail, RING_ENTRIES + 2 * size + 2);
	vq->used = guest_memory_range(memory, s->used, RING_ENTRIES + USED_ELEM_LEN * size + 2);
	if (!vq->desc || !vq->avail || !vq->used)
		return -1;
	vq->memory = memory;
	vq->event_idx = features & (1ull << VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = features & (1ull << VIRTIO_RING_F_INDIRECT_DESC);
	vq->signalled_valid = false;
	vq->broken = false;
	vq->started = true;
	return 0;
}

/* Copies a descriptor once. The barrier keeps the compiler from looking at the guest's copy again.
 */
static struct vring_desc copy_desc(const uint8_t *table, uint32_t index)
{
	struct vring_desc desc;

	memcpy(&desc, table + (size_t)index * DESC_LEN, sizeof(desc));
	atomic_signal_fence(memory_order_seq_cst);
	return desc;
}

/* Adds one buffer to the chain. -1 if the rules forbid it. */
static int chain_add(const struct virtqueue *vq, struct virtq_chain *chain,
		     const struct vring_desc *desc)
{
	unsigned n = chain->n_readable + chain->n_writable;
	void *hva = guest_memory_range(vq->memory, desc->addr, desc->len);

	/* A buffer without bytes, or not wholly RAM. */
	if (!hva)
		return -1;
	if (n == VIRTQ_IOV_MAX)
		return -1;
	if (chain->readable_len + chain->writable_len + desc->len > chain_len_max)
		return -1;
	chain->iov[n] = (struct iovec){ .iov_base = hva, .iov_len = desc->len };
	if (desc->flags & VRING_DESC_F_WRITE) {
		chain->n_writable++;
		chain->writable_len += desc->len;
		return 0;
	}
	/* §2.7.4.2: what the device reads comes before what it writes. */
	if (chain->n_writable != 0)
		return -1;
	chain->n_readable++;
	chain->readable_len += desc->len;
	return 0;
}

/* Walks a table of n descriptors from index on. In a table of descriptors, an indirect one may end
 * the chain (§2.7.5.3); it's returned in *ret_indirect, whose flags are 0 if there was none. A
 * chain that visits more descriptors than the table has goes in circles. */
static int chain_walk(const struct virtqueue *vq, struct virtq_chain *chain, const uint8_t *table,
		      uint32_t n, uint32_t index, struct vring_desc *ret_indirect)
{
	for (uint32_t visited = 0; visited < n; visited++) {
		struct vring_desc desc;

		if (index >= n)
			return -1;
		desc = copy_desc(table, index);
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (!ret_indirect || !vq->indirect || (desc.flags & VRING_DESC_F_NEXT))
				return -1;
			*ret_indirect = desc;
			return 0;
		}
		if (chain_add(vq, chain, &desc) < 0)
			return -1;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return 0;
		index = desc.next;
	}
	return -1;
}

static int chain_walk_indirect(const struct virtqueue *vq, struct virtq_chain *chain,
			       const struct vring_desc *indirect)
{
	const uint8_t *table;

	/* An index has 16 bits, so a table has at most 65536 entries that can be reached. */
	if (indirect->len % DESC_LEN != 0 || indirect->len / DESC_LEN > UINT16_MAX + 1)
		return -1;
	table = guest_memory_range(vq->memory, indirect->addr, indirect->len);
	if (!table)
		return -1;
	return chain_walk(vq, chain, table, indirect->len / DESC_LEN, 0, NULL);
}

static int chain_take(struct virtqueue *vq, struct virtq_chain *chain)
{
	struct vring_desc indirect = { .flags = 0 };
	unsigned slot = vq->state.last_avail_idx & (vq->state.size - 1u);

	chain->head = load16(vq->avail + RING_ENTRIES + 2 * slot, __ATOMIC_RELAXED);
	chain->n_readable = 0;
	chain->n_writable = 0;
	chain->readable_len = 0;
	chain->writable_len = 0;
	if (chain_walk(vq, chain, vq->desc, vq->state.size, chain->head, &indirect) < 0)
		return -1;
	if (indirect.flags & VRING_DESC_F_INDIRECT)
		return chain_walk_indirect(vq, chain, &indirect);
	return 0;
}

int virtqueue_pop(struct virtqueue *vq, struct virtq_chain *ret_chain)
{
	uint16_t waiting;

	if (vq->broken)
		return -1;
	if (!vq->started || vq->paused)
		return 0;
	waiting = avail_idx(vq) - vq->state.last_avail_idx;
	if (waiting == 0)
		return 0;
	if (waiting > vq->state.size || chain_take(vq, ret_chain) < 0) {
		vq->broken = true;
		return -1;
	}
	vq->state.last_avail_idx++;
	return 1;
}

void virtqueue_push(struct virtqueue *vq, const struct virtq_chain *chain, uint32_t written)
{
	virtqueue_push_head(vq, chain->head, written);
}

void virtqueue_push_head(struct virtqueue *vq, uint16_t head, uint32_t written)
{
	unsigned slot = vq->state.used_idx & (vq->state.size - 1u);
	const struct vring_used_elem elem = { .id = head, .len = written };

	if (!vq->started || vq->broken)
		return;
	memcpy(vq->used + RING_ENTRIES + (size_t)slot * USED_ELEM_LEN, &elem, sizeof(elem));
	/* The element, and the buffers, before the index that shows them. */
	store16(vq->used + RING_IDX, ++vq->state.used_idx, __ATOMIC_RELEASE);
}

bool virtqueue_should_notify(struct virtqueue *vq)
{
	uint16_t old = vq->signalled_used;
	bool valid = vq->signalled_valid;

	if (!vq->started || vq->broken)
		return false;
	/* The index must be out before the driver's wish is read; the driver does it the other way
	 * round, so that one of the two sees the other's write (§2.7.7.2). */
	atomic_thread_fence(memory_order_seq_cst);
	if (!vq->event_idx)
		return !(load16(vq->avail + RING_FLAGS, __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	vq->signalled_used = vq->state.used_idx;
	vq->signalled_valid = true;
	return !valid || vring_need_event(used_event(vq), vq->state.used_idx, old);
}

void virtqueue_disable_notify(struct virtqueue *vq)
{
	/* With event indices there is nothing to do: the driver has passed the one it was given,
	 * and kicks no more until it gets another. */
	if (vq->started && !vq->event_idx)
		store16(vq->used + RING_FLAGS, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
}

bool virtqueue_enable_notify(struct virtqueue *vq)
{
	if (!vq->started || vq->broken)
		return false;
	if (vq->event_idx)
		set_avail_event(vq, vq->state.last_avail_idx);
	else
		store16(vq->used + RING_FLAGS, 0, __ATOMIC_RELAXED);
	/* The wish must be out before the index is read again (§2.7.10). */
	atomic_thread_fence(memory_order_seq_cst);
	return !vq->paused && avail_idx(vq) != vq->state.last_avail_idx;
}
