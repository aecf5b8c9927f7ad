// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second stage of an event: the wake callback adds the item to the pending queue of its
 * instance, without a lock. The item stays pending there until a flush moves it to the ready list.
 *
 * The context of the wake callback decides who flushes:
 *
 *   With a window, in any context: the timer flushes when the window ends, or the wake callback
 *   does when enough events are pending (moderate.c).
 *
 *   In an interrupt, or with bottom halves off: NAPI flushes (napi.c), right after the work that is
 *   in progress. All items that this work queues become one batch, up to the budget (64),
 *   and a batch causes one wakeup at most.
 *
 *   In process context: the wake callback flushes at once. NAPI would run late there: a softirq
 *   that is raised in process context waits for the next interrupt, or wakes ksoftirqd.
 *   If nothing else is pending, the wake callback makes the item ready directly, which has the same
 *   effect and costs less.
 *
 *   With EVPOLL_EAGER, the wake callback makes the first item of a burst ready directly if a waiter
 *   sleeps, and opens the window or schedules NAPI for the rest of the burst.
 *
 * A reader that is awake flushes too, before it scans the ready list.
 */
#include <linux/preempt.h>

#include "awake.h"
#include "flush.h"
#include "moderate.h"
#include "napi.h"
#include "pending.h"
#include "ready.h"
#include "stats.h"

/*
 * Adds the item to the pending queue. Everything that a flush reads of the item is written before
 * evpoll_fifo_add(), which orders it.
 */
static __always_inline void evpoll_add_pending(struct evpoll *ep, struct evpoll_item *item,
					       __poll_t uring)
{
	atomic64_inc(&ep->pushed);
	evpoll_stay_awake(item);
	evpoll_stamp(item);
	if (uring)
		set_bit(EVPOLL_URING, &item->state);
	set_bit(EVPOLL_PENDING, &item->state);
	evpoll_fifo_add(&ep->tail, &item->pending);
}

/*
 * May the wake callback wake a waiter for this item at once, because the item is the first of a
 * burst? A burst ends when NAPI runs, or when the timer of the window does. Other CPUs may change
 * what this checks meanwhile. That does no harm, because the rest of the burst is flushed later in
 * any case.
 */
static bool evpoll_is_first(struct evpoll *ep, u64 window_ns)
{
	if (!(READ_ONCE(ep->params.flags) & EVPOLL_EAGER))
		return false;
	/* Needs no barrier, because the flush wakes a waiter that this misses. */
	if (!waitqueue_active(&ep->waiters))
		return false;
	if (window_ns)
		return !test_bit(EVPOLL_ARMED, &ep->state);
	return !(atomic_long_read(&ep->refs) & EVPOLL_SCHEDULED);
}

/* Somebody will flush: the timer of the window, NAPI, or this wake callback at once. */
static void evpoll_have_flushed(struct evpoll *ep, u64 window_ns, enum evpoll_wakeup wakeup)
{
	if (window_ns)
		evpoll_moderate(ep, window_ns);
	else if (in_interrupt())
		evpoll_napi_schedule(ep);
	else
		evpoll_waker_flush(ep, wakeup, true);
}

/* Runs in any context but NMI, under the lock of the watched file's wait queue. */
void evpoll_queue_pending(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);
	u64 window_ns = evpoll_window_ns(ep);

	/*
	 * The check may miss an item that becomes pending now. That does no harm, because the
	 * context that adds it flushes it or has it flushed.
	 */
	if (!window_ns && !in_interrupt() && !evpoll_is_pending(ep)) {
		evpoll_queue_direct(item, uring, wakeup);
		evpoll_napi_wake_pollers(ep);
		return;
	}
	if (evpoll_is_first(ep, window_ns) && !evpoll_is_pending(ep)) {
		evpoll_queue_direct(item, uring, wakeup);
		/* evpoll_napi_schedule() wants EVPOLL_POLLERS to be set before it checks. */
		smp_mb();
	} else {
		evpoll_add_pending(ep, item, uring);
	}
	evpoll_have_flushed(ep, window_ns, wakeup);
}

/*
 * The same, for an event in the ring whose item is on no list: EVPOLL_NEWS is like a pending item.
 */
void evpoll_queue_news(struct evpoll *ep, __poll_t uring, enum evpoll_wakeup wakeup)
{
	u64 window_ns = evpoll_window_ns(ep);
	bool first = evpoll_is_first(ep, window_ns) && !evpoll_is_pending(ep);

	/* evpoll_has_sleepers() has the barrier. */
	if (uring && waitqueue_active(&ep->pollers))
		set_bit(EVPOLL_POLLERS_URING, &ep->state);
	/* A full barrier, for evpoll_napi_schedule() and evpoll_moderate(). */
	test_and_set_bit(EVPOLL_NEWS, &ep->state);
	if (READ_ONCE(ep->params.flags) & EVPOLL_UNBATCHED) {
		evpoll_waker_flush(ep, wakeup, false);
		return;
	}
	if (first) {
		evpoll_waker_flush(ep, wakeup, true);
		/* evpoll_napi_schedule() wants EVPOLL_POLLERS to be set before it checks. */
		smp_mb();
		if (!window_ns && !in_interrupt())
			return;
	}
	evpoll_have_flushed(ep, window_ns, wakeup);
}
