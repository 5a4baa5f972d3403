/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device that records: see virtio_probe.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "tests/fakes/fakes.h"
#include "tests/unit/virtio_probe.h"

struct probe probe;

static void on_activate(struct virtio_device *dev)
{
	(void)dev;
	probe.activated++;
}

static void on_reset(struct virtio_device *dev)
{
	(void)dev;
	probe.resets++;
}

static void on_notify(struct virtio_device *dev, unsigned queue)
{
	int found;

	probe.notified[queue]++;
	while ((found = virtqueue_pop(&dev->queues[queue], &probe.chain)) > 0)
		virtqueue_push(&dev->queues[queue], &probe.chain, 0);
	if (found < 0)
		virtio_device_break(dev, "test");
	else
		virtio_device_used(dev, queue);
}

static void on_config_write(struct virtio_device *dev, unsigned offset, const uint8_t *data,
			    unsigned len)
{
	assert_in_range(offset + len, 1, 8);
	probe.config_writes++;
	virtio_device_set_config(dev, offset, data, len);
}

static void on_free(struct virtio_device *dev)
{
	(void)dev;
	probe.frees++;
}

const struct virtio_device_class probe_class = {
	.name = "probe",
	.id = 3,
	.pci_class = 0x078000,
	.n_queues = QUEUES,
	.queue_size = SIZE,
	.n_vectors = QUEUES + 1,
	.config_len = 8,
	.features = 1,
	.activate = on_activate,
	.reset = on_reset,
	.queue_notify = on_notify,
	.config_write = on_config_write,
	.free = on_free,
};

struct test_machine m;
struct virtio_pci *transport;
struct virtio_driver d;

int virtio_probe_setup(void **state)
{
	struct virtio_pci_host host;

	(void)state;
	test_machine_init(&m);
	host = test_machine_host(&m);
	probe = (struct probe){ .activated = 0 };
	virtio_device_init(&probe.dev, &probe_class);
	memcpy(probe.dev.config, "12345678", 8);
	assert_int_equal(virtio_pci_new(&host, &probe.dev, SLOT, &transport, NULL), 0);
	virtio_driver_probe(&d, &m, SLOT);
	return 0;
}

int virtio_probe_teardown(void **state)
{
	(void)state;
	virtio_pci_free(transport);
	assert_int_equal(probe.frees, 1);
	test_machine_clear(&m);
	assert_int_equal(fakes_live(), 0);
	return 0;
}

void virtio_probe_start(void)
{
	assert_true(virtio_driver_start(&d, VERSION_1 | EVENT_IDX | 1, QUEUES, SIZE));
	assert_int_equal(probe.activated, 1);
}

uint32_t common(unsigned offset, unsigned len)
{
	return guest_read(&m, d.common + offset, len);
}

void set_common(unsigned offset, uint32_t value, unsigned len)
{
	guest_write(&m, d.common + offset, value, len);
}
