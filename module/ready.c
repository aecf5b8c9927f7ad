// SPDX-License-Identifier: GPL-2.0-only
/*
 * The third stage of an event: the ready list, and the wakeup.
 *
 * A scan (deliver.c, poll.c) takes the whole list aside, so that it looks at each item once and
 * what becomes ready meanwhile waits for the next scan. From there it takes a few items at a
 * time; each keeps its place until then and can be removed.
 */
#include <linux/bottom_half.h>
#include <linux/file.h>

#include "evpoll.h"

/*
 * May a scan find something? Exact under waiters.lock: what a scan of another task has in its
 * hands counts, as it may come back.
 */
bool evpoll_available(const struct evpoll *ep)
{
	lockdep_assert_held(&ep->waiters.lock);
	return !list_empty(&ep->ready) || ep->scanning || evpoll_is_pending(ep);
}

/*
 * The wakeup: of one waiter, who wakes the next if it leaves something, evpoll_scan_end().
 * Caller holds waiters.lock, under which a waiter looks for events and queues itself. Returns
 * whether there was one to whom it was of use.
 */
bool evpoll_wake_waiter(struct evpoll *ep, enum evpoll_wakeup wakeup)
{
	lockdep_assert_held(&ep->waiters.lock);
	/* Exact: the lock is held. */
	if (wakeup == EVPOLL_NO_WAKEUP || !waitqueue_active(&ep->waiters))
		return false;
	/* Set by evpoll_wake_function() */
	ep->woke = false;
	if (wakeup == EVPOLL_WAKEUP_SYNC)
		__wake_up_locked_sync_key(&ep->waiters, TASK_NORMAL, NULL);
	else
		wake_up_locked(&ep->waiters);
	return ep->woke;
}

/* A waiter that may have been woken will not look: the next one must. */
void evpoll_pass_on(struct evpoll *ep)
{
	spin_lock_irq(&ep->waiters.lock);
	if (evpoll_available(ep))
		evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
	spin_unlock_irq(&ep->waiters.lock);
}

/*
 * Tells those who poll the file of the instance. @source: the item whose callback this is, or
 * NULL outside of a callback.
 *
 * If the instance is watched by another one, the callback of that one runs now, under our
 * pollers.lock, and may come here for its own. The graph has no cycles, so these are never the
 * same lock; lockdep needs the level. It stands in the instance below, whose pollers.lock is
 * held by our caller then.
 */
void evpoll_wake_pollers(struct evpoll *ep, struct evpoll_item *source, __poll_t uring)
{
	unsigned long flags;
	u8 nests = 0;

	if (source && is_evpoll_file(source->file))
		nests = ((struct evpoll *)source->file->private_data)->poller_nests;
	spin_lock_irqsave_nested(&ep->pollers.lock, flags, nests);
	ep->poller_nests = nests + 1;
	wake_up_locked_poll(&ep->pollers, EPOLLIN | uring);
	ep->poller_nests = 0;
	spin_unlock_irqrestore(&ep->pollers.lock, flags);
}

/* For the histogram of callback to delivery. Before the item can be found on a list. */
void evpoll_stamp(struct evpoll_item *item)
{
	bool latency = READ_ONCE(evpoll_of(item)->params.flags) & EVPOLL_LATENCY;

	item->noted_ns = latency ? ktime_get_ns() : 0;
}

/* Who has set EVPOLL_QUEUED queues the item. Caller holds waiters.lock. */
static void evpoll_append(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);

	evpoll_stay_awake(item);
	list_add_tail(&item->ready, &ep->ready);
	ep->nready++;
}

/* ADD or MOD found that an event holds already, with no callback to come. */
void evpoll_queue(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);
	bool pollers = false;

	lockdep_assert_held(&ep->mtx);
	spin_lock_irq(&ep->waiters.lock);
	if (!test_and_set_bit(EVPOLL_QUEUED, &item->state)) {
		item->noted_ns = 0;
		evpoll_append(item);
		evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
		/* A poller is queued before it looks at the ready list under this lock. */
		pollers = waitqueue_active(&ep->pollers);
	}
	spin_unlock_irq(&ep->waiters.lock);
	if (pollers)
		evpoll_wake_pollers(ep, NULL, 0);
}

