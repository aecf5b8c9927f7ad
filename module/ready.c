// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ready list, and the wakeup: the last stage that the waker, NAPI or a timer runs. From here on
 * the reader takes over.
 */
#include "awake.h"
#include "ready.h"
#include "ring.h"
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

/* See evpoll_wake_pollers(). */
void evpoll_wake_marked_pollers(struct evpoll *ep)
{
	__poll_t uring = 0;

	/* A full barrier: items that become ready from here on set the bit again. */
	if (!test_and_clear_bit(EVPOLL_POLLERS, &ep->state))
		return;
	if (test_and_clear_bit(EVPOLL_POLLERS_URING, &ep->state))
		uring = EPOLL_URING_WAKE;
	wake_up_poll(&ep->pollers, EPOLLIN | uring);
}

/*
 * Adds the item to the ready list if @queued, or counts its new event. Caller holds waiters.lock.
 */
static __always_inline void evpoll_link(struct evpoll_item *item, bool queued)
{
	struct evpoll *ep = evpoll_of(item);

	if (queued) {
		evpoll_stay_awake(item);
		list_add_tail(&item->ready, &ep->ready);
		ep->nready++;
	} else {
		evpoll_clear_reported(item);
	}
}

/*
 * Adds the item to the ready list, and wakes a waiter. The caller has set EVPOLL_QUEUED and the
 * item's time, and holds waiters.lock.
 */
static __always_inline void evpoll_make_ready(struct evpoll_item *item, __poll_t uring,
					      enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);

	evpoll_link(item, true);
	evpoll_wake_waiter(ep, wakeup);
	evpoll_mark_pollers(ep, uring);
}

void evpoll_queue(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);

	lockdep_assert_held(&ep->mtx);
	if (test_and_set_bit(EVPOLL_QUEUED, &item->state))
		return;
	item->queued_ns = 0;
	spin_lock_irq(&ep->waiters.lock);
	evpoll_make_ready(item, 0, EVPOLL_WAKEUP);
	evpoll_ring_set_more(ep);
	spin_unlock_irq(&ep->waiters.lock);
	evpoll_wake_pollers(ep);
}

void evpoll_queue_direct(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);
	unsigned long flags;

	evpoll_stamp(item);
	spin_lock_irqsave(&ep->waiters.lock, flags);
	evpoll_count(&ep->counts.direct, 1);
	evpoll_make_ready(item, uring, wakeup);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
}

/*
 * @queued: the wake callback has just set EVPOLL_QUEUED. If not, the item is on a list or about to
 * be, and this only wakes. @own_signal: the signal of O_ASYNC has caused the event.
 */
static __always_inline bool evpoll_queue_now(struct evpoll_item *item, bool queued,
					     __poll_t uring, enum evpoll_wakeup wakeup,
					     bool own_signal)
{
	struct evpoll *ep = evpoll_of(item);
	unsigned long flags;
	bool waiter;

	if (queued)
		evpoll_stamp(item);
	spin_lock_irqsave(&ep->waiters.lock, flags);
	evpoll_count(&ep->counts.callbacks, 1);
	evpoll_count(&ep->counts.queued, queued);
	evpoll_link(item, queued);
	waiter = evpoll_wake_waiter(ep, wakeup);
	if (own_signal)
		/* Not evpoll_set_pollers(), which asks for a signal. */
		set_bit(EVPOLL_POLLERS, &ep->state);
	else
		evpoll_mark_pollers(ep, uring);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	return waiter;
}

bool evpoll_queue_at_once(struct evpoll_item *item, bool queued, __poll_t uring,
			  enum evpoll_wakeup wakeup)
{
	return evpoll_queue_now(item, queued, uring, wakeup, false);
}

bool evpoll_queue_own_signal(struct evpoll_item *item, bool queued)
{
	return evpoll_queue_now(item, queued, 0, EVPOLL_WAKEUP, true);
}

/* See evpoll_renew(). */
void evpoll_renew_reported(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);
	unsigned long flags;

	if (!evpoll_clear_reported(item))
		return;
	spin_lock_irqsave(&ep->waiters.lock, flags);
	evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
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
	evpoll_clear_reported(item);
	evpoll_clear_queued(item);
}
