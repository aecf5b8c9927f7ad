// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scan: one pass over the ready list, for a reader (deliver.c) or for ->poll of the instance
 * (poll.c).
 *
 * The scan moves the whole ready list to a list of its own, so that it polls each item once. Items
 * that become ready meanwhile wait for the next scan. A cursor moves along the scan's list, a few
 * items at a time, and others may remove items from the list meanwhile.
 */
#include "awake.h"
#include "compat.h"
#include "flush.h"
#include "harvest.h"
#include "ready.h"
#include "ring.h"
#include "scan.h"

/*
 * Flushes; the first evpoll_scan_take() moves the ready list. No waiter is woken here, because
 * evpoll_scan_end() wakes one for what is left. Caller holds the mutex until evpoll_scan_end().
 */
void evpoll_scan_start(struct evpoll *ep)
{
	lockdep_assert_held(&ep->mtx);
	if (evpoll_is_pending(ep))
		evpoll_flush_all(ep, EVPOLL_NO_WAKEUP);
}

/*
 * The caller polls the items after this. Items whose file is being closed count for @max as well,
 * because a process that ends can leave any number of them, and interrupts are off here. So 0 does
 * not mean that the list is empty, see evpoll_scan_has_more().
 */
int evpoll_scan_take(struct evpoll *ep, struct evpoll_taken *taken, int max)
{
	struct list_head *last, *next;
	struct evpoll_item *item;
	int n = 0;

	spin_lock_irq(&ep->waiters.lock);
	if (!ep->scanning) {
		list_splice_init(&ep->ready, &ep->scan);
		ep->scanning = true;
	}
	/* The last item that stays on the list. */
	last = ep->cursor;
	next = last->next;
	for (; max && next != &ep->scan; max--) {
		item = list_entry(next, struct evpoll_item, ready);
		next = next->next;
		if (!compat_file_tryget(item->file)) {
			/* The close hook removes the item, or will do so. */
			evpoll_clear_reported(item);
			evpoll_clear_queued(item);
			continue;
		}
		if (item->extra)
			evpoll_awake_hand_over(item);
		taken[n].item = item;
		taken[n++].queued_ns = item->queued_ns;
		if (evpoll_is_level_triggered(item)) {
			__list_del(last, &item->ready);
			last = &item->ready;
			continue;
		}
		/* From here on a wake callback may overwrite the item's time. */
		evpoll_clear_queued(item);
	}
	/* Items that left since @last are still linked. Take them all out at once. */
	__list_del(last, next);
	/* Pairs with READ_ONCE() in evpoll_scan_has_more(). */
	WRITE_ONCE(ep->cursor, last);
	spin_unlock_irq(&ep->waiters.lock);
	/*
	 * See EVPOLL_QUEUED: either a wake callback queues the item again, or the poll that follows
	 * sees what the waker did. Also orders the scan of a poller, see evpoll_queue_event().
	 */
	smp_mb();
	return n;
}

/* The scan ended early: polled items go to the tail, and the others to the head. */
static noinline void evpoll_scan_split(struct evpoll *ep)
{
	LIST_HEAD(polled);

	list_cut_position(&polled, &ep->scan, ep->cursor);
	list_splice_tail(&polled, &ep->ready);
	list_splice_init(&ep->scan, &ep->ready);
}

/*
 * Items that were polled and stay ready go to the tail of the ready list, so that others have their
 * turn. Items that the scan did not reach go to the head. The next waiter is woken for what is
 * left.
 */
void evpoll_scan_end(struct evpoll *ep)
{
	spin_lock_irq(&ep->waiters.lock);
	if (list_is_last(ep->cursor, &ep->scan))
		list_splice_tail_init(&ep->scan, &ep->ready);
	else
		evpoll_scan_split(ep);
	ep->cursor = &ep->scan;
	ep->scanning = false;
	if (!list_empty(&ep->ready) || evpoll_ring_has_entry(ep))
		evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
	if (ep->ring && list_empty(&ep->ready))
		evpoll_ring_clear_more(ep);
	spin_unlock_irq(&ep->waiters.lock);
	if (ep->ws)
		evpoll_awake_scan_end(ep);
}

/* The caller polls the file again after this. */
void evpoll_scan_remove(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);

	spin_lock_irq(&ep->waiters.lock);
	evpoll_unlink(item);
	spin_unlock_irq(&ep->waiters.lock);
	/* See EVPOLL_QUEUED. */
	smp_mb();
}

/*
 * Puts the item behind the cursor. With @polled the cursor moves onto it, so that this scan does
 * not poll it again. Caller has a reference on its file. Returns false if a wake callback was
 * faster.
 */
bool evpoll_scan_requeue(struct evpoll_item *item, u64 queued_ns, bool polled)
{
	struct evpoll *ep = evpoll_of(item);
	bool requeued;

	spin_lock_irq(&ep->waiters.lock);
	requeued = !test_and_set_bit(EVPOLL_QUEUED, &item->state);
	if (requeued) {
		evpoll_stay_awake(item);
		item->queued_ns = queued_ns;
		list_add(&item->ready, ep->cursor);
		ep->nready++;
		if (polled)
			/*
			 * Only the task that scans reads the cursor without the lock, and that is
			 * this task.
			 */
			ep->cursor = &item->ready;
	}
	spin_unlock_irq(&ep->waiters.lock);
	return requeued;
}

/* For several items, call it from the last that was taken to the first. Caller has their files. */
void evpoll_scan_undo(struct evpoll_item *item, u64 queued_ns)
{
	struct evpoll *ep = evpoll_of(item);

	if (!evpoll_is_level_triggered(item)) {
		evpoll_scan_requeue(item, queued_ns, false);
		return;
	}
	evpoll_stay_awake(item);
	spin_lock_irq(&ep->waiters.lock);
	/* Only the task that scans reads the cursor without the lock, and that is this one. */
	if (ep->cursor == &item->ready)
		ep->cursor = item->ready.prev;
	/*
	 * An item that was polled twice and requeued stands behind this one, up to the cursor. This
	 * item counts as not polled, so move it behind the cursor.
	 */
	list_move(&item->ready, ep->cursor);
	spin_unlock_irq(&ep->waiters.lock);
}
