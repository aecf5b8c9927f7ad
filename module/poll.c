// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instance as a pollable file: poll(2), select(2), epoll(7), io_uring, and instances that
 * watch it.
 */
#include "evpoll.h"

/*
 * Asks the next item of the scan. If an event holds it is queued again: where it stood, with
 * @stay, or with what became ready meanwhile. False when there was no item.
 */
static bool evpoll_ask_next(struct evpoll *ep, bool stay, int depth, bool *ready)
{
	struct evpoll_item *item;
	struct file *file;
	poll_table pt;
	u64 noted_ns;

	init_poll_funcptr(&pt, NULL);
	if (!evpoll_take(ep, &item, &noted_ns, 1))
		return false;
	file = item->file;
	*ready = evpoll_item_poll(item, &pt, depth);
	if (*ready) {
		spin_lock_irq(&ep->waiters.lock);
		evpoll_put_back(item, stay ? &ep->scan : ep->ready.prev, noted_ns);
		spin_unlock_irq(&ep->waiters.lock);
	}
	evpoll_fput(file);
	cond_resched();
	return true;
}

/* Looks at the ready list until one item has an event; it keeps its place. */
static bool evpoll_has_event(struct evpoll *ep, int depth)
{
	bool ready = false;

	while (!ready && evpoll_ask_next(ep, true, depth, &ready))
		;
	return ready;
}

/* Leaves only items on the ready list that have an event now. */
void evpoll_ask_again(struct evpoll *ep)
{
	bool ready;

	mutex_lock(&ep->mtx);
	evpoll_scan_start(ep);
	while (evpoll_ask_next(ep, false, 1, &ready))
		;
	evpoll_scan_end(ep);
	mutex_unlock(&ep->mtx);
}

/* @depth: instances above this one that hold their mutex, for lockdep. */
__poll_t evpoll_poll_nested(struct file *file, poll_table *pt, int depth)
{
	struct evpoll *ep = file->private_data;
	bool ready;

	poll_wait(file, &ep->pollers, pt);
	mutex_lock_nested(&ep->mtx, depth);
	evpoll_scan_start(ep);
	ready = evpoll_has_event(ep, depth + 1);
	evpoll_scan_end(ep);
	mutex_unlock(&ep->mtx);
	return ready ? EPOLLIN | EPOLLRDNORM : 0;
}

__poll_t evpoll_poll(struct file *file, poll_table *pt)
{
	return evpoll_poll_nested(file, pt, 0);
}
