/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The split virtqueue, seen from the device. Source: virtio 1.2, §2.6 and §2.7.
 *
 * Three areas in guest memory, each written by one side only:
 *   descriptor table  size × { u64 address, u32 length, u16 flags, u16 next }       the driver
 *   available ring    u16 flags, u16 idx, size × u16 head, u16 used_event           the driver
 *   used ring         u16 flags, u16 idx, size × { u32 head, u32 len }, u16 avail_event   the
 * device
 *
 * The driver offers a chain of descriptors by putting its head into the available ring; the device
 * takes it with virtqueue_pop() and gives it back with virtqueue_push(). Chains may be given back
 * in any order.
 *
 * Everything the driver writes is hostile. The areas are resolved to host memory once, when the
 * queue starts, and their addresses can't change after that. Each descriptor is copied once; the
 * copy is checked and used. A driver that breaks the rules breaks its queue: virtqueue_pop() says
 * -1, and goes on saying it until the queue is reset.
 *
 * Called with the device lock held.
 */
#ifndef LODGE_VIRTIO_QUEUE_H
#define LODGE_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct guest_memory;

/* Buffers in one chain: as many as the largest queue has descriptors, so that no chain that the
 * specification allows is refused. */
enum { VIRTQUEUE_SIZE_MAX = 256, VIRTQ_IOV_MAX = VIRTQUEUE_SIZE_MAX };

/* All that has to be saved to go on with a queue elsewhere. */
struct virtqueue_state {
	uint64_t desc; /* guest-physical addresses of the three areas */
	uint64_t avail;
	uint64_t used;
	uint16_t size;		 /* descriptors; a power of two up to the device's maximum */
	uint16_t last_avail_idx; /* the next entry of the available ring to take */
	uint16_t used_idx;	 /* the next entry of the used ring to fill */
	bool enabled;
};

struct virtqueue {
	struct virtqueue_state state;
	uint16_t max_size;

	/* Everything below is host state, set by virtqueue_start(). */
	const struct guest_memory *memory;
	const uint8_t *desc;
	uint8_t *avail; /* written by the driver alone */
	uint8_t *used;
	bool started;
	bool broken;
	bool paused; /* pop finds nothing: the guest took bus mastering away */
	bool event_idx;
	bool indirect;
	bool signalled_valid;	 /* signalled_used means something */
	uint16_t signalled_used; /* used_idx when the driver was last considered for a notice */
};

/* A chain that was taken: the buffers the device reads come first, then those it writes. The
 * buffers are guest memory, which the guest may change at any time. */
struct virtq_chain {
	uint16_t head;
	unsigned n_readable;
	unsigned n_writable;
	uint64_t readable_len; /* bytes, at most 4 GiB together with writable_len */
	uint64_t writable_len;
	struct iovec iov[VIRTQ_IOV_MAX];
};

/* An empty queue of at most max_size descriptors, a power of two. */
void virtqueue_init(struct virtqueue *vq, uint16_t max_size);
/* Back to what virtqueue_init() made of it. */
void virtqueue_reset(struct virtqueue *vq);

/* Resolves the areas of an enabled queue. -1 if they are not aligned as §2.7 wants or not RAM, or
 * if the size is wrong. features are the negotiated ones. */
int virtqueue_start(struct virtqueue *vq, const struct guest_memory *memory, uint64_t features);

/* 1 and a chain, 0 if there is none, -1 if the driver broke the queue. A queue that isn't started
 * is empty. */
int virtqueue_pop(struct virtqueue *vq, struct virtq_chain *ret_chain);
/* Gives a chain back, with the number of bytes that the device wrote into it. */
void virtqueue_push(struct virtqueue *vq, const struct virtq_chain *chain, uint32_t written);
/* The same for a chain of which only the head was kept. */
void virtqueue_push_head(struct virtqueue *vq, uint16_t head, uint32_t written);
/* Whether the driver wants to be told of what was pushed since the last call (§2.7.7). */
bool virtqueue_should_notify(struct virtqueue *vq);

/* Asks the driver not to kick the queue; it may still do so (§2.7.10). */
void virtqueue_disable_notify(struct virtqueue *vq);
/* Asks for kicks again. True if chains arrived in between, for which no kick will come. */
bool virtqueue_enable_notify(struct virtqueue *vq);

/* The readable buffers of a chain, then its writable ones. */
static inline const struct iovec *virtq_chain_readable(const struct virtq_chain *chain)
{
	return chain->iov;
}
static inline const struct iovec *virtq_chain_writable(const struct virtq_chain *chain)
{
	return chain->iov + chain->n_readable;
}

#endif
