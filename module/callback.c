// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first stage of an event: the watched file wakes its wait queue, which calls the wake callback
 * of each wait entry there. This file also adds wait entries to these queues and removes them.
 */
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "callback.h"
#include "extra.h"
#include "file.h"
#include "napi.h"
#include "pending.h"
#include "poll.h"
#include "publish.h"
#include "ready.h"
#include "ring.h"
#include "sigio.h"
#include "stats.h"
#include "trace.h"

/**
 * struct evpoll_more - the second or a further wait entry of an item
 * @entry: the wait entry
 * @item: the item
 * @next: the next of them, in evpoll_extra.more
 */
struct evpoll_more {
	struct evpoll_entry entry;
	struct evpoll_item *item;
	struct evpoll_more *next;
};

/* Does the mask ask for what the waker reports? A waker without a key (0) may mean any event. */
static bool evpoll_wants(__poll_t events, __poll_t what)
{
	/* An item with EPOLLONESHOT that has been reported is disarmed until EPOLL_CTL_MOD. */
	if (!(events & ~EVPOLL_PRIVATE_BITS))
		return false;
	return !what || (what & events);
}

/*
 * The same, for a mask that MOD may change just now. Some wakers change their file under the queue
 * lock, and have no full barrier before the wake callback. So look twice before an event is
 * ignored: either this sees the new mask, or the poll of MOD sees what the waker did. Pairs with
 * smp_mb() in evpoll_mod().
 */
static __always_inline bool evpoll_wants_now(struct evpoll_item *item, __poll_t *events,
					     __poll_t what)
{
	/* Pairs with WRITE_ONCE() in evpoll_mod() and evpoll_report(). */
	*events = READ_ONCE(item->events);
	if (likely(evpoll_wants(*events, what)))
		return true;
	/* See above. */
	smp_mb();
	*events = READ_ONCE(item->events);
	return evpoll_wants(*events, what);
}

/*
 * Can this instance consume the exclusive wakeup? Yes if the waiter that it wakes handles all that
 * happened, so that no other instance has to be woken. The rule is that of ep_poll_callback() in
 * fs/eventpoll.c.
 */
static bool evpoll_takes_exclusive(__poll_t events, __poll_t what)
{
	__poll_t inout = what & (EPOLLIN | EPOLLOUT);

	return !(what & POLLFREE) && inout != (EPOLLIN | EPOLLOUT) && (inout & events) == inout;
}

/* With EPOLLEXCLUSIVE or EVPOLL_UNBATCHED. Returns whether a waiter can use the wakeup. */
static noinline bool evpoll_wake_at_once(struct evpoll_item *item, bool queued, __poll_t uring,
					 enum evpoll_wakeup wakeup)
{
	bool waiter = evpoll_queue_at_once(item, queued, uring, wakeup);

	evpoll_napi_wake_pollers(evpoll_of(item));
	return waiter;
}

/*
 * An event for an item that is queued already. An edge-triggered poller wants to hear of each
 * event. If the item is pending, the flush will wake pollers.
 */
static noinline void evpoll_repeat(struct evpoll_item *item, __poll_t uring)
{
	struct evpoll *ep = evpoll_of(item);

	atomic64_inc(&ep->repeated);
	evpoll_renew(item);
	/*
	 * Checking without pollers.lock is safe: a poller queues itself before it scans, and the
	 * smp_mb() in evpoll_scan_take() orders that scan against test_and_set_bit() in
	 * evpoll_queue_event().
	 */
	if (!waitqueue_active(&ep->pollers) || test_bit(EVPOLL_PENDING, &item->state))
		return;
	evpoll_set_pollers(ep, uring);
	evpoll_napi_wake_pollers(ep);
}

/*
 * Hands over an event in the item's mask. @queued: the item has EVPOLL_QUEUED for it, and is on no
 * list yet. @listed: the event is in the ring. Returns whether the exclusive wakeup ends here,
 * which only matters with EPOLLEXCLUSIVE.
 */
