// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instance as a pollable file: poll(2), select(2), epoll(7), io_uring, and instances that
 * watch it.
 */
#include "evpoll.h"

/* Looks at the ready list until one item has an event; those before it were not ready. */
static bool evpoll_has_event(struct evpoll *ep, int depth)
{
	struct evpoll_item *item;
	__poll_t revents = 0;
	struct file *file;
	poll_table pt;

	init_poll_funcptr(&pt, NULL);
	while (!revents && evpoll_take(ep, &item, 1)) {
		file = item->file;
		revents = evpoll_item_poll(item, &pt, depth);
		if (revents) {
			/* It keeps its place. */
			spin_lock_irq(&ep->waiters.lock);
			evpoll_put_back(item, &ep->scan);
			spin_unlock_irq(&ep->waiters.lock);
		}
		evpoll_fput(file);
		cond_resched();
	}
	return revents;
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
