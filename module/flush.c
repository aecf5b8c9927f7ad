// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flush: moves pending items to the ready list, and wakes a waiter for each batch.
 *
 * These flush: NAPI (napi.c), the end of a window and a change of parameters (moderate.c), the wake
 * callback (pending.c), a scan (scan.c), a wait with min_wait_ns (wait.c), and the removal of a
 * queued item (below). All move items under waiters.lock, from the oldest to the newest. So items
 * become ready in the order in which they became pending.
 *
 * Interrupts are off while a batch moves, so a batch has at most EVPOLL_FLUSH_BATCH items. Only a
 * task that may be preempted, in flush_all() and dequeue(), moves one batch after another. A wake
 * callback and the timer move one, and leave the rest to NAPI.
 *
 * A flush wakes under the same lock under which the batch becomes ready. If it woke later, and were
 * preempted before that, other tasks would find nothing pending, and nobody would wake a waiter. If
 * only one waiter sleeps, several batches cause one wakeup: that waiter is off the queue, and
 * flushes before it sleeps again.
 *
 * EVPOLL_NEWS is like one more pending item, but nothing moves: the event is in the ring already,
 * and the flush only wakes.
 */
#include "flush.h"
#include "ready.h"
#include "trace.h"

/*
 * Moves up to @budget items to the ready list and returns how many. Fewer than @budget mean that
 * no more are pending. Sets @uring if one of their wakers passed EPOLL_URING_WAKE. Caller holds
 * waiters.lock, so nobody else takes items.
 */
static int evpoll_move_to_ready(struct evpoll *ep, int budget, __poll_t *uring)
{
	struct evpoll_item *item;
	struct llist_node *node;
	int moved;

	lockdep_assert_held(&ep->waiters.lock);
	for (moved = 0; moved < budget; moved++) {
		node = evpoll_fifo_take(&ep->tail, &ep->pending);
		if (!node)
			break;
		item = llist_entry(node, struct evpoll_item, pending);
		if (test_bit(EVPOLL_URING, &item->state)) {
			clear_bit(EVPOLL_URING, &item->state);
			*uring = EPOLL_URING_WAKE;
		}
		clear_bit(EVPOLL_PENDING, &item->state);
		list_add_tail(&item->ready, &ep->ready);
	}
	ep->nready += moved;
	if (moved)
		trace_evpoll_flush(ep, moved);
	return moved;
}

/* Caller holds waiters.lock. */
int evpoll_flush_locked(struct evpoll *ep, int budget, enum evpoll_wakeup wakeup)
{
	bool news = test_bit(EVPOLL_NEWS, &ep->state) &&
		    test_and_clear_bit(EVPOLL_NEWS, &ep->state);
	__poll_t uring = 0;
	int moved = evpoll_move_to_ready(ep, budget, &uring);

	if (moved || news) {
		evpoll_wake_waiter(ep, wakeup);
		evpoll_mark_pollers(ep, uring);
	}
	return moved;
}

static int evpoll_flush_batch(struct evpoll *ep, enum evpoll_wakeup wakeup)
{
	int moved;

	spin_lock_irq(&ep->waiters.lock);
	moved = evpoll_flush_locked(ep, EVPOLL_FLUSH_BATCH, wakeup);
	spin_unlock_irq(&ep->waiters.lock);
	return moved;
}

/*
 * An item that has moved cannot become pending again before a scan takes it. A caller with the
 * mutex keeps scans away. Else the loop ends because a scan takes much longer than a move.
 */
void evpoll_flush_all(struct evpoll *ep, enum evpoll_wakeup wakeup)
{
	if (!evpoll_is_pending(ep))
		return;
	/* Begins a new window. Events that the old one counted are pending, and move now. */
	if (atomic_read(&ep->window_events))
		atomic_set(&ep->window_events, 0);
	while (evpoll_flush_batch(ep, wakeup) == EVPOLL_FLUSH_BATCH)
		evpoll_cond_resched();
	evpoll_wake_pollers(ep);
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
			break;
		/* No single item can leave the middle of the queue: flush what is before it. */
		evpoll_flush_batch(ep, EVPOLL_WAKEUP);
		evpoll_cond_resched();
	}
	evpoll_wake_pollers(ep);
}
