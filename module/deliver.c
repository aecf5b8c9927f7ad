// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last stage of an event: an item of the ready list becomes a struct epoll_event in user
 * memory, if its file says that an event still holds.
 */
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "evpoll.h"
#include "trace.h"

/* Items in hand at a time: few locks, and few files held from closing. */
#define EVPOLL_CHUNK 16

/*
 * For each event once: a level-triggered item that is asked again has no callback's time. @noted_ns
 * is 0 then, and without EVPOLL_LATENCY.
 */
static void evpoll_count_latency(struct evpoll *ep, u64 noted_ns)
{
	u64 ns = ktime_get_ns() - noted_ns;
	int slot = ns ? min(ilog2(ns), EVPOLL_LATENCY_SLOTS - 1) : 0;

	evpoll_count(ep, latency[slot], 1);
}

/* The caller has checked that the address is the user's. Returns false when it is not there. */
static bool evpoll_put_event(struct epoll_event __user *to, __poll_t revents, u64 data)
{
	if (!user_write_access_begin(to, sizeof(*to)))
		return false;
	unsafe_put_user((__force __u32)revents, (__u32 __user *)&to->events, efault);
	unsafe_put_user(data, &to->data, efault);
	user_write_access_end();
	return true;

efault:
	user_write_access_end();
	return false;
}

/* An item was reported. What it does next depends on its mode. */
static void evpoll_report(struct evpoll_item *item, u64 noted_ns, __poll_t revents)
{
	if (noted_ns)
		evpoll_count_latency(evpoll_of(item), noted_ns);
	trace_evpoll_deliver(item, revents);
	/* Pairs with READ_ONCE() in evpoll_wake_callback(). */
	if (item->events & EPOLLONESHOT)
		WRITE_ONCE(item->events, item->events & EVPOLL_PRIVATE_BITS);
	else if (!(item->events & EPOLLET))
		/* Level-triggered: to the tail, and asked again in the next scan. */
		evpoll_scan_keep(item, 0);
}

/* Returns 1 if the item became an event at @to, 0 if it has none, -EFAULT if it could not. */
static int evpoll_deliver_item(const struct evpoll_taken *taken, poll_table *pt,
			       struct epoll_event __user *to)
{
	struct evpoll_item *item = taken->item;
	struct file *file = item->file;
	__poll_t revents;

	revents = evpoll_scan_ask(item, pt, 1);
	if (!revents) {
		evpoll_count(evpoll_of(item), spurious, 1);
		evpoll_fput(file);
		return 0;
	}
	if (!evpoll_put_event(to, revents, item->data))
		return -EFAULT;
	evpoll_report(item, taken->noted_ns, revents);
	/* The item may be gone with it. */
	fput(file);
	return 1;
}

/* As if they had not been taken. */
static noinline void evpoll_give_back(const struct evpoll_taken *taken, int n)
{
	struct file *file;

	while (n--) {
		file = taken[n].item->file;
		evpoll_scan_undo(taken[n].item, taken[n].noted_ns);
		fput(file);
	}
}

/*
 * The next few items. Returns how many became events at @to. No file is asked after an event that
 * could not be written: it may tell its state once, and would tell it in vain.
 */
static __always_inline int evpoll_deliver_some(struct evpoll *ep,
					       struct epoll_event __user *to, int max,
					       bool *fault)
{
	struct evpoll_taken taken[EVPOLL_CHUNK] __uninitialized;
	int i, n, ret, done = 0;
	poll_table pt;

	init_poll_funcptr(&pt, NULL);
	n = evpoll_scan_take(ep, taken, min(max, EVPOLL_CHUNK));
	for (i = 0; i < n; i++) {
		ret = evpoll_deliver_item(&taken[i], &pt, to + done);
		if (ret < 0) {
			evpoll_give_back(&taken[i], n - i);
			*fault = true;
			break;
		}
		done += ret;
	}
	return done;
}

/*
 * Returns the number of events, 0 when there was none, -EFAULT when the first could not be
 * written, -EINTR when the task is to die.
 */
int evpoll_deliver(struct evpoll *ep, struct epoll_event __user *to, int max)
{
	bool fault = false;
	int done = 0;

	if (fatal_signal_pending(current)) {
		evpoll_pass_on(ep);
		return -EINTR;
	}
	mutex_lock(&ep->mtx);
	evpoll_scan_start(ep);
	for (;;) {
		done += evpoll_deliver_some(ep, to + done, max - done, &fault);
		if (fault || done == max || !evpoll_scan_has_more(ep))
			break;
		cond_resched();
	}
	evpoll_scan_end(ep);
	mutex_unlock(&ep->mtx);
	evpoll_count(ep, reads, 1);
	evpoll_count(ep, delivered, done);
	return !done && fault ? -EFAULT : done;
}
