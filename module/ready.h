/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ready.c: the ready list, and the wakeup of waiters and pollers.
 */
#ifndef EVPOLL_READY_H
#define EVPOLL_READY_H

#include <linux/ktime.h>

#include "evpoll.h"

/* How to wake a waiter. SYNC: the waker is about to sleep, as for wake_up_sync(). */
enum evpoll_wakeup {
	EVPOLL_NO_WAKEUP,
	EVPOLL_WAKEUP,
	EVPOLL_WAKEUP_SYNC,
};

/* CTL: the item has an event already, and no wake callback will come for it. Makes it ready. */
void evpoll_queue(struct evpoll_item *item);

/*
 * The wake callback, when nothing is pending: makes the item ready, and wakes a waiter. Afterwards
 * the caller has NAPI wake the pollers.
 */
void evpoll_queue_direct(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup);

/*
 * The same in any context, for an event that must not wait for a flush. Returns whether a waiter
 * can use the wakeup.
 */
bool evpoll_queue_at_once(struct evpoll_item *item, bool queued, __poll_t uring,
			  enum evpoll_wakeup wakeup);

/*
 * The same for an event that the signal of O_ASYNC has caused: the pollers hear of it, and no
 * signal is sent.
 */
bool evpoll_queue_own_signal(struct evpoll_item *item, bool queued);

/* Called by evpoll_wake_pollers() only: EVPOLL_POLLERS is set. */
void evpoll_wake_marked_pollers(struct evpoll *ep);

/* Called by evpoll_wake_waiter() only: the instance has waiters. */
bool evpoll_wake_first_waiter(struct evpoll *ep, enum evpoll_wakeup wakeup);

/* Called by evpoll_renew() only: the item has EVPOLL_REPORTED. */
void evpoll_renew_reported(struct evpoll_item *item);

/* Takes the item off the ready list or the scan's list. */
void evpoll_unlink(struct evpoll_item *item);

/*
 * Wakes one waiter. That waiter wakes the next one if it leaves items behind, see
 * evpoll_scan_end(). Caller holds waiters.lock: a waiter checks for items and queues itself under
 * the same lock. Returns whether a waiter can use the wakeup.
 */
static inline bool evpoll_wake_waiter(struct evpoll *ep, enum evpoll_wakeup wakeup)
{
	lockdep_assert_held(&ep->waiters.lock);
	/* waitqueue_active() needs no barrier, because the queue's lock is held. */
	if (wakeup == EVPOLL_NO_WAKEUP || !waitqueue_active(&ep->waiters))
		return false;
	return evpoll_wake_first_waiter(ep, wakeup);
}

/* Notes that the pollers must be woken for an event, and that O_ASYNC sends its signal for it. */
static inline void evpoll_set_pollers(struct evpoll *ep, __poll_t uring)
{
	if (uring)
		set_bit(EVPOLL_POLLERS_URING, &ep->state);
	set_bit(EVPOLL_SIGIO, &ep->state);
	/* Orders the bits for test_and_clear_bit() in evpoll_wake_marked_pollers(). */
	smp_mb__before_atomic();
	set_bit(EVPOLL_POLLERS, &ep->state);
}

/*
 * An item became ready: if the instance has pollers, notes that they must be woken. Caller holds
 * waiters.lock.
 */
static inline void evpoll_mark_pollers(struct evpoll *ep, __poll_t uring)
{
	lockdep_assert_held(&ep->waiters.lock);
	/*
	 * Checking without pollers.lock is safe: a poller queues itself before it scans, and the
	 * scan takes the lock that is held here.
	 */
	if (waitqueue_active(&ep->pollers))
		evpoll_set_pollers(ep, uring);
}

/*
 * Wakes the pollers of the instance if it is marked. Most of their wait functions are not evpoll's,
 * and may take any lock that a wait function may take. So the caller holds no spinlock.
 */
static inline void evpoll_wake_pollers(struct evpoll *ep)
{
	if (test_bit(EVPOLL_POLLERS, &ep->state))
		evpoll_wake_marked_pollers(ep);
}

/* Is the item on the ready list or on a scan's list? Caller holds waiters.lock. */
static inline bool evpoll_is_ready(const struct evpoll_item *item)
{
	return item->ready.prev != &item->ready;
}

/*
 * How many ready items have an event that no reader has got yet? Exact while the caller holds
 * waiters.lock and no wake callback runs.
 */
static inline int evpoll_nr_new(const struct evpoll *ep)
{
	return ep->nready - atomic_read(&ep->nreported);
}

/* A reader has got the event of a level-triggered item, which stays ready. Caller scans. */
static inline void evpoll_set_reported(struct evpoll_item *item)
{
	if (test_bit(EVPOLL_REPORTED, &item->state))
		return;
	/* Count first, so that the number is never too small. */
	atomic_inc(&evpoll_of(item)->nreported);
	set_bit(EVPOLL_REPORTED, &item->state);
}

/* The item has a new event, or leaves its list. Returns whether its event had been reported. */
static inline bool evpoll_clear_reported(struct evpoll_item *item)
{
	if (!test_bit(EVPOLL_REPORTED, &item->state) ||
	    !test_and_clear_bit(EVPOLL_REPORTED, &item->state))
		return false;
	atomic_dec(&evpoll_of(item)->nreported);
	return true;
}

/*
 * The file of an item that is queued already tells of a new event. If a reader had got the one
 * before, counts the item among those with a new event, and wakes a waiter that needs several.
 */
static inline void evpoll_renew(struct evpoll_item *item)
{
	if (test_bit(EVPOLL_REPORTED, &item->state))
		evpoll_renew_reported(item);
}

/* Notes when the item was queued, if its instance measures latency. Call before it is on a list. */
static inline void evpoll_stamp(struct evpoll_item *item)
{
	bool latency = READ_ONCE(evpoll_of(item)->params.flags) & EVPOLL_LATENCY;

	item->queued_ns = latency ? ktime_get_ns() : 0;
}

/*
 * The item is leaving its list: clears its own state, but not its neighbours' links. Caller holds
 * waiters.lock.
 */
static __always_inline void evpoll_clear_queued(struct evpoll_item *item)
{
	INIT_LIST_HEAD(&item->ready);
	evpoll_of(item)->nready--;
	/*
	 * Release order, because the context that sets the bit next writes @queued_ns, and
	 * @pending, which shares its place with @ready, and takes no lock for it. Pairs with
	 * test_and_set_bit() in evpoll_queue_event() and evpoll_queue(), and with
	 * test_bit_acquire() in evpoll_dequeue().
	 */
	clear_bit_unlock(EVPOLL_QUEUED, &item->state);
}

#endif /* EVPOLL_READY_H */
