// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first stage of an event: the watched file wakes its wait queue, and the wake callback of
 * each item there is called; and how items get onto these queues and off them.
 */
#include <linux/slab.h>

#include "evpoll.h"
#include "trace.h"

/* Without a key, the waker does not say what happened: it may be anything. */
static bool evpoll_is_wanted(__poll_t events, __poll_t what)
{
	/* A fired EPOLLONESHOT rests until EPOLL_CTL_MOD. */
	if (!(events & ~EVPOLL_PRIVATE_BITS))
		return false;
	return !what || (what & events);
}

/*
 * Would a waiter that was woken put the exclusive wakeup of the watched file's queue to use, so
 * that no other instance has to be woken? Only if it waits for all that happened.
 */
static bool evpoll_uses_wakeup(__poll_t events, __poll_t what)
{
	__poll_t inout = what & (EPOLLIN | EPOLLOUT);

	return !(what & POLLFREE) && inout != (EPOLLIN | EPOLLOUT) && (inout & events) == inout;
}

/* Returns whether the wakeup was put to use, which only counts for EPOLLEXCLUSIVE. */
static __always_inline bool evpoll_note_news(struct evpoll_item *item, __poll_t events,
					     __poll_t what, int sync)
{
	enum evpoll_wakeup wakeup = sync ? EVPOLL_WAKEUP_SYNC : EVPOLL_WAKEUP;
	__poll_t uring = what & EPOLL_URING_WAKE;
	struct evpoll *ep = evpoll_of(item);
	bool news;

	trace_evpoll_callback(item, what);
	evpoll_count(ep, callbacks, 1);
	/* See EVPOLL_QUEUED. */
	news = !test_and_set_bit(EVPOLL_QUEUED, &item->state);
	/* It must say at once whether a waiter was woken: if not, another instance's turn comes. */
	if (events & EPOLLEXCLUSIVE)
		return evpoll_queue_at_once(item, news, uring, wakeup) &&
		       evpoll_uses_wakeup(events, what);
	if (READ_ONCE(ep->params.flags) & EVPOLL_UNBATCHED)
		evpoll_queue_at_once(item, news, uring, wakeup);
	else if (news)
		evpoll_note(item, uring, wakeup);
	/*
	 * Who watches us edge-triggered wants to hear of each event. If the item is pending, it
	 * will with the flush. Without the lock: a poller is queued before it asks the file, and
	 * between the two evpoll_scan_take() has the barrier that pairs
	 * with test_and_set_bit() above.
	 */
	else if (waitqueue_active(&ep->pollers) && !test_bit(EVPOLL_PENDING, &item->state))
		evpoll_wake_pollers(ep, item, uring);
	return true;
}

/*
 * The queue is about to be freed. Unlink like this, as a remove_wait_queue() that has @head
 * already may still come after us. With the store, evpoll_unhook_entry() does not wait for us
 * any more: it stands last, and the item may be gone after it.
 */
static void evpoll_entry_dies(struct evpoll_entry *entry)
{
	list_del_init(&entry->wait.entry);
	/* Pairs with smp_load_acquire() in evpoll_unhook_entry(). */
	smp_store_release(&entry->head, NULL);
}

static __always_inline int evpoll_wake_entry(struct evpoll_entry *entry,
					     struct evpoll_item *item, int sync, void *key)
{
	/* Pairs with WRITE_ONCE() in evpoll_mod() and evpoll_report(). */
	__poll_t events = READ_ONCE(item->events);
	__poll_t what = key_to_poll(key);
	bool used = !(events & EPOLLEXCLUSIVE);

	if (evpoll_is_wanted(events, what))
		used = evpoll_note_news(item, events, what, sync);
	if (what & POLLFREE)
		evpoll_entry_dies(entry);
	return used;
}

/* Called under the lock of the watched file's wait queue, from any context but NMI. */
static int evpoll_wake_callback(wait_queue_entry_t *wait, unsigned int mode, int sync,
				void *key)
{
	struct evpoll_item *item = container_of(wait, struct evpoll_item, entry.wait);

	return evpoll_wake_entry(&item->entry, item, sync, key);
}

/* The same, for further queues of the file. */
static int evpoll_wake_callback_more(wait_queue_entry_t *wait, unsigned int mode, int sync,
				     void *key)
{
	struct evpoll_more *more = container_of(wait, struct evpoll_more, entry.wait);

	return evpoll_wake_entry(&more->entry, more->item, sync, key);
}

/**
 * struct evpoll_hook - what evpoll_queue_proc() gets through ->poll
 * @pt: the poll table
 * @item: whose wait entries to queue
 * @error: -ENOMEM when one could not be had
 */
struct evpoll_hook {
	poll_table pt;
	struct evpoll_item *item;
	int error;
};

/* The first wait entry is part of the item; few files have more queues (a tty has). */
static struct evpoll_entry *evpoll_entry_get(struct evpoll_item *item)
{
	struct evpoll_extra *extra;
	struct evpoll_more *more;

	if (!item->entry.wait.func) {
		/* The rest is set since evpoll_item_alloc(), and read by others. */
		item->entry.wait.func = evpoll_wake_callback;
		return &item->entry;
	}
	extra = evpoll_item_extra(item);
	if (!extra)
		return NULL;
	more = kzalloc(sizeof(*more), GFP_KERNEL_ACCOUNT);
	if (!more)
		return NULL;
	init_waitqueue_func_entry(&more->entry.wait, evpoll_wake_callback_more);
	more->entry.wait.private = evpoll_of(item);
	more->item = item;
	more->next = extra->more;
	extra->more = more;
	return &more->entry;
}

static void evpoll_queue_proc(struct file *file, wait_queue_head_t *head, poll_table *pt)
{
	struct evpoll_hook *hook = container_of(pt, struct evpoll_hook, pt);
	struct evpoll_item *item = hook->item;
	struct evpoll_entry *entry;

	if (hook->error)
		return;
	entry = evpoll_entry_get(item);
	if (!entry) {
		hook->error = -ENOMEM;
		return;
	}
	entry->head = head;
	if (item->events & EPOLLEXCLUSIVE)
		add_wait_queue_exclusive(head, &entry->wait);
	else
		add_wait_queue(head, &entry->wait);
}

/*
 * Puts the item onto the wait queues of its file, and asks in the same call what holds already,
 * of which it makes news. On an error the item may be on some of them.
 */
int evpoll_hook(struct evpoll_item *item)
{
	struct evpoll_hook hook = { .item = item };
	__poll_t revents;

	init_poll_funcptr(&hook.pt, evpoll_queue_proc);
	revents = evpoll_item_poll(item, &hook.pt, 1);
	if (!hook.error && revents)
		evpoll_queue(item);
	return hook.error;
}

static void evpoll_unhook_entry(struct evpoll_entry *entry)
{
	wait_queue_head_t *head;

	/*
	 * Who sends POLLFREE frees the queue after a grace period: with @head in hand under
	 * RCU, its lock may be taken. Without, the callback is done with the item.
	 */
	rcu_read_lock();
	/* Pairs with smp_store_release() in evpoll_entry_dies(). */
	head = smp_load_acquire(&entry->head);
	if (head)
		remove_wait_queue(head, &entry->wait);
	rcu_read_unlock();
}

/* Off all wait queues. No callback runs for the item after it. */
void evpoll_unhook(struct evpoll_item *item)
{
	struct evpoll_more *more;

	evpoll_unhook_entry(&item->entry);
	if (!item->extra)
		return;
	while ((more = item->extra->more)) {
		item->extra->more = more->next;
		evpoll_unhook_entry(&more->entry);
		kfree(more);
	}
}
