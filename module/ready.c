// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ready list, and the wakeup: the last stage that the waker, NAPI or a timer runs. From here on
 * the reader takes over.
 */
#include "awake.h"
#include "ready.h"
#include "stats.h"

/* See evpoll_wake_waiter(). */
bool evpoll_wake_first_waiter(struct evpoll *ep, enum evpoll_wakeup wakeup)
{
	/* evpoll_wake_function() sets it. */
	ep->woke = false;
	if (wakeup == EVPOLL_WAKEUP_SYNC)
		__wake_up_locked_sync_key(&ep->waiters, TASK_NORMAL, NULL);
	else
		wake_up_locked(&ep->waiters);
	return ep->woke;
}

/*
 * @source: the item whose wake callback is the caller, NULL when the caller is no wake callback.
 *
 * If another instance watches @ep, the wakeup runs the wake callback of that watcher, which may
 * call this function for the pollers of the watcher. The two locks differ, because the graph of
 * instances has no cycle. lockdep needs the level: it is @poller_nests of the instance that @source
 * watches, whose pollers.lock the caller holds.
 */
void evpoll_wake_pollers(struct evpoll *ep, struct evpoll_item *source, __poll_t uring)
{
	unsigned long flags;
	u8 nests = 0;

	if (source && test_bit(EVPOLL_NESTED, &source->state))
		nests = ((struct evpoll *)source->file->private_data)->poller_nests;
	spin_lock_irqsave_nested(&ep->pollers.lock, flags, nests);
	ep->poller_nests = nests + 1;
	wake_up_locked_poll(&ep->pollers, EPOLLIN | uring);
	ep->poller_nests = 0;
	spin_unlock_irqrestore(&ep->pollers.lock, flags);
}

/*
 * Adds the item to the ready list if @queued, and wakes in any case. With @queued the caller has
 * set EVPOLL_QUEUED and the item's time. @source: as for evpoll_wake_pollers(). Returns whether a
 * waiter can use the wakeup.
 */
static __always_inline bool evpoll_make_ready(struct evpoll_item *item, bool queued,
					      struct evpoll_item *source, __poll_t uring,
					      enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);
	bool waiter, pollers;
	unsigned long flags;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	if (queued) {
		evpoll_stay_awake(item);
		list_add_tail(&item->ready, &ep->ready);
		ep->nready++;
	}
	waiter = evpoll_wake_waiter(ep, wakeup);
	/*
	 * Checking without pollers.lock is safe: a poller queues itself before it scans, and the
	 * scan takes the lock that is held here.
	 */
	pollers = waitqueue_active(&ep->pollers);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	if (pollers)
		evpoll_wake_pollers(ep, source, uring);
	return waiter;
}

void evpoll_queue(struct evpoll_item *item)
{
	lockdep_assert_held(&evpoll_of(item)->mtx);
	if (test_and_set_bit(EVPOLL_QUEUED, &item->state))
		return;
	item->queued_ns = 0;
	evpoll_make_ready(item, true, NULL, 0, EVPOLL_WAKEUP);
}

/*
 * @queued: the wake callback has just set EVPOLL_QUEUED. If not, the item is on a list or about to
 * be, and this only wakes.
 */
bool evpoll_queue_ready(struct evpoll_item *item, bool queued, __poll_t uring,
			enum evpoll_wakeup wakeup)
{
	if (queued) {
		evpoll_count(evpoll_of(item), queued, 1);
		evpoll_stamp(item);
	}
	return evpoll_make_ready(item, queued, item, uring, wakeup);
}

/* Caller holds waiters.lock. */
void evpoll_unlink(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);

	lockdep_assert_held(&ep->waiters.lock);
	if (ep->cursor == &item->ready)
		/* Pairs with READ_ONCE() in evpoll_scan_has_more(). */
		WRITE_ONCE(ep->cursor, item->ready.prev);
	__list_del_entry(&item->ready);
	evpoll_clear_queued(item);
}
