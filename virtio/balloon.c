/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon, the device: see balloon.h. */
#include "virtio/balloon.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mem/guest_ram.h"
#include "virtio/balloon_internal.h"

enum {
	/* Linux reports nothing if the queue has less than 32, and stops hinting for good when its
	 * queue is full. The areas of a queue of 128 fit into a page of the guest's. */
	QUEUE_SIZE = 128,
	/* One for the configuration and one for all queues. None is so busy that it matters, and
	 * each further one would cost every boot 11 exits. */
	N_VECTORS = 2,
	PCI_CLASS_UNASSIGNED = 0xff0000,
};

_Static_assert((int)BALLOON_ROLES <= (int)VIRTIO_QUEUES_MAX, "a queue for each role");
_Static_assert(GUEST_RAM_PAGE == 1 << VIRTIO_BALLOON_PFN_SHIFT, "one size of pages");
_Static_assert(sizeof(struct virtio_balloon_config) == 16, "the layout of virtio 1.2, 5.5.4");

/* What an option offers (VIRTIO_BALLOON_F_*), and the queue that it needs, if any. */
static const struct {
	unsigned option;
	unsigned feature;
	enum balloon_role role;
} optional[] = {
	{ VIRTIO_BALLOON_STATS, VIRTIO_BALLOON_F_STATS_VQ, BALLOON_STATS },
	{ VIRTIO_BALLOON_HINTING, VIRTIO_BALLOON_F_FREE_PAGE_HINT, BALLOON_HINTS },
	{ VIRTIO_BALLOON_REPORTING, VIRTIO_BALLOON_F_REPORTING, BALLOON_REPORTS },
	{ VIRTIO_BALLOON_DEFLATE_ON_OOM, VIRTIO_BALLOON_F_DEFLATE_ON_OOM, BALLOON_ROLES },
	{ VIRTIO_BALLOON_POISON, VIRTIO_BALLOON_F_PAGE_POISON, BALLOON_ROLES },
};

static struct virtio_balloon *balloon_of(struct virtio_device *dev)
{
	return (struct virtio_balloon *)dev;
}

