// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second stage of an event: items that the wake callback has seen are pending, in a
 * lock-free list per CPU and instance, until a flush moves them to the ready list.
 *
 * Who flushes depends on where the callback runs:
 *
 *   in an interrupt, or with bottom halves off: NAPI does (napi.c), right after the work that
 *   is going on. What that work woke is one batch, and at most one wakeup.
 *
 *   in plain process context: the callback itself, at once. A softirq raised there would run
 *   with the next interrupt, or wake ksoftirqd.
 *
 * And a waiter that is awake, before it looks at the ready list.
 */
#include <linux/preempt.h>

#include "evpoll.h"

/* Items that a flush moves with interrupts off. */
#define EVPOLL_FLUSH_BATCH 64

/* Moves up to @budget items, oldest first; returns how many. Caller holds waiters.lock. */
static int evpoll_move(struct evpoll_pending *pending, int budget)
{
	struct evpoll *ep = pending->ep;
	struct evpoll_item *item;
	int moved = 0;

	lockdep_assert_held(&ep->waiters.lock);
	if (!pending->batch) {
		clear_bit(pending->cpu, ep->pending_cpus);
		/*
		 * Pairs with llist_add() in evpoll_note(): it sees the bit cleared and sets it,
		 * or we see the item.
		 */
		smp_mb__after_atomic();
		pending->batch = llist_reverse_order(llist_del_all(&pending->items));
	}
	while (pending->batch && moved < budget) {
		item = llist_entry(pending->batch, struct evpoll_item, pending);
		pending->batch = item->pending.next;
		list_add_tail(&item->ready, &ep->ready);
		moved++;
	}
	if (pending->batch)
		set_bit(pending->cpu, ep->pending_cpus);
	return moved;
}

/**
 * struct evpoll_flush - how to flush
 * @budget: items to move at most
 * @wake_waiter: false when the caller is a waiter, or wakes one later
 * @sync: the waker is about to sleep, as for wake_up_sync()
 * @source: the item whose callback flushes, or NULL
 */
struct evpoll_flush {
	int budget;
	bool wake_waiter;
	int sync;
	struct evpoll_item *source;
};

static int evpoll_do_flush(struct evpoll_pending *pending, const struct evpoll_flush *how)
{
	struct evpoll *ep = pending->ep;
	__poll_t uring = 0;
	unsigned long flags;
	bool pollers;
	int moved;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	moved = evpoll_move(pending, how->budget);
	if (moved && how->wake_waiter)
		evpoll_wake_waiter(ep, how->sync);
	/* A poller is queued before it looks at the ready list under this lock. */
	pollers = moved && waitqueue_active(&ep->pollers);
	/* Pairs with WRITE_ONCE() in evpoll_note(). */
	if (READ_ONCE(pending->uring) && xchg(&pending->uring, 0))
		uring = EPOLL_URING_WAKE;
	spin_unlock_irqrestore(&ep->waiters.lock, flags);

	if (pollers)
		evpoll_wake_pollers(ep, how->source, uring);
	return moved;
}

/* The flush of NAPI. */
int evpoll_flush(struct evpoll_pending *pending, int budget)
{
	struct evpoll_flush how = { .budget = budget, .wake_waiter = true };

	return evpoll_do_flush(pending, &how);
}

/* All CPUs, until nothing is pending that was when it began. */
void evpoll_flush_all(struct evpoll *ep, bool wake_waiter)
{
	struct evpoll_flush how = {
		.budget = EVPOLL_FLUSH_BATCH,
		.wake_waiter = wake_waiter,
	};
	unsigned int cpu;

	if (!evpoll_is_pending(ep))
		return;
	for_each_set_bit(cpu, ep->pending_cpus, nr_cpu_ids)
		while (evpoll_do_flush(per_cpu_ptr(ep->pending, cpu), &how) == how.budget)
			;
}

/*
 * The watched file of @item has news. From the wake callback, so in any context but NMI, with
 * the lock of the file's wait queue held.
 */
void evpoll_note(struct evpoll_item *item, __poll_t uring, int sync)
{
	struct evpoll *ep = item->ep;
	struct evpoll_flush how = {
		.budget = INT_MAX, .wake_waiter = true, .sync = sync, .source = item,
	};
	struct evpoll_pending *pending;
	bool interrupt = in_interrupt();
	int cpu;

	/* See EVPOLL_QUEUED. */
	if (test_and_set_bit(EVPOLL_QUEUED, &item->state)) {
		/* Waiters know of it; who watches us edge-triggered wants to hear each one. */
		if (waitqueue_active(&ep->pollers))
			evpoll_wake_pollers(ep, item, uring);
		return;
	}
	evpoll_stay_awake(item);

	/*
	 * Preemption off, which only PREEMPT_RT needs: a task that is preempted here would
	 * keep its item from all others, and with it later items of the CPU.
	 */
	cpu = get_cpu();
	pending = per_cpu_ptr(ep->pending, cpu);
	/* Before llist_add(), whose barrier has it seen by who takes the item. */
	if (uring)
		WRITE_ONCE(pending->uring, 1);
	llist_add(&item->pending, &pending->items);
	/* After llist_add(), whose barrier pairs with that in evpoll_move(). */
	if (!test_bit(cpu, ep->pending_cpus))
		set_bit(cpu, ep->pending_cpus);
	if (interrupt)
		evpoll_napi_schedule(pending);
	put_cpu();

	if (!interrupt)
		evpoll_do_flush(pending, &how);
}

/* Onto the ready list without a callback: ADD and MOD found that an event holds already. */
void evpoll_queue(struct evpoll_item *item)
{
	struct evpoll *ep = item->ep;
	bool pollers = false;

	lockdep_assert_held(&ep->mtx);
	spin_lock_irq(&ep->waiters.lock);
	if (!test_and_set_bit(EVPOLL_QUEUED, &item->state)) {
		evpoll_stay_awake(item);
		list_add_tail(&item->ready, &ep->ready);
		evpoll_wake_waiter(ep, 0);
		/* As in evpoll_do_flush(). */
		pollers = waitqueue_active(&ep->pollers);
	}
	spin_unlock_irq(&ep->waiters.lock);
	if (pollers)
		evpoll_wake_pollers(ep, NULL, 0);
}

/*
 * Neither pending nor ready. The item is off its wait queues, so nobody makes it pending any
 * more, and the caller keeps scans off it.
 */
void evpoll_dequeue(struct evpoll_item *item)
{
	struct evpoll *ep = item->ep;
	bool pending;

	for (;;) {
		spin_lock_irq(&ep->waiters.lock);
		if (!list_empty(&item->ready)) {
			list_del_init(&item->ready);
			clear_bit(EVPOLL_QUEUED, &item->state);
		}
		pending = test_bit(EVPOLL_QUEUED, &item->state);
		spin_unlock_irq(&ep->waiters.lock);
		if (!pending)
			return;
		/* From the middle of a lock-free list nothing can be taken: move them all. */
		evpoll_flush_all(ep, true);
	}
}
