/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon: memory that a guest gives up and takes back. Source: virtio 1.2, §5.5.
 *
 * A target is set here; the guest's driver moves its balloon towards it in its own time, by naming
 * the pages that it puts in (inflating) or takes out (deflating). What is in the balloon is given
 * back to the host at once. Beside that, the driver may report pages that are free right now (given
 * back too; the guest may use them again without asking), hint at free pages when asked (only
 * counted: advice for who copies the guest's memory), and send statistics when asked.
 *
 * Whether there is a driver, and what it does, is the guest's choice: nothing here waits for it.
 * Pages are of 4 KiB, numbered as in mem/guest_ram.h. Nothing is allocated after creation. Called
 * with the device lock held.
 */
#ifndef LODGE_VIRTIO_BALLOON_H
#define LODGE_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct guest_ram;
struct virtio_device;

/* What a balloon can do, each of which can be left out but the first. */
enum virtio_balloon_option {
	VIRTIO_BALLOON_BASE = 1 << 0,		/* the device itself */
	VIRTIO_BALLOON_STATS = 1 << 1,		/* statistics (§5.5.6.3) */
	VIRTIO_BALLOON_DEFLATE_ON_OOM = 1 << 2, /* the guest may deflate when short (§5.5.6.1) */
	VIRTIO_BALLOON_REPORTING = 1 << 3,	/* free page reporting (§5.5.6.7) */
	VIRTIO_BALLOON_HINTING = 1 << 4,	/* free page hinting (§5.5.6.5) */
	VIRTIO_BALLOON_POISON = 1 << 5,		/* the guest's free pages aren't zero (§5.5.6.6) */
	VIRTIO_BALLOON_ALL = 0x3f,
};

struct virtio_balloon_host {
	struct guest_ram *ram; /* the caller's, and there longer than the device */
	/* Statistics arrived, the balloon's size moved (a driver's reset empties it too), or a
	 * hinting session ended. Not called while the device is made or freed. May be NULL. */
	void (*changed)(void *opaque);
	void *opaque;
};

/* options: enum virtio_balloon_option; VIRTIO_BALLOON_BASE is implied. Freed by its transport, or
 * by virtio_device_free(). ERR_NO_SPACE. */
int virtio_balloon_new(const struct virtio_balloon_host *host, unsigned options,
		       struct virtio_device **ret_device, struct err **err);

/* A slot for each VIRTIO_BALLOON_S_* of linux/virtio_balloon.h, which index them. */
enum { VIRTIO_BALLOON_STATS_MAX = 16 };

/* A statistic's name as in lodge's output ("swap_in", "major_faults"); i is below
 * VIRTIO_BALLOON_STATS_MAX. The memory ones are in bytes, the others count events. */
const char *virtio_balloon_stat_name(unsigned i);

struct virtio_balloon_info {
	bool driver;		 /* one runs (DRIVER_OK) */
	unsigned options;	 /* enum virtio_balloon_option, as made */
	unsigned negotiated;	 /* those that the driver wants too; 0 without a driver */
	uint64_t target_pages;	 /* what the host asks for */
	uint64_t actual_pages;	 /* what is in the balloon; lies and repeats don't count */
	uint64_t claimed_pages;	 /* what the driver says is in it */
	uint64_t released_pages; /* given back to the host for the balloon, since creation */
	uint64_t reported_pages; /* distinct pages reported free, given back and not ballooned
				  * since: the guest may have taken some into use */
	uint64_t reported_total; /* pages of all reports that were given back, since creation */
	uint64_t hinted_pages;	/* distinct pages of the last hinting session, or the running one */
	bool hinting;		/* a session was asked for and hasn't ended */
	uint32_t poison_value;	/* what the guest's free pages hold, if negotiated */
	bool stats_valid;	/* the driver has sent some */
	uint64_t stats_time_ms; /* when, on CLOCK_BOOTTIME */
	uint64_t stats[VIRTIO_BALLOON_STATS_MAX];
	bool stats_present[VIRTIO_BALLOON_STATS_MAX]; /* drivers send what they know */
};

void virtio_balloon_info(const struct virtio_device *device, struct virtio_balloon_info *ret_info);

/* How large the balloon is to be, in pages; more than the guest has is all it has. May be set
 * before there is a driver, and outlives the driver's resets. */
void virtio_balloon_set_target(struct virtio_device *device, uint64_t pages);

/* Asks the driver for new statistics; they come with changed(), soon or never. Asking again before
 * that is fine. ERR_STATE without a driver that does statistics. */
int virtio_balloon_ask_stats(struct virtio_device *device, struct err **err);

/* Starts a hinting session, in place of one that still runs. It ends by itself, with changed(),
 * once the driver has named all its free pages. ERR_STATE without a driver that hints. */
int virtio_balloon_ask_hints(struct virtio_device *device, struct err **err);

#endif
