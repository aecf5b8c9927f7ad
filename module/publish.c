// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stage of an event on an instance with a ring: the wake callback puts the event into memory that
 * the program reads, without a lock. P1 to P5 are the steps in Documentation/ring.rst.
 *
 * At most one wake callback publishes into a slot at a time, because it holds the lock of the only
 * wait queue of the item. So nobody else sets bits in the slot. Harvesters take all bits of a slot
 * that is listed. Calls clear its events.
 */
#include <linux/irqflags.h>

#include "publish.h"
#include "ring.h"
#include "trace.h"

/*
 * Bits that hold when a waker tells of them. Some wakers pass others as a hint only: sockets pass
 * EPOLLPRI, EPOLLRDBAND and EPOLLWRBAND with all data, and drivers EPOLLERR and EPOLLHUP with all
 * that may have ended a wait.
 */
#define EVPOLL_TRUE_BITS (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM)

/* A harvest or a call may change the word meanwhile. More often only a program that does not harvest. */
#define EVPOLL_JOIN_TRIES 8

/*
 * May the event go into the ring? An item with more than one wait entry may have two wake callbacks
 * at the same time. EPOLLWAKEUP keeps the system awake until a call has polled the file. Items with
 * either have the extra part. POLLFREE: the queue dies, and the file says what this means.
 */
static bool evpoll_can_publish(const struct evpoll_item *item, __poll_t events, __poll_t what)
{
	__poll_t told = what & events;

	/* @extra: only compared, and set before the item gets a slot. */
	return told && !(told & ~EVPOLL_TRUE_BITS) && !(what & POLLFREE) &&
	       !READ_ONCE(item->extra);
}

/*
 * P3, P4: gives the slot an entry, or returns false if the index is full. Interrupts are off,
 * because from the reservation of the entry to its store, the entries of other CPUs behind it are
 * hidden.
 */
static bool evpoll_list_slot(struct evpoll_ring *ring, unsigned long slot, u32 bits)
{
	unsigned long flags;
	u32 *entry;
	s64 pos;

	local_irq_save(flags);
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

/* Puts @bits into the slot. */
static enum evpoll_published evpoll_fill_slot(struct evpoll_ring *ring, unsigned long slot,
					      u32 bits)
{
	atomic_t *state = evpoll_slot_state(ring, slot);
	int old = atomic_read(state), i;

	/*
	 * P1. The full barrier of the exchange orders what the waker did to the file before the bits:
	 * whoever sees the bits sees that too, as H3 and evpoll_slot_clear() are full barriers. It
	 * also orders the bits before the check of the pollers, P6. The loop is bounded, because the
	 * program may write the word all the time.
	 */
	for (i = 0; (old & EVPOLL_RING_LISTED) && i < EVPOLL_JOIN_TRIES; i++)
		if (atomic_try_cmpxchg(state, &old, old | bits))
			return EVPOLL_JOINED;
	/* Only a wake callback lists the slot, so it stays as it is now. */
	if (!(old & EVPOLL_RING_LISTED) && evpoll_list_slot(ring, slot, bits))
		return EVPOLL_LISTED;
	return EVPOLL_UNPUBLISHED;
}

/* An edge-triggered or one-shot item that has published is on no list. */
static enum evpoll_published evpoll_publish_once(struct evpoll_item *item, unsigned long slot,
						 __poll_t events, u32 bits)
{
	enum evpoll_published published;

	/* A call will poll and report it. */
	if (test_bit(EVPOLL_QUEUED, &item->state))
		return EVPOLL_UNPUBLISHED;
	/* Pairs with test_and_set_bit() in evpoll_claim_shot(). */
	if ((events & EPOLLONESHOT) && test_and_set_bit(EVPOLL_FIRED, &item->state))
		return EVPOLL_DROPPED;
	published = evpoll_fill_slot(evpoll_of(item)->ring, slot, bits);
	if ((events & EPOLLONESHOT) && published == EVPOLL_UNPUBLISHED)
		clear_bit(EVPOLL_FIRED, &item->state);
	return published;
}

enum evpoll_published evpoll_publish(struct evpoll_item *item, __poll_t *events, __poll_t what)
{
	unsigned long slot = evpoll_slot(item);
	enum evpoll_published published;
	u32 bits;

	if (test_bit(EVPOLL_FIRED, &item->state))
		return EVPOLL_DROPPED;
	if (!slot)
		return EVPOLL_UNPUBLISHED;
	/*
	 * Read again after the slot, because a MOD may have shown it just now, see evpoll_slot().
	 */
	*events = READ_ONCE(item->events);
	if (!evpoll_can_publish(item, *events, what))
		return EVPOLL_UNPUBLISHED;
	bits = (__force u32)(what & *events);
	if (*events & (EPOLLET | EPOLLONESHOT))
		published = evpoll_publish_once(item, slot, *events, bits);
	else
		published = evpoll_fill_slot(evpoll_of(item)->ring, slot,
					     bits | EVPOLL_RING_LEVEL);
	if (published >= EVPOLL_JOINED)
		trace_evpoll_publish(item, what & *events, published == EVPOLL_LISTED);
	return published;
}
