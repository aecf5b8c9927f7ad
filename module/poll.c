// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instance as a pollable file: poll(2), select(2), epoll(7), io_uring, and instances that
 * watch it.
 */
#include "evpoll.h"

/*
 * Asks the next item of the scan. If it has an event it is ready still: where it stands, or with
 * @keep behind the others. False when there is no item left.
 */
static bool evpoll_ask_next(struct evpoll *ep, bool keep, int depth, bool *ready)
{
	struct evpoll_taken taken;
	struct file *file;
	poll_table pt;

	init_poll_funcptr(&pt, NULL);
	cond_resched();
	if (!evpoll_scan_take(ep, &taken, 1))
		return evpoll_scan_has_more(ep);
	file = taken.item->file;
	*ready = evpoll_scan_ask(taken.item, &pt, depth);
	if (*ready && keep)
		evpoll_scan_keep(taken.item, taken.noted_ns);
	else if (*ready)
		evpoll_scan_undo(taken.item, taken.noted_ns);
	evpoll_fput(file);
	return true;
}

/* Looks at the ready list until one item has an event. */
static bool evpoll_has_event(struct evpoll *ep, int depth)
{
	bool ready = false;

	while (!ready && evpoll_ask_next(ep, false, depth, &ready))
		;
	return ready;
}

/* Leaves only items on the ready list that have an event now. */
void evpoll_ask_again(struct evpoll *ep)
{
	bool ready;

	mutex_lock(&ep->mtx);
	evpoll_scan_start(ep);
	while (evpoll_ask_next(ep, true, 1, &ready))
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
