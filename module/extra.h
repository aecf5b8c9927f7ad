/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What few items need: a wakeup source (awake.c), and more than one wait entry (callback.c). It is
 * not part of struct evpoll_item, because there can be millions of items.
 */
#ifndef EVPOLL_EXTRA_H
#define EVPOLL_EXTRA_H

#include <linux/slab.h>

#include "evpoll.h"

struct evpoll_more;

/**
 * struct evpoll_extra - what few items need
 * @ws: wakeup source of EPOLLWAKEUP; written under evpoll.mtx, read under RCU
 * @more: second and further wait entries; evpoll.mtx, or the task that removes the item
 * @free_work: frees this where unregistering @ws may sleep
 */
struct evpoll_extra {
	struct wakeup_source __rcu *ws;
	struct evpoll_more *more;
	struct work_struct free_work;
};

/* Allocates it when it is first needed; NULL if there is no memory. Caller holds the mutex. */
static inline struct evpoll_extra *evpoll_extra_get(struct evpoll_item *item)
{
	lockdep_assert_held(&evpoll_of(item)->mtx);
	if (!item->extra) {
		struct evpoll_extra *extra = kzalloc(sizeof(*extra), GFP_KERNEL_ACCOUNT);

		/* Pairs with smp_load_acquire() in evpoll_stay_awake(). */
		smp_store_release(&item->extra, extra);
	}
	return item->extra;
}

#endif /* EVPOLL_EXTRA_H */
