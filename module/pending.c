// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second stage of an event: items that the wake callback has seen are pending, in a
 * lock-free list per CPU and instance, until a flush moves them to the ready list.
 *
 * Who flushes depends on where the callback runs:
 *
 *   in an interrupt, or with bottom halves off: NAPI does (napi.c), right after the work that
 *   is going on. What that work woke is one batch, and at most one wakeup.
 *
 *   in plain process context: the callback itself, at once. A softirq raised there would run
 *   with the next interrupt, or wake ksoftirqd. When nothing else is pending it makes the item
 *   ready without the detour, which comes to the same.
 *
 *   in either, with a window: nobody, until the window ends or enough is pending (moderate.c).
 *
 * And a waiter that is awake, before it looks at the ready list.
 */
#include <linux/preempt.h>

#include "evpoll.h"
#include "trace.h"

/*
 * Items that the flush of a waiter or a window moves at a time, with interrupts off. Before that
 * it turns the whole list round, which takes as long as it was when it grew.
 */
#define EVPOLL_FLUSH_BATCH 64

/*
 * Takes all that the CPU has pending, oldest first; false when there is nothing. Nobody else takes:
 * the caller holds waiters.lock.
 *
 * The bit is cleared only when there is nothing: who looks at it without the lock, before a scan
 * that does not wait, must not miss what is pending.
 */
static bool evpoll_refill(struct evpoll_pending *pending)
{
	unsigned long *cpus = pending->ep->pending_cpus;

	if (llist_empty(&pending->items)) {
		clear_bit(pending->cpu, cpus);
		/*
		 * Pairs with llist_add() in evpoll_pend(): it sees the bit cleared and sets it,
		 * or we see the item.
		 */
		smp_mb__after_atomic();
		if (llist_empty(&pending->items))
			return false;
		set_bit(pending->cpu, cpus);
	}
	pending->batch = llist_reverse_order(llist_del_all(&pending->items));
	return true;
}

/*
 * Moves up to @budget items; returns how many. Fewer mean that nothing is left. Caller holds
 * waiters.lock.
 */
static int evpoll_move(struct evpoll_pending *pending, int budget, __poll_t *uring)
{
	struct evpoll *ep = pending->ep;
	struct evpoll_item *item;
	int moved;

	lockdep_assert_held(&ep->waiters.lock);
	for (moved = 0; moved < budget; moved++) {
		if (!pending->batch && !evpoll_refill(pending))
			break;
		item = llist_entry(pending->batch, struct evpoll_item, pending);
		pending->batch = item->pending.next;
		if (test_bit(EVPOLL_URING, &item->state)) {
			clear_bit(EVPOLL_URING, &item->state);
			*uring = EPOLL_URING_WAKE;
		}
		clear_bit(EVPOLL_PENDING, &item->state);
		list_add_tail(&item->ready, &ep->ready);
	}
	ep->nready += moved;
	if (moved)
		trace_evpoll_flush(pending, moved);
	if (pending->batch)
		set_bit(pending->cpu, ep->pending_cpus);
	return moved;
}

/* @source: the item whose callback flushes, or NULL. */
static int evpoll_flush_for(struct evpoll_item *source, struct evpoll_pending *pending,
			    int budget, enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = pending->ep;
	__poll_t uring = 0;
	unsigned long flags;
	bool pollers;
	int moved;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	moved = evpoll_move(pending, budget, &uring);
	if (moved)
		evpoll_wake_waiter(ep, wakeup);
	/* A poller is queued before it looks at the ready list under this lock. */
	pollers = moved && waitqueue_active(&ep->pollers);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);

	if (pollers)
		evpoll_wake_pollers(ep, source, uring);
	return moved;
}

/* The flush of NAPI. Returns items moved; fewer than @budget mean that nothing is left. */
int evpoll_flush(struct evpoll_pending *pending, int budget)
{
	return evpoll_flush_for(NULL, pending, budget, EVPOLL_WAKEUP);
}

