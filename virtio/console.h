/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console: one port, no control queues. Source: virtio 1.2, §5.3.
 *
 * Queue 0 takes what is typed to the guest, queue 1 what the guest prints. The terminal's size is
 * in the configuration, and a change of it interrupts the driver.
 */
#ifndef LODGE_VIRTIO_CONSOLE_H
#define LODGE_VIRTIO_CONSOLE_H

struct console;
struct err;
struct virtio_device;

/* console stays the caller's and outlives the device. Freed by its transport, or by
 * virtio_device_free(). */
int virtio_console_new(struct console *console, struct virtio_device **ret_device,
		       struct err **err);

#endif
