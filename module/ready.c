// SPDX-License-Identifier: GPL-2.0-only
/*
 * The third stage of an event: the ready list, and the wakeup.
 *
 * A scan (deliver.c, poll.c) takes the whole list aside, so that it looks at each item once and
 * what becomes ready meanwhile waits for the next scan. A cursor goes along it, a few items at a
 * time; the others can be removed meanwhile.
 */
#include <linux/bottom_half.h>
#include <linux/file.h>

#include "compat.h"
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

/*
 * An item that is not on a list, with @news, becomes ready; and a wakeup. Who calls has set
 * EVPOLL_QUEUED then, and the time. @source: as for evpoll_wake_pollers(). Returns whether there
 * was a waiter to whom the wakeup was of use.
 */
static __always_inline bool evpoll_make_ready(struct evpoll_item *item, bool news,
					      struct evpoll_item *source, __poll_t uring,
					      enum evpoll_wakeup wakeup)
{
	struct evpoll *ep = evpoll_of(item);
	bool waiter, pollers;
	unsigned long flags;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	if (news) {
		evpoll_stay_awake(item);
		list_add_tail(&item->ready, &ep->ready);
		ep->nready++;
	}
	waiter = evpoll_wake_waiter(ep, wakeup);
	/* A poller is queued before it looks at the ready list under this lock. */
	pollers = waitqueue_active(&ep->pollers);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	if (pollers)
		evpoll_wake_pollers(ep, source, uring);
	return waiter;
}

/* ADD or MOD found that an event holds already, with no callback to come. */
void evpoll_queue(struct evpoll_item *item)
{
	lockdep_assert_held(&evpoll_of(item)->mtx);
	if (test_and_set_bit(EVPOLL_QUEUED, &item->state))
		return;
	item->noted_ns = 0;
	evpoll_make_ready(item, true, NULL, 0, EVPOLL_WAKEUP);
}

/* The callback, without a pending list; @news: it has set EVPOLL_QUEUED. */
bool evpoll_queue_at_once(struct evpoll_item *item, bool news, __poll_t uring,
			  enum evpoll_wakeup wakeup)
{
	if (news) {
		evpoll_count(evpoll_of(item), queued, 1);
		evpoll_stamp(item);
	}
	return evpoll_make_ready(item, news, item, uring, wakeup);
}

/* The item has left its list, but for the links of its neighbours. Caller holds waiters.lock. */
static __always_inline void evpoll_leave(struct evpoll_item *item)
{
	INIT_LIST_HEAD(&item->ready);
	evpoll_of(item)->nready--;
	/*
	 * Release: the callback that sets the bit next writes where @ready and @noted_ns are, and
	 * without a lock.
	 */
	clear_bit_unlock(EVPOLL_QUEUED, &item->state);
}

/* Off the ready list, or the scan's. Caller holds waiters.lock. */
void evpoll_unlink(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);

	lockdep_assert_held(&ep->waiters.lock);
	if (ep->cursor == &item->ready)
		/* Read without the lock, evpoll_scan_has_more(). */
		WRITE_ONCE(ep->cursor, item->ready.prev);
	__list_del_entry(&item->ready);
	evpoll_leave(item);
}

/* Caller holds the mutex, and calls evpoll_scan_end() before it gives it back. */
void evpoll_scan_start(struct evpoll *ep)
{
	lockdep_assert_held(&ep->mtx);
	if (evpoll_is_pending(ep))
		evpoll_flush_all(ep, NULL, EVPOLL_NO_WAKEUP);
}

/*
 * Takes the next items of the scan, up to @max, each with a reference on its file, which keeps
 * the item too. Returns how many. The caller asks the files after that.
 *
 * None does not mean that no more are left, see evpoll_scan_has_more(): items whose files are gone
 * count for @max. A process that ends can leave any number of them, and interrupts are off here.
 */