/*
 * The flush of a waiter, and of a window: all CPUs, until nothing is pending that was when it
 * began, then one wakeup.
 */
void evpoll_flush_all(struct evpoll *ep, struct evpoll_item *source, enum evpoll_wakeup wakeup)
{
	bool pollers, any = false;
	__poll_t uring = 0;
	unsigned long flags;
	unsigned int cpu;
	int moved;

	if (!evpoll_is_pending(ep))
		return;
	/* A new window. What was counted in the old one is pending already, and moves now. */
	if (atomic_read(&ep->noted))
		atomic_set(&ep->noted, 0);
	for (cpu = evpoll_pending_cpu(ep, 0); cpu < nr_cpu_ids;
	     cpu = evpoll_pending_cpu(ep, cpu + 1)) {
		do {
			spin_lock_irqsave(&ep->waiters.lock, flags);
			moved = evpoll_move(per_cpu_ptr(ep->pending, cpu), EVPOLL_FLUSH_BATCH,
					    &uring);
			spin_unlock_irqrestore(&ep->waiters.lock, flags);
			any |= moved;
		} while (moved == EVPOLL_FLUSH_BATCH);
	}
	if (!any)
		return;
	spin_lock_irqsave(&ep->waiters.lock, flags);
	/* Another waiter may have been faster. */
	if (evpoll_available(ep))
		evpoll_wake_waiter(ep, wakeup);
	/* As above. */
	pollers = waitqueue_active(&ep->pollers);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	if (pollers)
		evpoll_wake_pollers(ep, source, uring);
}

/*
 * The item becomes pending, at the end of the CPU's list. With @napi, NAPI is to flush it. All that
 * others shall see with the item comes before llist_add().
 */
static __always_inline struct evpoll_pending *
evpoll_pend(struct evpoll *ep, struct evpoll_item *item, __poll_t uring, bool napi)
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
	 * Preemption off, which only PREEMPT_RT needs: a task that is preempted here would
	 * keep its item from all others, and with it later items of the CPU.
	 */
	cpu = get_cpu();
	pending = per_cpu_ptr(ep->pending, cpu);
	llist_add(&item->pending, &pending->items);
	/* After llist_add(), whose barrier pairs with that in evpoll_refill(). */
	if (!test_bit(cpu, ep->pending_cpus))
		set_bit(cpu, ep->pending_cpus);
	if (napi)
		evpoll_napi_schedule(pending);
	put_cpu();
	return pending;
}

/*
 * The watched file of @item has news; EVPOLL_QUEUED is set. From the wake callback, so in any
 * context but NMI, with the lock of the file's wait queue held.
 */
void evpoll_note(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);
	u64 window_ns = evpoll_window_ns(ep);
	struct evpoll_pending *pending;

	if (window_ns) {
		evpoll_pend(ep, item, uring, false);
		evpoll_moderate(ep, item, window_ns);
		return;
	}
	if (in_interrupt()) {
		evpoll_pend(ep, item, uring, true);
		return;
	}
	evpoll_count(ep, inline_flushes, 1);
	/* What becomes pending now is flushed by who makes it so: a stale look does no harm. */
	if (!evpoll_is_pending(ep)) {
		evpoll_queue_at_once(item, true, uring, wakeup);
		return;
	}
	pending = evpoll_pend(ep, item, uring, false);
	evpoll_flush_for(item, pending, INT_MAX, wakeup);
}

/* See evpoll_dequeue(). */
void evpoll_dequeue_queued(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);
	bool pending;

	for (;;) {
		spin_lock_irq(&ep->waiters.lock);
		if (evpoll_is_ready(item))
			evpoll_unlink(item);
		pending = test_bit(EVPOLL_QUEUED, &item->state);
		spin_unlock_irq(&ep->waiters.lock);
		if (!pending)
			return;
		/* From the middle of a lock-free list nothing can be taken: move them all. */
		evpoll_flush_all(ep, NULL, EVPOLL_WAKEUP);
	}
}