bool balloon_negotiated(const struct virtio_balloon *b, unsigned feature)
{
	return (b->dev.status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	       (b->dev.driver_features & 1ull << feature);
}

struct virtio_balloon_config balloon_config(const struct virtio_balloon *b)
{
	struct virtio_balloon_config config;

	memcpy(&config, b->dev.config, sizeof(config));
	return config;
}

void balloon_changed(struct virtio_balloon *b)
{
	if (b->host.changed)
		b->host.changed(b->host.opaque);
}

/*
 * The queues.
 */

/*
 * Which queue is which. The specification numbers them whatever was negotiated: 2 statistics, 3
 * hinting, 4 reporting. Linux leaves no gaps: its transports count only the queues that its balloon
 * driver asks for (vp_find_vqs_msix() in virtio_pci_common.c, 6.1 and 6.12 alike), so that without
 * hinting the reporting queue is 3, and 2 without statistics either. QEMU numbers them that way
 * too. A patch that would have had Linux follow the specification, and fall back for QEMU ("virtio:
 * fix vq # for balloon", "virtio_balloon: add work around for out of spec QEMU", July 2024), wasn't
 * taken.
 *
 * Both are served: the highest queue differs whenever the two do, and a driver enables the queues
 * that it uses before it is ready. If all that the specification asks for are enabled, those are
 * they; else there are no gaps.
 */
static void assign_queues(struct virtio_balloon *b)
{
	bool by_specification = true;
	unsigned next = BALLOON_STATS;

	for (unsigned q = 0; q < VIRTIO_QUEUES_MAX; q++)
		b->roles[q] = BALLOON_ROLES;
	for (unsigned role = 0; role < BALLOON_ROLES; role++)
		b->queues[role] = -1;
	b->queues[BALLOON_INFLATE] = BALLOON_INFLATE;
	b->queues[BALLOON_DEFLATE] = BALLOON_DEFLATE;
	for (unsigned i = 0; i < ARRAY_SIZE(optional); i++)
		if (optional[i].role != BALLOON_ROLES && balloon_negotiated(b, optional[i].feature))
			by_specification &= b->dev.queues[optional[i].role].state.enabled;
	for (unsigned i = 0; i < ARRAY_SIZE(optional); i++)
		if (optional[i].role != BALLOON_ROLES && balloon_negotiated(b, optional[i].feature))
			b->queues[optional[i].role] = (int)(by_specification
								? (unsigned)optional[i].role
								: next++);
	for (unsigned role = 0; role < BALLOON_ROLES; role++)
		if (b->queues[role] >= 0)
			b->roles[b->queues[role]] = (enum balloon_role)role;
}

static void balloon_activate(struct virtio_device *dev)
{
	struct virtio_balloon *b = balloon_of(dev);

	assign_queues(b);
	/* Linux's driver offers its statistics and kicks before it is ready, which goes unheard. */
	if (b->queues[BALLOON_STATS] >= 0)
		virtio_device_kick(dev, (unsigned)b->queues[BALLOON_STATS]);
}

static void balloon_notify(struct virtio_device *dev, unsigned queue)
{
	struct virtio_balloon *b = balloon_of(dev);

	switch (b->roles[queue]) {
	case BALLOON_INFLATE:
		balloon_inflate(b, queue);
		break;
	case BALLOON_DEFLATE:
		balloon_deflate(b, queue);
		break;
	case BALLOON_STATS:
		balloon_take_stats(b, queue);
		break;
	case BALLOON_HINTS:
		balloon_take_hints(b, queue);
		break;
	case BALLOON_REPORTS:
		balloon_take_reports(b, queue);
		break;
	case BALLOON_ROLES:
		break;
	}
}

/* The guest has all its pages again, and whoever drives next begins anew. What the host wants and
 * what has been counted since creation stays. */
static void balloon_reset(struct virtio_device *dev)
{
	struct virtio_balloon *b = balloon_of(dev);
	struct virtio_balloon_config config = balloon_config(b);
	bool moved = b->ballooned.count != 0 || b->hints.asked || b->hints.running;

	page_bitmap_clear_all(&b->ballooned);
	page_bitmap_clear_all(&b->waiting);
	b->n_blocks = 0;
	page_bitmap_clear_all(&b->reported);
	page_bitmap_clear_all(&b->hinted);
	b->inflate.held = b->deflate.held = b->reports.held = false;
	b->stats.held = b->stats.valid = false;
	b->hints.asked = b->hints.running = false;
	for (unsigned role = 0; role < BALLOON_ROLES; role++)
		b->queues[role] = -1;
	config.actual = 0;
	config.free_page_hint_cmd_id = VIRTIO_BALLOON_CMD_ID_STOP;
	config.poison_val = 0;
	virtio_device_set_config(dev, 0, &config, dev->config_len);
	if (moved && dev->transport)
		balloon_changed(b);
}

/* §5.5.4: the driver writes two fields, each at once. */
static void balloon_config_write(struct virtio_device *dev, unsigned offset, const uint8_t *data,
				 unsigned len)
{
	const struct virtio_balloon *b = balloon_of(dev);

	if (len != sizeof(uint32_t))
		return;
	if (offset == offsetof(struct virtio_balloon_config, actual) ||
	    (offset == offsetof(struct virtio_balloon_config, poison_val) &&
	     balloon_negotiated(b, VIRTIO_BALLOON_F_PAGE_POISON))) {
		memcpy(dev->config + offset, data, len);
		if (dev->transport)
			dev->transport->config_update(dev->transport_opaque, offset, len);
	}
}

static void balloon_free(struct virtio_device *dev)
{
	struct virtio_balloon *b = balloon_of(dev);

	page_bitmap_free(&b->ballooned);
	page_bitmap_free(&b->waiting);
	page_bitmap_free(&b->reported);
	page_bitmap_free(&b->hinted);
	free(b);
}

static const struct virtio_device_class balloon_class = {
	.name = "balloon",
	.id = VIRTIO_ID_BALLOON,
	.pci_class = PCI_CLASS_UNASSIGNED,
	.n_queues = BALLOON_ROLES,
	.queue_size = QUEUE_SIZE,
	.n_vectors = N_VECTORS,
	.config_len = sizeof(struct virtio_balloon_config),
	.features = 1ull << VIRTIO_BALLOON_F_MUST_TELL_HOST,
	.activate = balloon_activate,
	.reset = balloon_reset,
	.queue_notify = balloon_notify,
	.config_write = balloon_config_write,
	.free = balloon_free,
};

/* What the options leave of the class. */
static void apply_options(struct virtio_balloon *b, unsigned options)
{
	struct virtio_device *dev = &b->dev;

	b->options = (options & VIRTIO_BALLOON_ALL) | VIRTIO_BALLOON_BASE;
	dev->n_queues = BALLOON_DEFLATE + 1;
	for (unsigned i = 0; i < ARRAY_SIZE(optional); i++) {
		if (!(b->options & optional[i].option))
			continue;
		dev->features |= 1ull << optional[i].feature;
		/* Those below are there too, for drivers that leave no gaps. */
		if (optional[i].role != BALLOON_ROLES)
			dev->n_queues = (uint16_t)(optional[i].role + 1);
	}
	if (b->options & VIRTIO_BALLOON_POISON)
		dev->config_len = sizeof(struct virtio_balloon_config);
	else if (b->options & VIRTIO_BALLOON_HINTING)
		dev->config_len = offsetof(struct virtio_balloon_config, poison_val);
	else
		dev->config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id);
}