int evpoll_scan_take(struct evpoll *ep, struct evpoll_taken *taken, int max)
{
	struct list_head *stays, *next;
	struct evpoll_item *item;
	int n = 0;

	spin_lock_irq(&ep->waiters.lock);
	if (!ep->scanning) {
		list_splice_init(&ep->ready, &ep->scan);
		ep->cursor = &ep->scan;
		ep->scanning = true;
	}
	stays = ep->cursor;
	next = stays->next;
	for (; max && next != &ep->scan; max--) {
		item = list_entry(next, struct evpoll_item, ready);
		next = next->next;
		if (!compat_file_tryget(item->file)) {
			/* The hook has it, or will have it. */
			evpoll_leave(item);
			continue;
		}
		if (item->extra)
			evpoll_awake_hand_over(item);
		taken[n].item = item;
		taken[n++].noted_ns = item->noted_ns;
		if (evpoll_stays(item)) {
			__list_del(stays, &item->ready);
			stays = &item->ready;
			continue;
		}
		/* The next callback may overwrite its time from here on. */
		evpoll_leave(item);
	}
	/* As above: a run of items that left goes out between those that stay, at once. */
	__list_del(stays, next);
	/* Pairs with READ_ONCE() in evpoll_scan_has_more(). */
	WRITE_ONCE(ep->cursor, stays);
	spin_unlock_irq(&ep->waiters.lock);
	/* See EVPOLL_QUEUED: the callback makes the item pending, or we see what it saw. */
	smp_mb();
	return n;
}

/* The scan has not come to its end. */
static noinline void evpoll_scan_rest(struct evpoll *ep)
{
	LIST_HEAD(asked);

	list_cut_position(&asked, &ep->scan, ep->cursor);
	list_splice_tail(&asked, &ep->ready);
	list_splice_init(&ep->scan, &ep->ready);
}

/*
 * What was asked and stays goes to the tail, so that others have their turn. What the scan did
 * not come to stands first again, and the next waiter may have it.
 */
void evpoll_scan_end(struct evpoll *ep)
{
	spin_lock_irq(&ep->waiters.lock);
	if (list_is_last(ep->cursor, &ep->scan))
		list_splice_tail_init(&ep->scan, &ep->ready);
	else
		evpoll_scan_rest(ep);
	ep->cursor = &ep->scan;
	ep->scanning = false;
	if (!list_empty(&ep->ready))
		evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
	spin_unlock_irq(&ep->waiters.lock);
	if (ep->ws)
		evpoll_awake_scan_end(ep);
}

/*
 * Queues an item again that left the list, unless the callback has done so meanwhile. With those
 * that were asked, or before what the scan has still to look at. Caller has its file.
 */
bool evpoll_scan_put_back(struct evpoll_item *item, u64 noted_ns, bool asked)
{
	struct evpoll *ep = evpoll_of(item);
	bool back;

	spin_lock_irq(&ep->waiters.lock);
	back = !test_and_set_bit(EVPOLL_QUEUED, &item->state);
	if (back) {
		evpoll_stay_awake(item);
		item->noted_ns = noted_ns;
		list_add(&item->ready, ep->cursor);
		ep->nready++;
		if (asked)
			ep->cursor = &item->ready;
	}
	spin_unlock_irq(&ep->waiters.lock);
	return back;
}

/*
 * The item is to stand where it stood, as if it had not been asked. For several, from the last
 * that was taken to the first. Caller has their files.
 */
void evpoll_scan_undo(struct evpoll_item *item, u64 noted_ns)
{
	struct evpoll *ep = evpoll_of(item);

	if (!evpoll_stays(item)) {
		evpoll_scan_put_back(item, noted_ns, false);
		return;
	}
	evpoll_stay_awake(item);
	spin_lock_irq(&ep->waiters.lock);
	if (ep->cursor == &item->ready)
		ep->cursor = item->ready.prev;
	/* It stands elsewhere if one before it was asked again, evpoll_scan_ask_again(). */
	list_move(&item->ready, ep->cursor);
	spin_unlock_irq(&ep->waiters.lock);
}

/*
 * An item that stayed on the list has no event. It leaves, and is asked again, as its callback did
 * not queue it while it was there. Then it is back, or the callback has queued it, and the next
 * scan will ask it.
 */
__poll_t evpoll_scan_ask_again(struct evpoll_item *item, poll_table *pt, int depth)
{
	struct evpoll *ep = evpoll_of(item);
	__poll_t revents;

	spin_lock_irq(&ep->waiters.lock);
	evpoll_unlink(item);
	spin_unlock_irq(&ep->waiters.lock);
	/* See EVPOLL_QUEUED. */
	smp_mb();
	revents = evpoll_item_poll(item, pt, depth);
	return revents && evpoll_scan_put_back(item, 0, true) ? revents : 0;
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