static __always_inline bool evpoll_hand_over(struct evpoll_item *item, __poll_t events,
					     __poll_t what, int sync, bool queued, bool listed)
{
	enum evpoll_wakeup wakeup = sync ? EVPOLL_WAKEUP_SYNC : EVPOLL_WAKEUP;
	__poll_t uring = what & EPOLL_URING_WAKE;
	struct evpoll *ep = evpoll_of(item);

	/*
	 * An exclusive wakeup must not wait for a flush: the waker has to know now whether a waiter
	 * was woken, because otherwise it goes on to another instance.
	 */
	if (events & EPOLLEXCLUSIVE)
		return evpoll_wake_at_once(item, queued, uring, wakeup) &&
		       evpoll_takes_exclusive(events, what);
	if (listed && !queued)
		evpoll_queue_news(ep, uring, wakeup);
	else if (READ_ONCE(ep->params.flags) & EVPOLL_UNBATCHED)
		evpoll_wake_at_once(item, queued, uring, wakeup);
	else if (queued)
		evpoll_queue_pending(item, uring, wakeup);
	else
		evpoll_repeat(item, uring);
	return true;
}

/* Queues the item for an event in its mask. Returns the same. */
static __always_inline bool evpoll_queue_event(struct evpoll_item *item, __poll_t events,
					       __poll_t what, int sync)
{
	bool queued;

	trace_evpoll_callback(item, what);
	/* A full barrier, see EVPOLL_QUEUED. */
	queued = !test_and_set_bit(EVPOLL_QUEUED, &item->state);
	return evpoll_hand_over(item, events, what, sync, queued, false);
}

/* The instance has a ring, and the item was queued, or somebody may sleep. Returns the same. */
static noinline bool evpoll_ring_hand_over(struct evpoll_item *item, __poll_t events,
					   __poll_t what, int sync, bool queued, bool listed)
{
	bool end = evpoll_hand_over(item, events, what, sync, queued, listed);

	if (queued)
		evpoll_ring_set_more(evpoll_of(item));
	return end;
}

/*
 * POLLFREE: the wait queue is about to be freed. Use list_del_init(), because a remove_wait_queue()
 * that has read @head may still run on the entry. The store comes last: once
 * evpoll_remove_wait_entry() reads NULL, the item may be freed.
 */
static void evpoll_pollfree(struct evpoll_entry *entry)
{
	list_del_init(&entry->wait.entry);
	/* Pairs with smp_load_acquire() in evpoll_remove_wait_entry(). */
	smp_store_release(&entry->head, NULL);
}

static __always_inline int evpoll_wake_item(struct evpoll_item *item, int sync, __poll_t what)
{
	__poll_t events;

	if (!evpoll_wants_now(item, &events, what))
		return !(events & EPOLLEXCLUSIVE);
	return evpoll_queue_event(item, events, what, sync);
}

/* The last wakeup of this entry. A function of its own, which the others need no registers for. */
static noinline int evpoll_wake_last(struct evpoll_entry *entry, struct evpoll_item *item, int sync,
				     __poll_t what)
{
	int used = evpoll_wake_item(item, sync, what);

	evpoll_pollfree(entry);
	return used;
}

/* Runs in any context but NMI, under the lock of the watched file's wait queue. */
static int evpoll_wake_callback(wait_queue_entry_t *wait, unsigned int mode, int sync,
				void *key)
{
	struct evpoll_item *item = container_of(wait, struct evpoll_item, entry.wait);
	__poll_t what = key_to_poll(key);

	if (unlikely(what & POLLFREE))
		return evpoll_wake_last(&item->entry, item, sync, what);
	return evpoll_wake_item(item, sync, what);
}

/*
 * The instance has a ring. If the item is level-triggered, an event in the ring queues it as well,
 * because a call must poll the file until it is not ready any more.
 */
static __always_inline bool evpoll_ring_event(struct evpoll_item *item, __poll_t events,
					      __poll_t what, int sync,
					      enum evpoll_published published)
{
	bool listed = published == EVPOLL_LISTED, queued = false;

	trace_evpoll_callback(item, what);
	if (published >= EVPOLL_JOINED)
		trace_evpoll_publish(item, what & events, listed);
	/* A full barrier, see EVPOLL_QUEUED. */
	if (!(events & (EPOLLET | EPOLLONESHOT)) || published == EVPOLL_UNPUBLISHED)
		queued = !test_and_set_bit(EVPOLL_QUEUED, &item->state);
	if (listed && !queued && !evpoll_has_sleepers(evpoll_of(item)))
		return true;
	return evpoll_ring_hand_over(item, events, what, sync, queued, listed);
}

/* evpoll_publish_usual() has left the event to this. */
static noinline int evpoll_wake_unusual(struct evpoll_entry *entry, struct evpoll_item *item,
					int sync, __poll_t what)
{
	__poll_t events;
	enum evpoll_published published = evpoll_publish(item, &events, what);
	int used = !(events & EPOLLEXCLUSIVE);

	if (published >= EVPOLL_JOINED ||
	    (published == EVPOLL_UNPUBLISHED && evpoll_wants_now(item, &events, what)))
		used = evpoll_ring_event(item, events, what, sync, published);
	if (unlikely(what & POLLFREE))
		evpoll_pollfree(entry);
	return used;
}

