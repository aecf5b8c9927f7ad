/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scan.c: a scan, one pass over the ready list.
 *
 * Between evpoll_scan_start() and evpoll_scan_end() the caller holds the mutex. It takes items,
 * polls each, and then keeps the item ready, undoes the take, or drops it.
 */
#ifndef EVPOLL_SCAN_H
#define EVPOLL_SCAN_H

#include "awake.h"
#include "evpoll.h"
#include "ready.h"

/**
 * struct evpoll_taken - an item that a scan has taken
 * @item: the item. The scan has a reference on its file, which keeps both
 * @queued_ns: evpoll_item.queued_ns, from before a wake callback could overwrite it
 */
struct evpoll_taken {
	struct evpoll_item *item;
	u64 queued_ns;
};

void evpoll_scan_start(struct evpoll *ep);
void evpoll_scan_end(struct evpoll *ep);

/* Takes up to @max items, each with a reference on its file. Returns how many. */
int evpoll_scan_take(struct evpoll *ep, struct evpoll_taken *taken, int max);

/* Takes a level-triggered item, which stayed on the scan's list, off that list. */
void evpoll_scan_remove(struct evpoll_item *item);

/* Requeues an item that has left the list, unless a wake callback has queued it meanwhile. */
bool evpoll_scan_requeue(struct evpoll_item *item, u64 queued_ns, bool polled);

/* Puts an item back where evpoll_scan_take() found it, as if it had not been taken. */
void evpoll_scan_undo(struct evpoll_item *item, u64 queued_ns);

/*
 * A reader got the event of a level-triggered item. The item stays ready, behind all items that are
 * not polled yet. Caller has a reference on its file.
 */
static inline void evpoll_scan_keep(struct evpoll_item *item)
{
	/*
	 * The item is still on the scan's list, so the scan may write its time. Each event of a
	 * wake callback counts once, so a second report has no time.
	 */
	item->queued_ns = 0;
	evpoll_set_reported(item);
	evpoll_stay_awake(item);
}

/*
 * May the scan have more items? Only for the task that scans. It reads without waiters.lock.
 * Other tasks only remove items, so a no is exact. A yes may be wrong; then evpoll_scan_take()
 * finds nothing.
 */
static inline bool evpoll_scan_has_more(const struct evpoll *ep)
{
	/*
	 * The cursor pairs with WRITE_ONCE() in evpoll_scan_take() and evpoll_unlink(). The stores
	 * to the list's links are not marked, hence data_race().
	 */
	return data_race(READ_ONCE(ep->scan.prev)) != READ_ONCE(ep->cursor);
}

#endif /* EVPOLL_SCAN_H */
