// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last stage of an event: the reader polls each ready item, and writes a struct epoll_event to
 * user memory for those that still have an event.
 */
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>

#include "callback.h"
#include "compat.h"
#include "deliver.h"
#include "file.h"
#include "flush.h"
#include "harvest.h"
#include "poll.h"
#include "put.h"
#include "ready.h"
#include "ring.h"
#include "scan.h"
#include "stats.h"
#include "trace.h"

/*
 * Items that a delivery takes at once. More would save locking. Fewer would hold fewer references,
 * which delay the end of a file that is closed meanwhile.
 */
#define EVPOLL_CHUNK 16

/* Adds the time from the wake callback to now to the histogram. */
static void evpoll_count_latency(struct evpoll *ep, u64 queued_ns)
{
	u64 ns = ktime_get_ns() - queued_ns;
	int slot = ns ? min(ilog2(ns), EVPOLL_LATENCY_SLOTS - 1) : 0;

	evpoll_count(&ep->latency[slot], 1);
}

/* An event of an item with EPOLLONESHOT or EVPOLLROTATE was written. */
static noinline void evpoll_report_special(struct evpoll_item *item)
{
	/* Pairs with READ_ONCE() in evpoll_wake_item(). */
	if (item->events & EPOLLONESHOT)
		WRITE_ONCE(item->events, item->events & EVPOLL_PRIVATE_BITS);
	else
		evpoll_rotate(item);
}

/* Counts and traces an event that was written, and disarms, keeps or rotates its item. */
static __always_inline void evpoll_report(struct evpoll_item *item, u64 queued_ns, __poll_t revents)
{
	/*
	 * 0 without EVPOLL_LATENCY. Also 0 for a level-triggered item that is reported again, so
	 * that each event of a wake callback counts once.
	 */
	if (queued_ns)
		evpoll_count_latency(evpoll_of(item), queued_ns);
	trace_evpoll_deliver(item, revents);
	if (evpoll_is_level_triggered(item))
		/* Goes to the tail, and the next scan polls it again. */
		evpoll_scan_keep(item);
	if (item->events & (EPOLLONESHOT | EVPOLL_ROTATE))
		evpoll_report_special(item);
}

/* False if a wake callback has just published the one event of the item. */
static bool evpoll_claim_shot(struct evpoll_item *item)
{
	/* Pairs with test_and_set_bit() in evpoll_publish_once(). */
	return !(item->events & EPOLLONESHOT) || !test_and_set_bit(EVPOLL_FIRED, &item->state);
}

/*
 * Polls an item with a slot. W1: what a wake callback tells after the poll stays in the ring. The
 * slot of a one-shot item has an event only if the item has EVPOLL_FIRED. Then that event is the
 * one, and this scan does not report the item.
 */
static noinline __poll_t evpoll_poll_slot(struct evpoll_item *item, poll_table *pt)
{
	__poll_t revents;

	if (!(item->events & EPOLLONESHOT))
		evpoll_slot_clear(evpoll_of(item)->ring, evpoll_slot(item));
	revents = evpoll_scan_poll(item, pt, 1);
	return revents && evpoll_claim_shot(item) ? revents : 0;
}

/* Returns 1 if an event was written, 0 if the item has none, -EFAULT if the buffer is bad. */
static __always_inline int evpoll_deliver_item(const struct evpoll_taken *taken, poll_table *pt,
					       struct epoll_event __user *to,
					       struct iov_iter *iter, bool ring)
{
	struct evpoll_item *item = taken->item;
	struct file *file = item->file;
	__poll_t revents;

	revents = ring && evpoll_slot(item) ? evpoll_poll_slot(item, pt)
					    : evpoll_scan_poll(item, pt, 1);
	if (!revents) {
		evpoll_count(&evpoll_of(item)->spurious, 1);
		evpoll_fput(file);
		return 0;
	}
	if (!evpoll_put_event(to, iter, revents, item->data)) {
		/* The item goes back to the ready list, so it is polled again. */
		if (ring)
			clear_bit(EVPOLL_FIRED, &item->state);
		return -EFAULT;
	}
	evpoll_report(item, taken->queued_ns, revents);
	/*
	 * If this is the last reference, the item is removed with the file. An event was written,
	 * so the task returns to user space soon, or to io_uring, which runs task work before it
	 * sleeps. So evpoll_fput() is not needed.
	 */
	fput(file);
	return 1;
}

