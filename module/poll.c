// SPDX-License-Identifier: GPL-2.0-only
/*
 * Polling: the items of an instance for its scans, and the instance itself for poll(2), select(2),
 * epoll(7), io_uring and instances that watch it.
 */
#include "file.h"
#include "harvest.h"
#include "poll.h"
#include "scan.h"

/*
 * The item stayed on the scan's list while it was polled, and has no event. EVPOLL_QUEUED was set
 * during that poll, so a wake callback that ran meanwhile did not queue the item. So clear the bit
 * and poll once more. If the item has an event now, it is requeued here, or a wake callback has
 * queued it for the next scan.
 */
__poll_t evpoll_scan_repoll(struct evpoll_item *item, poll_table *pt, int depth)
{
	__poll_t revents;

	evpoll_scan_remove(item);
	revents = evpoll_item_poll(item, pt, depth);
	return revents && evpoll_scan_requeue(item, 0, true) ? revents : 0;
}

/*
 * Polls the next item of the scan. An item with an event stays where it was. Returns false when
 * there is no item left.
 */
static bool evpoll_poll_next(struct evpoll *ep, int depth, bool *ready)
{
	struct evpoll_taken taken;
	struct file *file;
	poll_table pt;

	init_poll_funcptr(&pt, NULL);
	cond_resched();
	if (!evpoll_scan_take(ep, &taken, 1))
		return evpoll_scan_has_more(ep);
	file = taken.item->file;
	/* EVPOLL_FIRED: the ring has told of the event, or is about to. */
	*ready = evpoll_scan_poll(taken.item, &pt, depth) &&
		 !test_bit(EVPOLL_FIRED, &taken.item->state);
	if (*ready)
		evpoll_scan_undo(taken.item, taken.queued_ns);
	evpoll_fput(file);
	return true;
}

/* Polls ready items until one has an event. */
static bool evpoll_has_event(struct evpoll *ep, int depth)
{
	bool ready = false;

	while (!ready && evpoll_poll_next(ep, depth, &ready))
		;
	return ready;
}

/* @depth: number of instances above that hold their mutex; the lockdep subclass. */
__poll_t evpoll_poll_nested(struct file *file, poll_table *pt, int depth)
{
	struct evpoll *ep = file->private_data;
	bool ready;

	poll_wait(file, &ep->pollers, pt);
	/*
	 * Orders the poller's wait entry before the check of the pending queue in
	 * evpoll_scan_start(), and before the look into the ring. Pairs with xchg() in
	 * evpoll_fifo_add() and with the barrier in evpoll_queue_news(): either this sees the item
	 * or the entry, or evpoll_waker_flush() or evpoll_queue_news() sees the poller.
	 */
	smp_mb();
	mutex_lock_nested(&ep->mtx, depth);
	evpoll_scan_start(ep);
	ready = (ep->ring && evpoll_ring_has_event(ep->ring)) || evpoll_has_event(ep, depth + 1);
	evpoll_scan_end(ep);
	mutex_unlock(&ep->mtx);
	return ready ? EPOLLIN | EPOLLRDNORM : 0;
}

__poll_t evpoll_poll(struct file *file, poll_table *pt)
{
	return evpoll_poll_nested(file, pt, 0);
}
