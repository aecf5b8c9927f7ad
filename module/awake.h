/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * awake.c: EPOLLWAKEUP.
 */
#ifndef EVPOLL_AWAKE_H
#define EVPOLL_AWAKE_H

#include "evpoll.h"

/*
 * CTL: the mask without EPOLLWAKEUP if the caller lacks CAP_BLOCK_SUSPEND, or the kernel lacks
 * CONFIG_PM_SLEEP.
 */
__poll_t evpoll_awake_allowed(__poll_t events);

/* CTL: gives the item a wakeup source, or takes it away. Returns 0 or -ENOMEM. */
int evpoll_awake_set(struct evpoll_item *item, bool on);

/* Called by evpoll_stay_awake() only: the rare case of an item that may have a wakeup source. */
void evpoll_awake_stay(struct evpoll_extra *extra);

/* A scan takes the item: its wakeup source ends, and that of the instance takes over. */
void evpoll_awake_hand_over(struct evpoll_item *item);

/* The scan ends, and with it the wakeup source of the instance. */
void evpoll_awake_scan_end(struct evpoll *ep);

/* Frees the extra part of an item that is being removed. */
void evpoll_awake_free(struct evpoll_extra *extra);

/* A worker runs the work, which may sleep, as unregistering a wakeup source does. Any context. */
void evpoll_awake_queue_work(struct work_struct *work);

int evpoll_awake_init(void);
void evpoll_awake_exit(void);

/*
 * The item becomes pending or ready: keeps the system awake if the item asks for it. Any context.
 */
static inline void evpoll_stay_awake(struct evpoll_item *item)
{
	/* Pairs with smp_store_release() in evpoll_extra_get(). */
	struct evpoll_extra *extra = smp_load_acquire(&item->extra);

	if (extra)
		evpoll_awake_stay(extra);
}

#endif /* EVPOLL_AWAKE_H */
