/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng: the host's random numbers for the guest. Source: virtio 1.2, §5.4.
 */
#ifndef LODGE_VIRTIO_RNG_H
#define LODGE_VIRTIO_RNG_H

struct err;
struct virtio_device;

/* Freed by its transport, or by virtio_device_free(). */
int virtio_rng_new(struct virtio_device **ret_device, struct err **err);

#endif
