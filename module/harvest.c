// SPDX-License-Identifier: GPL-2.0-only
/*
 * A call on an instance with a ring: it takes events of edge-triggered and one-shot items out of
 * the ring, because these are on no list. So a program can mix calls and its own harvests. H1 to H3
 * are the steps in Documentation/ring.rst.
 *
 * Level-triggered items that the ring tells of are pending or ready, so the scan reports them with
 * all bits that hold. The harvest of a call only takes their entries away.
 */
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "flush.h"
#include "harvest.h"
#include "put.h"
#include "ring.h"
#include "stats.h"
#include "trace.h"

/* Entries that a walk looks at without a break */
#define EVPOLL_HARVEST_BATCH 64

/* Gives way to other tasks now and then. Returns whether the walk must end. */
static bool evpoll_harvest_break(u32 n)
{
	if (n % EVPOLL_HARVEST_BATCH)
		return false;
	cond_resched();
	return fatal_signal_pending(current);
}

/* The slot at this offset of the memory, or NULL if the program has written a wrong offset. */
static struct evpoll_ring_slot *evpoll_ring_slot_at(const struct evpoll_ring *ring, u32 offset)
{
	u32 nr, first = (void *)ring->slots - ring->map;

	nr = (offset - first) / sizeof(struct evpoll_ring_slot);
	if (offset < first || nr > ring->mask || offset % sizeof(struct evpoll_ring_slot))
		return NULL;
	return &ring->slots[array_index_nospec(nr, ring->mask + 1)];
}

/* H1: the offset in the entry at this position, or 0 if there is none. */
static u32 evpoll_ring_look(const struct evpoll_ring *ring, u32 pos)
{
	u32 lap = evpoll_ring_lap(ring, pos);
	/* Pairs with smp_store_release() in evpoll_list_slot(). */
	u32 entry = smp_load_acquire(evpoll_ring_entry(ring, pos));

	return entry & lap ? entry - lap : 0;
}

/*
 * There was no entry at this position. Is that so because a harvester has claimed it meanwhile?
 * Then there may be entries behind it.
 */
static bool evpoll_ring_moved(const struct evpoll_ring *ring, u32 pos)
{
	/* A harvester moves the head before it clears the entry: pairs with its release, H3. */
	smp_rmb();
	return (s32)(atomic_read(ring->head) - pos) > 0;
}

/* H2, and the first half of H3. Returns false if another harvester was faster. */
static bool evpoll_ring_claim(struct evpoll_ring *ring, int head)
{
	if (!atomic_try_cmpxchg(ring->head, &head, head + 1))
		return false;
	/*
	 * Pairs with READ_ONCE() in evpoll_list_slot(). Release order: whoever sees 0 sees the new
	 * head, see evpoll_ring_has_entry().
	 */
	smp_store_release(evpoll_ring_entry(ring, head), 0);
	return true;
}

/* What an event of the slot is. No mask if the item is on a list, or has no event. */
static struct epoll_event evpoll_slot_event(u32 state, u64 data)
{
	u32 events = state & EVPOLL_RING_LEVEL ? 0 : state & EVPOLL_RING_EVENTS;

	return (struct epoll_event){ .events = (__force __poll_t)events, .data = data };
}

/*
 * H3 for an entry that is claimed. The data is read before the exchange, because the kernel may
 * change it as soon as the slot is not listed.
 */
static struct epoll_event evpoll_slot_take(struct evpoll_ring_slot *slot)
{
	u64 data = READ_ONCE(slot->data);

	/* A full barrier. Pairs with atomic_read_acquire() in evpoll_slot_search(). */
	return evpoll_slot_event(atomic_xchg((atomic_t *)&slot->state, 0), data);
}

/**
 * struct evpoll_sink - where a harvest writes events
 * @to: the next event of a plain buffer
 * @iter: or the buffer, NULL if it is plain
 */
struct evpoll_sink {
	struct epoll_event __user *to;
	struct iov_iter *iter;
};

static bool evpoll_sink_put(struct evpoll_sink *sink, const struct epoll_event *event)
{
	if (!evpoll_put_event(sink->to, sink->iter, event->events, event->data))
		return false;
	sink->to++;
	return true;
}

