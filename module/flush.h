/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flush.c: pending items become ready.
 */
#ifndef EVPOLL_FLUSH_H
#define EVPOLL_FLUSH_H

#include <linux/bitmap.h>

#include "evpoll.h"
#include "ready.h"

/* Flushes one CPU's list: up to @budget items, one wakeup. Returns how many items moved. */
int evpoll_flush(struct evpoll_item *source, struct evpoll_pending *pending, int budget,
		 enum evpoll_wakeup wakeup);

/* Flushes the lists of all CPUs. Wakes a waiter for each batch, see flush.c. */
void evpoll_flush_all(struct evpoll *ep, struct evpoll_item *source, enum evpoll_wakeup wakeup);

/* Called by evpoll_dequeue() only: the rare case of an item that is queued. */
void evpoll_dequeue_queued(struct evpoll_item *item);

/*
 * Makes sure that the item is neither pending nor ready. The item must be off its wait queues, so
 * that no wake callback queues it again, and the caller keeps scans away from it.
 */
static inline void evpoll_dequeue(struct evpoll_item *item)
{
	/*
	 * Most items are not queued. A context that set the bit has released a lock or the file
	 * since then, so the bit is visible here. Acquire order pairs with clear_bit_unlock() in
	 * evpoll_clear_queued(): the context that cleared the bit does not touch the item again.
	 */
	if (test_bit_acquire(EVPOLL_QUEUED, &item->state))
		evpoll_dequeue_queued(item);
}

/*
 * The first CPU, from @cpu on, that may have pending items; nr_cpu_ids if there is none.
 *
 * The read races with evpoll_add_pending(), evpoll_move_to_ready() and evpoll_take_pending(), which
 * change the bits atomically. Under waiters.lock no flush clears a bit. A bit that is set later
 * does not have to be seen: the context that sets it flushes, or has NAPI or a window flush, and
 * that flush takes waiters.lock later.
 */
static inline unsigned int evpoll_pending_cpu(const struct evpoll *ep, unsigned int cpu)
{
	/* data_race(): see above. */
	return data_race(find_next_bit(ep->pending_cpus, nr_cpu_ids, cpu));
}

/* May any CPU have pending items? */
static inline bool evpoll_is_pending(const struct evpoll *ep)
{
	/* One word is enough on most machines, and a call of find_next_bit() costs more. */
	if (nr_cpu_ids <= BITS_PER_LONG)
		return READ_ONCE(ep->pending_cpus[0]);
	return evpoll_pending_cpu(ep, 0) < nr_cpu_ids;
}

/*
 * May a scan find an item? Items that another task's scan has taken count, because that scan may
 * requeue them. Caller holds waiters.lock.
 */
static inline bool evpoll_has_items(const struct evpoll *ep)
{
	lockdep_assert_held(&ep->waiters.lock);
	return !list_empty(&ep->ready) || ep->scanning || evpoll_is_pending(ep);
}

#endif /* EVPOLL_FLUSH_H */
