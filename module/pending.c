// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second stage of an event: the wake callback adds the item to a lock-free list, one per CPU
 * and instance. The item stays pending there until a flush moves it to the ready list.
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
 * Adds the item to this CPU's list, in which the newest is first. With @napi, schedules NAPI to
 * flush it. Everything that a flush reads of the item is written before llist_add(), which orders
 * it.
 */
static __always_inline struct evpoll_pending *
evpoll_add_pending(struct evpoll *ep, struct evpoll_item *item, __poll_t uring, bool napi)
{
	struct evpoll_pending *pending;
	int cpu;

	evpoll_count(ep, queued, 1);
	evpoll_stay_awake(item);
	evpoll_stamp(item);
	if (uring)
		set_bit(EVPOLL_URING, &item->state);
	set_bit(EVPOLL_PENDING, &item->state);
	/*
	 * get_cpu() matters on PREEMPT_RT only, because elsewhere the queue lock stops preemption.
	 * A task that is preempted before set_bit() would hide its item from all flushes. One that
	 * is preempted in evpoll_napi_schedule(), after it has set EVPOLL_SCHEDULED, would keep
	 * later items of this CPU from NAPI. And NAPI must run on the CPU that the item was added
	 * on.
	 */
	cpu = get_cpu();
	pending = per_cpu_ptr(ep->pending, cpu);
	llist_add(&item->pending, &pending->items);
	/*
	 * The full barrier of llist_add() orders this check after it. Pairs with
	 * smp_mb__after_atomic() in evpoll_take_pending().
	 */
	if (!test_bit(cpu, ep->pending_cpus))
		set_bit(cpu, ep->pending_cpus);
	if (napi)
		evpoll_napi_schedule(pending);
	put_cpu();
	return pending;
}

/* Runs in any context but NMI, under the lock of the watched file's wait queue. */
void evpoll_queue_pending(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);
	u64 window_ns = evpoll_window_ns(ep);
	struct evpoll_pending *pending;

	if (window_ns) {
		evpoll_add_pending(ep, item, uring, false);
		evpoll_moderate(ep, item, window_ns);
		return;
	}
	if (in_interrupt()) {
		evpoll_add_pending(ep, item, uring, true);
		return;
	}
	evpoll_count(ep, inline_flushes, 1);
	/*
	 * The check may miss an item that becomes pending now. That does no harm, because the
	 * context that adds it flushes it or has it flushed.
	 */
	if (!evpoll_is_pending(ep)) {
		evpoll_queue_ready(item, true, uring, wakeup);
		return;
	}
	pending = evpoll_add_pending(ep, item, uring, false);
	evpoll_flush(item, pending, INT_MAX, wakeup);
}