/*
 * The callback, without a pending list: for EVPOLL_UNBATCHED, and for EPOLLEXCLUSIVE, as it must
 * say at once whether a waiter was woken (if not, another instance's turn comes). From any
 * context but NMI.
 */
bool evpoll_queue_at_once(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);
	bool waiter, pollers;
	unsigned long flags;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	if (!test_and_set_bit(EVPOLL_QUEUED, &item->state)) {
		evpoll_count(ep, queued, 1);
		evpoll_stamp(item);
		evpoll_append(item);
	}
	waiter = evpoll_wake_waiter(ep, wakeup);
	/* A poller is queued before it looks at the ready list under this lock. */
	pollers = waitqueue_active(&ep->pollers);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	if (pollers)
		evpoll_wake_pollers(ep, item, uring);
	return waiter;
}

/* Caller holds the mutex, and calls evpoll_scan_end() before it gives it back. */
void evpoll_scan_start(struct evpoll *ep)
{
	lockdep_assert_held(&ep->mtx);
	evpoll_flush_all(ep, NULL, EVPOLL_NO_WAKEUP);
	spin_lock_irq(&ep->waiters.lock);
	list_splice_init(&ep->ready, &ep->scan);
	ep->scanning = true;
	spin_unlock_irq(&ep->waiters.lock);
}

/* What the scan did not come to stands first again, and the next waiter may have it. */
void evpoll_scan_end(struct evpoll *ep)
{
	spin_lock_irq(&ep->waiters.lock);
	list_splice_init(&ep->scan, &ep->ready);
	ep->scanning = false;
	if (!list_empty(&ep->ready))
		evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
	spin_unlock_irq(&ep->waiters.lock);
	evpoll_awake_scan_end(ep);
}

/*
 * Takes up to @max items from the scan, each with a reference on its file, which keeps the item
 * too, and with the time of its callback. The caller asks the files after that.
 */
int evpoll_take(struct evpoll *ep, struct evpoll_item **items, u64 *noted_ns, int max)
{
	struct evpoll_item *item;
	int n = 0;

	spin_lock_irq(&ep->waiters.lock);
	while (n < max && !list_empty(&ep->scan)) {
		item = list_first_entry(&ep->scan, struct evpoll_item, ready);
		list_del_init(&item->ready);
		ep->nready--;
		evpoll_awake_hand_over(item);
		noted_ns[n] = item->noted_ns;
		/* The next callback may overwrite it: pairs with its test_and_set_bit(). */
		smp_mb__before_atomic();
		clear_bit(EVPOLL_QUEUED, &item->state);
		/* If it fails the hook has the item, or will have it. */
		if (evpoll_item_tryget(item))
			items[n++] = item;
	}
	spin_unlock_irq(&ep->waiters.lock);
	/* See EVPOLL_QUEUED: the callback makes the item pending, or we see what it saw. */
	smp_mb();
	return n;
}

/*
 * Queues a taken item again, after @at, unless the callback has done so meanwhile. Caller holds
 * waiters.lock, and a reference on the file.
 */
void evpoll_put_back(struct evpoll_item *item, struct list_head *at, u64 noted_ns)
{
	lockdep_assert_held(&evpoll_of(item)->waiters.lock);
	if (test_and_set_bit(EVPOLL_QUEUED, &item->state))
		return;
	evpoll_stay_awake(item);
	item->noted_ns = noted_ns;
	list_add(&item->ready, at);
	evpoll_of(item)->nready++;
}

/*
 * Gives back a reference on a watched file where the task may sleep before it comes to user
 * space. If it is the last, close(2) came meanwhile, and fput() would leave the work to the
 * task's way back to user space: the peer of a socket would see the end of it when the wait
 * ends. With bottom halves off, fput() leaves it to a worker.
 */
void evpoll_fput(struct file *file)
{
	local_bh_disable();
	fput(file);
	local_bh_enable();
}
