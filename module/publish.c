// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stage of an event on an instance with a ring: the wake callback puts the event into memory that
 * the program reads, without a lock. P1 to P5 are the steps in Documentation/ring.rst.
 *
 * At most one wake callback publishes into a slot at a time, because it holds the lock of the only
 * wait queue of the item. So nobody else sets bits in the slot. Harvesters take all bits of a slot
 * that is listed. Calls clear its events.
 */
#include "publish.h"
#include "ring.h"

/* A harvest or a call may change the word meanwhile. More often only a wrong program does. */
#define EVPOLL_JOIN_TRIES 8

/* Puts @bits into the slot. */
static enum evpoll_published evpoll_fill_slot(struct evpoll_ring *ring, unsigned long slot,
					      u32 bits)
{
	atomic_t *state = evpoll_slot_state(ring, slot);
	int old = atomic_read(state), i;

	/*
	 * P1. The full barrier of the exchange orders what the waker did to the file before the
	 * bits: whoever sees the bits sees that too, as H3 and evpoll_slot_clear() are full
	 * barriers. It also orders the bits before the check of the pollers, P6. The loop is
	 * bounded, because the program may write the word all the time.
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
	u32 bits;

	/* After the slot, because a MOD may show it just now, see evpoll_slot(). */
	*events = READ_ONCE(item->events);
	bits = (__force u32)(what & *events);
	if (test_bit(EVPOLL_FIRED, &item->state)) {
		/* Look twice, as in evpoll_wants_now(): MOD clears the bit, and polls. */
		smp_mb();
		if (test_bit(EVPOLL_FIRED, &item->state))
			return EVPOLL_DROPPED;
	}
	if (!slot || !evpoll_can_publish(*events, what))
		return EVPOLL_UNPUBLISHED;
	if (*events & (EPOLLET | EPOLLONESHOT))
		return evpoll_publish_once(item, slot, *events, bits);
	return evpoll_fill_slot(evpoll_of(item)->ring, slot, bits | EVPOLL_RING_LEVEL);
}
