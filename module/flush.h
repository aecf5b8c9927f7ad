/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flush.c: pending items become ready.
 */
#ifndef EVPOLL_FLUSH_H
#define EVPOLL_FLUSH_H

#include "evpoll.h"
#include "fifo.h"
#include "ready.h"
#include "ring.h"

/* Items that move without a break, because interrupts are off meanwhile. */
#define EVPOLL_FLUSH_BATCH 64

/*
 * Moves up to @budget pending items and wakes a waiter, under waiters.lock, which the caller holds.
 * Returns how many moved. Afterwards the caller wakes the pollers, or has NAPI wake them.
 */
int evpoll_flush_locked(struct evpoll *ep, int budget, enum evpoll_wakeup wakeup);

/*
 * Flushes all items that are pending when it begins, wakes a waiter for each batch, and wakes the
 * pollers. Caller is a task that holds no spinlock.
 */
void evpoll_flush_all(struct evpoll *ep, enum evpoll_wakeup wakeup);

/* Called by evpoll_dequeue() only: the rare case of an item that is queued. */
void evpoll_dequeue_queued(struct evpoll_item *item);

/*
 * Makes sure that the item is neither pending nor ready. The item must be off its wait queues, so
 * that no wake callback queues it again, and the caller keeps scans away from it.
 */
static inline void evpoll_dequeue(struct evpoll_item *item)
{
	/*
	 * Most items are not queued. A context that set the bit has released a lock or the file
	 * since then, so the bit is visible here. Acquire order pairs with clear_bit_unlock() in
	 * evpoll_clear_queued(): the context that cleared the bit does not touch the item again.
	 */
	if (test_bit_acquire(EVPOLL_QUEUED, &item->state))
		evpoll_dequeue_queued(item);
}

/*
 * Is any item pending, or has the ring an event to wake for? A no is exact under waiters.lock for
 * an item that was added before the lock was taken. An item that is added later does not have to be
 * seen: the context that adds it takes waiters.lock later and looks for sleepers, or has NAPI or a
 * window do that.
 */
static inline bool evpoll_is_pending(const struct evpoll *ep)
{
	return !evpoll_fifo_empty(&ep->tail, &ep->pending) || test_bit(EVPOLL_NEWS, &ep->state);
}

/*
 * May a call find an event? Items that another task's scan has taken count, because that scan may
 * requeue them. Caller holds waiters.lock.
 */
static inline bool evpoll_has_items(const struct evpoll *ep)
{
	lockdep_assert_held(&ep->waiters.lock);
	return !list_empty(&ep->ready) || ep->scanning || evpoll_is_pending(ep) ||
	       evpoll_ring_has_entry(ep);
}

#endif /* EVPOLL_FLUSH_H */