static void evpoll_sink_unput(struct evpoll_sink *sink)
{
	sink->to--;
	if (sink->iter)
		iov_iter_revert(sink->iter, sizeof(struct epoll_event));
}

/*
 * Writes the event before it takes it, so that a bad buffer loses nothing. If the event has changed
 * until it is taken, it is written once more. If that fails, the program has unmapped its buffer
 * meanwhile, and has the first one. Returns 1 if an event was written, 0 if not, -EFAULT if the
 * buffer is bad.
 */
static int evpoll_harvest_one(struct evpoll_ring *ring, struct evpoll_sink *sink, int head,
			      u32 offset)
{
	struct evpoll_ring_slot *slot = evpoll_ring_slot_at(ring, offset);
	struct epoll_event seen = {}, event = {};

	if (slot)
		seen = evpoll_slot_event(READ_ONCE(slot->state), READ_ONCE(slot->data));
	if (!evpoll_sink_put(sink, &seen))
		return -EFAULT;
	if (evpoll_ring_claim(ring, head) && slot)
		event = evpoll_slot_take(slot);
	if (event.events == seen.events && event.data == seen.data && event.events)
		return 1;
	evpoll_sink_unput(sink);
	if (!event.events)
		return 0;
	if (!evpoll_sink_put(sink, &event))
		sink->to++;
	return 1;
}

int evpoll_harvest(struct evpoll *ep, struct epoll_event __user *to, struct iov_iter *iter, int max,
		   bool *fault)
{
	struct evpoll_sink sink = { to, iter };
	struct evpoll_ring *ring = ep->ring;
	int head, ret, done = 0;
	u32 n, offset;

	lockdep_assert_held(&ep->mtx);
	/* Entries that come meanwhile are for the next call, so that this one ends. */
	for (n = evpoll_ring_entries(ring, atomic_read(ring->head)); n && done < max; n--) {
		if (evpoll_harvest_break(n))
			break;
		head = atomic_read(ring->head);
		offset = evpoll_ring_look(ring, head);
		if (!offset && !evpoll_ring_moved(ring, head))
			break;
		if (!offset)
			continue;
		ret = evpoll_harvest_one(ring, &sink, head, offset);
		if (ret < 0) {
			*fault = true;
			break;
		}
		done += ret;
	}
	evpoll_ring_count(ep);
	return done;
}

bool evpoll_ring_has_event(const struct evpoll_ring *ring)
{
	u32 pos = atomic_read(ring->head), n = evpoll_ring_entries(ring, pos), state, offset;
	const struct evpoll_ring_slot *slot;

	for (; n; n--, pos++) {
		if (evpoll_harvest_break(n))
			return false;
		offset = evpoll_ring_look(ring, pos);
		if (!offset && evpoll_ring_moved(ring, pos)) {
			pos = atomic_read(ring->head) - 1;
			continue;
		}
		/* The wake callback that has reserved it wakes the pollers afterwards. */
		if (!offset)
			return false;
		slot = evpoll_ring_slot_at(ring, offset);
		state = slot ? READ_ONCE(slot->state) : 0;
		if ((state & EVPOLL_RING_EVENTS) && !(state & EVPOLL_RING_LEVEL))
			return true;
	}
	return false;
}

void evpoll_ring_clear_more(struct evpoll *ep)
{
	lockdep_assert_held(&ep->waiters.lock);
	if (!(atomic_read(ep->ring->flags) & EVPOLL_RING_MORE))
		return;
	atomic_andnot(EVPOLL_RING_MORE, ep->ring->flags);
	/*
	 * Pairs with xchg() in evpoll_fifo_add(). Either this sees the pending item, or its wake
	 * callback sees the flag cleared in evpoll_ring_set_more().
	 */
	smp_mb__after_atomic();
	if (evpoll_is_pending(ep))
		evpoll_ring_set_more(ep);
}

u32 evpoll_ring_count(struct evpoll *ep)
{
	struct evpoll_ring *ring = ep->ring;
	u32 head = atomic_read(ring->head);
	u32 n = head - ring->seen;

	lockdep_assert_held(&ep->mtx);
	ring->seen = head;
	if (n) {
		evpoll_count(&ring->harvested, n);
		trace_evpoll_harvest(ep, n);
	}
	return n;
}