int virtio_balloon_new(const struct virtio_balloon_host *host, unsigned options,
		       struct virtio_device **ret_device, struct err **err)
{
	struct virtio_balloon *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(err, ERR_NO_SPACE, errno, "virtio-balloon");
	b->host = *host;
	b->n_pages = guest_ram_pages(host->ram);
	b->low_pages = guest_ram_low_end(host->ram) / GUEST_RAM_PAGE;
	b->high_pfn = GUEST_RAM_HIGH_START / GUEST_RAM_PAGE;
	b->unit = guest_ram_unit(host->ram);
	virtio_device_init(&b->dev, &balloon_class);
	apply_options(b, options);
	if (page_bitmap_init(&b->ballooned, b->n_pages, err) < 0 ||
	    page_bitmap_init(&b->waiting, b->n_pages, err) < 0 ||
	    page_bitmap_init(&b->reported, b->n_pages, err) < 0 ||
	    page_bitmap_init(&b->hinted, b->n_pages, err) < 0) {
		balloon_free(&b->dev);
		return err_wrap(err, "virtio-balloon");
	}
	*ret_device = &b->dev;
	return 0;
}

/*
 * For the host.
 */

static unsigned negotiated_options(const struct virtio_balloon *b)
{
	unsigned options = VIRTIO_BALLOON_BASE;

	for (unsigned i = 0; i < ARRAY_SIZE(optional); i++)
		if (balloon_negotiated(b, optional[i].feature))
			options |= optional[i].option;
	return options;
}

void virtio_balloon_info(const struct virtio_device *device, struct virtio_balloon_info *ret_info)
{
	const struct virtio_balloon *b = (const struct virtio_balloon *)device;
	const struct virtio_balloon_config config = balloon_config(b);
	bool driver = virtio_device_running(device);

	*ret_info = (struct virtio_balloon_info){
		.driver = driver,
		.options = b->options,
		.negotiated = driver ? negotiated_options(b) : 0,
		.target_pages = config.num_pages,
		.actual_pages = b->ballooned.count,
		.claimed_pages = config.actual,
		.released_pages = b->released_pages,
		.reported_pages = b->reported.count,
		.reported_total = b->reported_total,
		.hinted_pages = b->hinted.count,
		.hinting = b->hints.asked || b->hints.running,
		.poison_value = config.poison_val,
		.stats_valid = b->stats.valid,
		.stats_time_ms = b->stats.time_ms,
	};
	for (unsigned i = 0; i < VIRTIO_BALLOON_STATS_MAX && b->stats.valid; i++) {
		ret_info->stats_present[i] = b->stats.present[i];
		ret_info->stats[i] = b->stats.present[i] ? b->stats.values[i] : 0;
	}
}

void virtio_balloon_set_target(struct virtio_device *device, uint64_t pages)
{
	struct virtio_balloon *b = balloon_of(device);
	uint32_t num_pages = (uint32_t)(pages < b->n_pages ? pages : b->n_pages);

	virtio_device_set_config(device, offsetof(struct virtio_balloon_config, num_pages),
				 &num_pages, sizeof(num_pages));
	if (b->ballooned.count >= num_pages)
		balloon_release_rest(b);
}
