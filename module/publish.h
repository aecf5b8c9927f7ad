/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * publish.c: a wake callback puts an event into the ring.
 */
#ifndef EVPOLL_PUBLISH_H
#define EVPOLL_PUBLISH_H

#include <linux/irqflags.h>

#include "evpoll.h"
#include "ring.h"

/*
 * Bits that hold when a waker tells of them. Some wakers pass others as a hint only: sockets pass
 * EPOLLPRI, EPOLLRDBAND and EPOLLWRBAND with all data, and drivers EPOLLERR and EPOLLHUP with all
 * that may have ended a wait. POLLFREE: the queue dies, and the file says what this means.
 */
#define EVPOLL_TRUE_BITS (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM)

/* What became of an event. */
enum evpoll_published {
	/* It is not in the ring: queue the item. */
	EVPOLL_UNPUBLISHED,
	/* The item is one-shot, and disarmed until EPOLL_CTL_MOD. */
	EVPOLL_DROPPED,
	/* It has joined events that were not harvested yet. */
	EVPOLL_JOINED,
	/* It has a new entry. */
	EVPOLL_LISTED,
};

/*
 * Runs in any context but NMI, under the lock of the watched file's wait queue. Sets *@events to
 * the item's mask. @what: what the waker told. If the item is level-triggered, the caller queues it
 * in any case.
 */
enum evpoll_published evpoll_publish(struct evpoll_item *item, __poll_t *events, __poll_t what);

/* May the event go into the ring? An item without a slot has none there. */
static __always_inline bool evpoll_can_publish(__poll_t events, __poll_t what)
{
	__poll_t told = what & events;

	return told && !((told & ~EVPOLL_TRUE_BITS) | (what & POLLFREE));
}

/*
 * P3, P4: gives the slot an entry, or returns false if the index is full. Interrupts are off,
 * because from the reservation of the entry to its store, the entries of other CPUs behind it are
 * hidden.
 */
static __always_inline bool evpoll_list_slot(struct evpoll_ring *ring, unsigned long slot, u32 bits)
{
	unsigned long flags;
	u32 *entry;
	s64 pos;

	local_irq_save(flags);
	/*
	 * The caller has read that the slot is not listed. Orders that before the read of the
	 * entry: what was in the index before the harvest of this slot is not missed. Pairs with
	 * H3.
	 */
	smp_rmb();
	pos = atomic64_read(&ring->tail);
	do {
		entry = evpoll_ring_entry(ring, pos);
		/* A harvester has claimed it a round ago, and has not cleared it yet. */
		if (READ_ONCE(*entry)) {
			local_irq_restore(flags);
			return false;
		}
	} while (!atomic64_try_cmpxchg(&ring->tail, &pos, pos + 1));
	/* The full barrier of the exchange is that of P1. */
	atomic_or(bits | EVPOLL_RING_LISTED, evpoll_slot_state(ring, slot));
	/* Pairs with the acquire order in H1, for the state and for the data of the slot. */
	smp_store_release(entry, ((void *)&ring->slots[slot - 1] - ring->map) |
				 evpoll_ring_lap(ring, pos));
	local_irq_restore(flags);
	return true;
}

/*
 * The usual case, inlined because most events are of this kind: the item is not one-shot, and its
 * slot is not listed. Gives it an entry, or returns false and leaves the event to evpoll_publish().
 * @state: the item's, which was read before @events, because a MOD may show the slot just now, see
 * evpoll_slot().
 */
static __always_inline bool evpoll_publish_usual(struct evpoll_item *item, unsigned long state,
						 __poll_t events, __poll_t what)
{
	struct evpoll_ring *ring = evpoll_of(item)->ring;
	unsigned long slot = state >> EVPOLL_SLOT_SHIFT;
	u32 bits = (__force u32)(what & events);

	if (!slot || !evpoll_can_publish(events, what) || (events & EPOLLONESHOT))
		return false;
	if (!(events & EPOLLET))
		bits |= EVPOLL_RING_LEVEL;
	else if (state & BIT(EVPOLL_QUEUED))
		return false;
	return !(atomic_read(evpoll_slot_state(ring, slot)) & EVPOLL_RING_LISTED) &&
	       evpoll_list_slot(ring, slot, bits);
}

#endif /* EVPOLL_PUBLISH_H */