/* The wake callback of an instance with a ring */
static int evpoll_wake_callback_ring(wait_queue_entry_t *wait, unsigned int mode, int sync,
				     void *key)
{
	struct evpoll_item *item = container_of(wait, struct evpoll_item, entry.wait);
	/* Acquire order as in evpoll_slot(). */
	unsigned long state = smp_load_acquire(&item->state);
	__poll_t what = key_to_poll(key), events;

	/* For example, a read() makes the file writable, and the item is for EPOLLIN alone. */
	if (!evpoll_wants_now(item, &events, what) && !(what & POLLFREE))
		return !(events & EPOLLEXCLUSIVE);
	if (!evpoll_publish_usual(item, state, events, what))
		return evpoll_wake_unusual(&item->entry, item, sync, what);
	return evpoll_ring_event(item, events, what, sync, EVPOLL_LISTED);
}

/* The same, for the second and further wait entries. */
static int evpoll_wake_callback_more(wait_queue_entry_t *wait, unsigned int mode, int sync,
				     void *key)
{
	struct evpoll_more *more = container_of(wait, struct evpoll_more, entry.wait);
	__poll_t what = key_to_poll(key);

	if (evpoll_of(more->item)->ring)
		return evpoll_wake_unusual(&more->entry, more->item, sync, what);
	if (unlikely(what & POLLFREE))
		return evpoll_wake_last(&more->entry, more->item, sync, what);
	return evpoll_wake_item(more->item, sync, what);
}

/* The item's file is a signalfd, and the signal that woke it is the one of the instance. */
static noinline int evpoll_wake_own_signal(struct evpoll_item *item, __poll_t events,
					   __poll_t what)
{
	bool queued, waiter;

	trace_evpoll_callback(item, what);
	/* A full barrier, see EVPOLL_QUEUED. */
	queued = !test_and_set_bit(EVPOLL_QUEUED, &item->state);
	waiter = evpoll_queue_own_signal(item, queued);
	evpoll_ring_set_more(evpoll_of(item));
	evpoll_napi_wake_pollers(evpoll_of(item));
	return !(events & EPOLLEXCLUSIVE) || (waiter && evpoll_takes_exclusive(events, what));
}

/* The wake callback of a signalfd, under the siglock of the process that gets the signal */
static int evpoll_wake_callback_signal(wait_queue_entry_t *wait, unsigned int mode, int sync,
				       void *key)
{
	struct evpoll_item *item = container_of(wait, struct evpoll_item, entry.wait);
	__poll_t what = key_to_poll(key);
	/* Pairs with WRITE_ONCE() in evpoll_mod() and evpoll_report(). */
	__poll_t events = READ_ONCE(item->events);

	if (!(what & POLLFREE) && evpoll_wants(events, what) &&
	    evpoll_sigio_is_sending(evpoll_of(item)))
		return evpoll_wake_own_signal(item, events, what);
	return evpoll_of(item)->ring ? evpoll_wake_callback_ring(wait, mode, sync, key) :
				       evpoll_wake_callback(wait, mode, sync, key);
}

/**
 * struct evpoll_poll_table - what evpoll_queue_proc() gets through ->poll
 * @pt: the poll table
 * @item: the item that gets the wait entries
 * @error: -ENOMEM if one of them could not be allocated
 */
struct evpoll_poll_table {
	poll_table pt;
	struct evpoll_item *item;
	int error;
};

static wait_queue_func_t evpoll_choose_callback(const struct evpoll_item *item)
{
	if (evpoll_is_anon_file(item->file, "[signalfd]"))
		return evpoll_wake_callback_signal;
	return evpoll_of(item)->ring ? evpoll_wake_callback_ring : evpoll_wake_callback;
}

/* The first wait entry is part of the item. Few files have a second wait queue; a tty has. */
static struct evpoll_entry *evpoll_get_wait_entry(struct evpoll_item *item)
{
	struct evpoll_extra *extra;
	struct evpoll_more *more;

