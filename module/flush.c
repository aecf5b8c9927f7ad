// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flush: moves pending items to the ready list, and wakes a waiter for each batch.
 *
 * These flush: NAPI (napi.c), the end of a window and a change of parameters (moderate.c), the wake
 * callback (pending.c), a scan (scan.c), a wait with min_wait_ns (wait.c), and the removal of a
 * queued item (below). All move items under waiters.lock, from the oldest of a CPU to the newest.
 * So items become ready in the order in which they became pending on that CPU.
 */
#include "flush.h"
#include "ready.h"
#include "trace.h"

/*
 * evpoll_flush_all() moves at most so many items before it enables interrupts again. This does not
 * bound the reversal of the list in evpoll_take_pending(), which takes as long as the list is.
 */
#define EVPOLL_FLUSH_BATCH 64

/*
 * Takes all items that the CPU has pending, the oldest first. Returns false when there are none.
 * Caller holds waiters.lock, so nobody else takes items.
 *
 * Clears the CPU's bit only when the list is empty: evpoll_scan_start() checks the bit without the
 * lock, and must not miss items that were pending before the call of a reader or of poll(2).
 */
static bool evpoll_take_pending(struct evpoll_pending *pending)
{
	unsigned long *cpus = pending->ep->pending_cpus;

	if (llist_empty(&pending->items)) {
		clear_bit(pending->cpu, cpus);
		/*
		 * Pairs with the full barrier of llist_add() in evpoll_add_pending(). Either that
		 * function sees the bit cleared and sets it again, or the list is not empty here.
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
 * Moves up to @budget items to the ready list and returns how many. Fewer than @budget mean that
 * the CPU has no more. Sets @uring if one of their wakers passed EPOLL_URING_WAKE. Caller holds
 * waiters.lock.
 */
static int evpoll_move_to_ready(struct evpoll_pending *pending, int budget, __poll_t *uring)
{
	struct evpoll *ep = pending->ep;
	struct evpoll_item *item;
	int moved;

	lockdep_assert_held(&ep->waiters.lock);
	for (moved = 0; moved < budget; moved++) {
		if (!pending->batch && !evpoll_take_pending(pending))
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

/*
 * @source: the item whose wake callback flushes, or NULL. Fewer moved items than @budget mean that
 * the CPU has no more.
 */
int evpoll_flush(struct evpoll_item *source, struct evpoll_pending *pending, int budget,
		 enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = pending->ep;
	__poll_t uring = 0;
	unsigned long flags;
	bool pollers;
	int moved;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	moved = evpoll_move_to_ready(pending, budget, &uring);
	if (moved)
		evpoll_wake_waiter(ep, wakeup);
	/* Safe without pollers.lock, for the reason in evpoll_make_ready(). */
	pollers = moved && waitqueue_active(&ep->pollers);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);

	if (pollers)
		evpoll_wake_pollers(ep, source, uring);
	return moved;
}

/*
 * Moves at least all items that are pending when it begins. @source: as for evpoll_flush().
 *
 * It wakes under the same lock under which a batch becomes ready. If it woke later, and were
 * preempted before that, other tasks would find nothing pending, and nobody would wake a waiter. So
 * each batch, EVPOLL_FLUSH_BATCH items of one CPU, wakes a waiter that still sleeps. If only one
 * waiter sleeps, there is one wakeup: that waiter is off the queue, and flushes before it sleeps
 * again.
 */
void evpoll_flush_all(struct evpoll *ep, struct evpoll_item *source, enum evpoll_wakeup wakeup)
{
	bool pollers = false;
	__poll_t uring = 0;
	unsigned long flags;
	unsigned int cpu;
	int moved;

	if (!evpoll_is_pending(ep))
		return;
	/* Begins a new window. Events that the old one counted are pending, and move now. */
	if (atomic_read(&ep->window_events))
		atomic_set(&ep->window_events, 0);
	for (cpu = evpoll_pending_cpu(ep, 0); cpu < nr_cpu_ids;
	     cpu = evpoll_pending_cpu(ep, cpu + 1)) {
		do {
			spin_lock_irqsave(&ep->waiters.lock, flags);
			moved = evpoll_move_to_ready(per_cpu_ptr(ep->pending, cpu),
						     EVPOLL_FLUSH_BATCH, &uring);
			if (moved)
				evpoll_wake_waiter(ep, wakeup);
			/* Safe without pollers.lock, for the reason in evpoll_make_ready(). */
			pollers |= moved && waitqueue_active(&ep->pollers);
			spin_unlock_irqrestore(&ep->waiters.lock, flags);
		} while (moved == EVPOLL_FLUSH_BATCH);
	}
	if (pollers)
		evpoll_wake_pollers(ep, source, uring);
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
		/* No single item can leave the middle of a lock-free list: flush them all. */
		evpoll_flush_all(ep, NULL, EVPOLL_WAKEUP);
	}
}
