/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a virtio device of two queues that records what its transport asks of it, behind PCI.
 */
#ifndef LODGE_TESTS_VIRTIO_PROBE_H
#define LODGE_TESTS_VIRTIO_PROBE_H

#include "tests/fakes/pci_driver.h"

enum { SLOT = 3, QUEUES = 2, SIZE = 16, BUF = DRIVER_RAM_GPA + 0x10000 };

#define VERSION_1 (1ull << VIRTIO_F_VERSION_1)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

struct probe {
	struct virtio_device dev;
	unsigned activated, resets, notified[QUEUES], config_writes, frees;
	struct virtq_chain chain;
};

extern struct probe probe;
extern const struct virtio_device_class probe_class;
extern struct test_machine m;
extern struct virtio_pci *transport;
extern struct virtio_driver d;

/* cmocka's set-up and tear-down: the device is plugged in and found. */
int virtio_probe_setup(void **state);
int virtio_probe_teardown(void **state);
/* The driver brings it up, with both queues. */
void virtio_probe_start(void);

/* Its common configuration. */
uint32_t common(unsigned offset, unsigned len);
void set_common(unsigned offset, uint32_t value, unsigned len);

#endif