/* After a fault: puts items back as if they had not been taken. The task returns soon, as above. */
static noinline void evpoll_undo_taken(const struct evpoll_taken *taken, int n)
{
	struct file *file;

	while (n--) {
		file = taken[n].item->file;
		evpoll_scan_undo(taken[n].item, taken[n].queued_ns);
		fput(file);
	}
}

/*
 * Delivers the next few items, and returns how many events it wrote. After a fault it polls no
 * further file, because ->poll of some files tells a change once, and the answer would be lost.
 */
static __always_inline int evpoll_deliver_chunk(struct evpoll *ep,
						struct epoll_event __user *to,
						struct iov_iter *iter, int max, bool *fault,
						bool ring)
{
	struct evpoll_taken taken[EVPOLL_CHUNK] __uninitialized;
	int i, n, ret, done = 0;
	poll_table pt;

	init_poll_funcptr(&pt, NULL);
	n = evpoll_scan_take(ep, taken, min(max, EVPOLL_CHUNK));
	for (i = 0; i < n; i++) {
		ret = evpoll_deliver_item(&taken[i], &pt, to + done, iter, ring);
		if (ret < 0) {
			evpoll_undo_taken(&taken[i], n - i);
			*fault = true;
			break;
		}
		done += ret;
	}
	return done;
}

/*
 * This task ends without a scan. Its wakeup may be for an item that is there: wakes the next
 * waiter.
 */
static noinline void evpoll_wake_next(struct evpoll *ep)
{
	spin_lock_irq(&ep->waiters.lock);
	if (evpoll_has_items(ep))
		evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
	spin_unlock_irq(&ep->waiters.lock);
}

/* Delivers items of the ready list, until there are @max events or no item is left to poll. */
static __always_inline int evpoll_deliver_list(struct evpoll *ep, struct epoll_event __user *to,
					       struct iov_iter *iter, int max, bool *fault,
					       bool ring)
{
	int done = 0;

	for (;;) {
		done += evpoll_deliver_chunk(ep, to + done, iter, max - done, fault, ring);
		if (*fault || done == max || !evpoll_scan_has_more(ep))
			return done;
		cond_resched();
	}
}

/*
 * The instance has a ring. A call reports either from the list or from the ring, so that no item is
 * reported twice. If the list has events all the time, and the program does not harvest, every
 * second call begins with the ring.
 */
static noinline int evpoll_deliver_ring(struct evpoll *ep, struct epoll_event __user *to,
					struct iov_iter *iter, int max, bool *fault)
{
	struct evpoll_ring *ring = ep->ring;
	int done = 0;

	if (!evpoll_ring_count(ep) && ring->ring_first)
		done = evpoll_harvest(ep, to, iter, max, fault);
	ring->ring_first = false;
	if (done || *fault)
		return done;
	done = evpoll_deliver_list(ep, to, iter, max, fault, true);
	if (done)
		ring->ring_first = evpoll_ring_has_entry(ep);
	else if (!*fault)
		done = evpoll_harvest(ep, to, iter, max, fault);
	return done;
}

/*
 * Returns the number of events, 0 if there was none, -EFAULT if the first one could not be written,
 * -EINTR if a fatal signal is pending.
 */
int evpoll_deliver(struct evpoll *ep, struct epoll_event __user *to, struct iov_iter *iter,
		   int max)
{
	bool fault = false;
	int done;

	if (fatal_signal_pending(current)) {
		evpoll_wake_next(ep);
		return -EINTR;
	}
	mutex_lock(&ep->mtx);
	evpoll_scan_start(ep);
	done = unlikely(ep->ring) ? evpoll_deliver_ring(ep, to, iter, max, &fault)
				  : evpoll_deliver_list(ep, to, iter, max, &fault, false);
	evpoll_scan_end(ep);
	evpoll_count(&ep->reads, 1);
	evpoll_count(&ep->delivered, done);
	mutex_unlock(&ep->mtx);
	return !done && fault ? -EFAULT : done;
}