	if (!item->entry.wait.func) {
		/* evpoll_item_alloc() has set the other fields, because others may read them. */
		item->entry.wait.func = evpoll_choose_callback(item);
		return &item->entry;
	}
	extra = evpoll_extra_get(item);
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

/* ->poll of the watched file calls this for each of its wait queues. */
static void evpoll_queue_proc(struct file *file, wait_queue_head_t *head, poll_table *pt)
{
	struct evpoll_poll_table *table = container_of(pt, struct evpoll_poll_table, pt);
	struct evpoll_item *item = table->item;
	struct evpoll_entry *entry;

	if (table->error)
		return;
	entry = evpoll_get_wait_entry(item);
	if (!entry) {
		table->error = -ENOMEM;
		return;
	}
	entry->head = head;
	if (item->events & EPOLLEXCLUSIVE)
		add_wait_queue_exclusive(head, &entry->wait);
	else
		add_wait_queue(head, &entry->wait);
}

/* One ->poll does both: it queues the wait entries, and it tells which events hold already. */
int evpoll_add_wait_entries(struct evpoll_item *item)
{
	struct evpoll_poll_table table = { .item = item };
	__poll_t revents;

	init_poll_funcptr(&table.pt, evpoll_queue_proc);
	revents = evpoll_item_poll(item, &table.pt, 1);
	if (!table.error && revents)
		evpoll_queue(item);
	return table.error;
}

/*
 * Only a reader rotates. A wake callback has the lock too, but it must not rotate. wake_up_all()
 * calls each entry up to the last one. If each entry moved to the end when it is called, there
 * would be no last one, and wake_up_all() would not return.
 */
static void evpoll_rotate_entry(struct evpoll_entry *entry)
{
	wait_queue_head_t *head;
	unsigned long flags;

	/* RCU and the order are as in evpoll_remove_wait_entry(). */
	rcu_read_lock();
	/* Pairs with smp_store_release() in evpoll_pollfree(). */
	head = smp_load_acquire(&entry->head);
	if (head) {
		spin_lock_irqsave(&head->lock, flags);
		/*
		 * POLLFREE may have taken the entry off, under this lock. If the entry is the only
		 * one, moving it would leave the queue empty for a moment, and waitqueue_active()
		 * would tell a waker without the lock that nobody is there.
		 */
		if (!list_empty(&entry->wait.entry) &&
		    !list_is_last(&entry->wait.entry, &head->head))
			list_move_tail(&entry->wait.entry, &head->head);
		spin_unlock_irqrestore(&head->lock, flags);
	}
	rcu_read_unlock();
}

void evpoll_rotate(struct evpoll_item *item)
{
	struct evpoll_more *more;

	lockdep_assert_held(&evpoll_of(item)->mtx);
	evpoll_rotate_entry(&item->entry);
	for (more = item->extra ? item->extra->more : NULL; more; more = more->next)
		evpoll_rotate_entry(&more->entry);
}

static void evpoll_pass_wait_entry(struct evpoll_entry *entry)
{
	wait_queue_head_t *head;
	unsigned long flags;

	/* RCU and the order are as in evpoll_remove_wait_entry(). */
	rcu_read_lock();
	/* Pairs with smp_store_release() in evpoll_pollfree(). */
	head = smp_load_acquire(&entry->head);
	if (head) {
		spin_lock_irqsave(&head->lock, flags);
		spin_unlock_irqrestore(&head->lock, flags);
	}
	rcu_read_unlock();
}

void evpoll_pass_wait_entries(struct evpoll_item *item)
{
	struct evpoll_more *more;

	lockdep_assert_held(&evpoll_of(item)->mtx);
	evpoll_pass_wait_entry(&item->entry);
	for (more = item->extra ? item->extra->more : NULL; more; more = more->next)
		evpoll_pass_wait_entry(&more->entry);
}

static void evpoll_remove_wait_entry(struct evpoll_entry *entry)
{
	wait_queue_head_t *head;

	/*
	 * A waker that sends POLLFREE frees its queue after an RCU grace period, so the lock of
	 * @head can be taken under RCU. If @head is NULL, the wake callback is done with the item.
	 */
	rcu_read_lock();
	/* Pairs with smp_store_release() in evpoll_pollfree(). */
	head = smp_load_acquire(&entry->head);
	if (head)
		remove_wait_queue(head, &entry->wait);
	rcu_read_unlock();
}

void evpoll_remove_wait_entries(struct evpoll_item *item)
{
	struct evpoll_more *more;

	evpoll_remove_wait_entry(&item->entry);
	if (!item->extra)
		return;
	while ((more = item->extra->more)) {
		item->extra->more = more->next;
		evpoll_remove_wait_entry(&more->entry);
		kfree(more);
	}
}
