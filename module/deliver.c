// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last stage of an event: an item of the ready list becomes a struct epoll_event in user
 * memory, if its file says that an event still holds.
 */
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "evpoll.h"
#include "trace.h"

/* Items in hand at a time: few locks, and few files held from closing. */
#define EVPOLL_CHUNK 16

/*
 * Asks the files of @n items. Those with an event move to the front of @items and @noted_ns, with
 * the events beside them; the others are done. Returns how many have one.
 */
static int evpoll_ask(struct evpoll_item **items, u64 *noted_ns, struct epoll_event *events,
		      int n)
{
	struct evpoll_item *item;
	int i, found = 0;
	__poll_t revents;
	poll_table pt;

	init_poll_funcptr(&pt, NULL);
	for (i = 0; i < n; i++) {
		item = items[i];
		revents = evpoll_item_poll(item, &pt, 1);
		if (!revents) {
			evpoll_count(evpoll_of(item), spurious, 1);
			evpoll_fput(item->file);
			continue;
		}
		items[found] = item;
		noted_ns[found] = noted_ns[i];
		events[found].events = revents;
		events[found].data = item->data;
		found++;
	}
	return found;
}

/* For each event once: a level-triggered item that is asked again has no callback's time. */
static void evpoll_count_latency(struct evpoll *ep, u64 noted_ns, u64 now)
{
	u64 ns = now - noted_ns;
	int slot = ns ? min(ilog2(ns), EVPOLL_LATENCY_SLOTS - 1) : 0;

	evpoll_count(ep, latency[slot], 1);
}

/* What a reported item does next depends on its mode. Caller holds waiters.lock. */
static void evpoll_report(struct evpoll_item *item)
{
	/* Pairs with READ_ONCE() in evpoll_wake_callback(). */
	if (item->events & EPOLLONESHOT)
		WRITE_ONCE(item->events, item->events & EVPOLL_PRIVATE_BITS);
	else if (!(item->events & EPOLLET))
		/* Level-triggered: to the tail, and asked again in the next scan. */
		evpoll_put_back(item, evpoll_of(item)->ready.prev, 0);
}

/*
 * @reported of @found items were copied out; the others stay where they were, in their order.
 * An item may be gone when its file is given back.
 */
static void evpoll_settle(struct evpoll *ep, struct evpoll_item **items,
			  const struct epoll_event *events, const u64 *noted_ns, int found,
			  int reported)
{
	bool latency = READ_ONCE(ep->params.flags) & EVPOLL_LATENCY;
	u64 now = latency ? ktime_get_ns() : 0;
	int i;

	spin_lock_irq(&ep->waiters.lock);
	for (i = 0; i < reported; i++) {
		if (latency && noted_ns[i])
			evpoll_count_latency(ep, noted_ns[i], now);
		trace_evpoll_deliver(items[i], events[i].events);
		evpoll_report(items[i]);
	}
	for (i = found; i-- > reported;)
		evpoll_put_back(items[i], &ep->scan, noted_ns[i]);
	spin_unlock_irq(&ep->waiters.lock);
	for (i = 0; i < found; i++)
		fput(items[i]->file);
}

/* Copies events out; returns how many. One that was written in part was not. */
static int evpoll_copy_out(struct epoll_event __user *to, const struct epoll_event *events,
			   int n)
{
	unsigned long left = copy_to_user(to, events, n * sizeof(*events));

	return n - DIV_ROUND_UP(left, sizeof(*events));
}

/*
 * Returns the number of events, 0 when there was none, -EFAULT when the first could not be
 * written, -EINTR when the task is to die.
 */
int evpoll_deliver(struct evpoll *ep, struct epoll_event __user *to, int max)
{
	struct evpoll_item *items[EVPOLL_CHUNK];
	struct epoll_event events[EVPOLL_CHUNK];
	u64 noted_ns[EVPOLL_CHUNK];
	int n, found, reported, done = 0;
	bool fault = false;

	if (fatal_signal_pending(current)) {
		evpoll_pass_on(ep);
		return -EINTR;
	}
	/* Where the structure has padding, what stands there goes to user space too. */
	if (sizeof(*events) > sizeof(events->events) + sizeof(events->data))
		memset(events, 0, sizeof(events));
	mutex_lock(&ep->mtx);
	evpoll_scan_start(ep);
	while (done < max && !fault) {
		n = evpoll_take(ep, items, noted_ns, min(max - done, EVPOLL_CHUNK));
		if (!n)
			break;
		found = evpoll_ask(items, noted_ns, events, n);
		reported = evpoll_copy_out(to + done, events, found);
		evpoll_settle(ep, items, events, noted_ns, found, reported);
		fault = reported < found;
		done += reported;
		cond_resched();
	}
	evpoll_scan_end(ep);
	mutex_unlock(&ep->mtx);
	evpoll_count(ep, reads, 1);
	evpoll_count(ep, delivered, done);
	return !done && fault ? -EFAULT : done;
}
