/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring.c: the ready ring: its memory, and the slots of items.
 *
 * Documentation/ring.rst has the protocol. Comments of the kernel's side name its steps (P1, H2).
 * The program can write any value into the memory at any time. So read each word once, and check
 * it before use.
 */
#ifndef EVPOLL_RING_H
#define EVPOLL_RING_H

#include <linux/idr.h>

#include "evpoll.h"

struct page;
struct vm_area_struct;

/* What wakers told of a slot. EVPOLL_RING_LISTED stays until a harvest. */
#define EVPOLL_SLOT_TOLD (EVPOLL_RING_EVENTS | EVPOLL_RING_LEVEL)

/**
 * struct evpoll_ring - the kernel's side of a ring
 * @map: the memory that the program maps. Constant, as are all pointers and numbers up to @nr_pages
 * @flags: EVPOLL_RING_MORE, in the memory
 * @head: position of the next harvest, in the memory
 * @index: the entries, in the memory
 * @slots: the slots, in the memory
 * @mask: number of slots - 1
 * @pages: the pages of the memory
 * @nr_pages: their number
 * @used: numbers of the slots that items have; has a lock of its own
 * @next: where the search for a free slot begins; evpoll.mtx
 * @ring_first: the next call harvests before it scans; evpoll.mtx
 * @seen: @head at the last count of @harvested; evpoll.mtx
 * @harvested: counter of struct evpoll_stats; evpoll.mtx
 * @tail: position of the next entry that a wake callback makes. Its lower 32 bits correspond to
 *	@head. Counts struct evpoll_stats.published; atomic
 * @news: wake callbacks that published and queued nothing; atomic
 */
struct evpoll_ring {
	void *map;
	atomic_t *flags;
	atomic_t *head;
	u32 *index;
	struct evpoll_ring_slot *slots;
	u32 mask;
	unsigned int nr_pages;
	struct page **pages;

	struct ida used;
	u32 next;
	bool ring_first;
	u32 seen;
	u64 harvested;

	/* Written by wake callbacks. */
	atomic64_t tail ____cacheline_aligned;
	atomic64_t news;
};

/* EVPOLL_IOC_RING. Completes @setup. */
long evpoll_ring_create(struct evpoll *ep, struct evpoll_ring_setup *setup);

/* ->mmap of an instance. */
int evpoll_mmap(struct file *file, struct vm_area_struct *vma);

/* The instance is freed, and has a ring. In process context. */
void evpoll_ring_end(struct evpoll *ep);

/*
 * ADD and MOD, when all else is done: gives the item a slot, if it may have one and one is free.
 * From here on wake callbacks publish. @slot: the one that MOD has hidden, or 0. @old_data: the
 * item's data before MOD. Caller holds the mutex.
 */
void evpoll_slot_show(struct evpoll_item *item, unsigned long slot, u64 old_data);

/* The item is removed, and has left its wait queues: no harvest shows its events from here on. */
void evpoll_slot_put(struct evpoll_item *item);

/*
 * MOD, before anything else: from here on wake callbacks do not publish events of the item, and no
 * harvest shows old ones. Returns the item's slot. Caller holds the mutex.
 */
unsigned long evpoll_slot_hide(struct evpoll_item *item);

/*
 * The number of the item's slot, plus 1; 0 if it has none. Acquire order pairs with set_mask_bits()
 * in evpoll_slot_show(): with the slot, the wake callback sees the mask of that MOD.
 */
static inline unsigned long evpoll_slot(const struct evpoll_item *item)
{
	/* See above. */
	return smp_load_acquire(&item->state) >> EVPOLL_SLOT_SHIFT;
}

/* The state of a slot, whose number plus 1 is @slot */
static inline atomic_t *evpoll_slot_state(const struct evpoll_ring *ring, unsigned long slot)
{
	return (atomic_t *)&ring->slots[slot - 1].state;
}

/* Nobody is told of the slot's events, unless they are harvested just now. */
static inline void evpoll_slot_clear(const struct evpoll_ring *ring, unsigned long slot)
{
	atomic_andnot(EVPOLL_SLOT_TOLD, evpoll_slot_state(ring, slot));
	/*
	 * Orders this before a poll of the file, as in P1: either the poll sees what the waker did,
	 * or its event stays in the slot.
	 */
	smp_mb__after_atomic();
}

/* The entry of the index at this position */
static inline u32 *evpoll_ring_entry(const struct evpoll_ring *ring, u32 pos)
{
	return &ring->index[pos & ring->mask];
}

/* The lap of this position, see EVPOLL_RING_LAP() */
static inline u32 evpoll_ring_lap(const struct evpoll_ring *ring, u32 pos)
{
	return EVPOLL_RING_LAP(pos, ring->mask + 1);
}

/* How many entries are there from @head on? None if the program has written a wrong head. */
static inline u32 evpoll_ring_entries(const struct evpoll_ring *ring, u32 head)
{
	u32 n = (u32)atomic64_read(&ring->tail) - head;

	return n > ring->mask + 1 ? 0 : n;
}

/*
 * Is there an entry to harvest? Any context. A waiter has a full barrier before this (W3). If a
 * harvester moves the head meanwhile, there may be an entry behind it, so the answer is yes.
 */
static inline bool evpoll_ring_has_entry(const struct evpoll *ep)
{
	/* Pairs with smp_store_release() in evpoll_ring_install(). */
	const struct evpoll_ring *ring = READ_ONCE(ep->ring);
	int head;

	if (likely(!ring))
		return false;
	head = atomic_read(ring->head);
	/* Pairs with smp_store_release() in evpoll_list_slot(). */
	if (evpoll_ring_entries(ring, head) &&
	    (READ_ONCE(*evpoll_ring_entry(ring, head)) & evpoll_ring_lap(ring, head)))
		return true;
	/* A harvester moves the head before it clears the entry: pairs with its release, H3. */
	smp_rmb();
	return atomic_read(ring->head) != head;
}

/*
 * An item became pending or ready, so tell the program that a call brings more. The caller has
 * added it to the pending queue, which is a full barrier, or under waiters.lock. Pairs with
 * evpoll_ring_clear_more().
 */
static inline void evpoll_ring_set_more(const struct evpoll *ep)
{
	if (ep->ring && !(atomic_read(ep->ring->flags) & EVPOLL_RING_MORE))
		atomic_or(EVPOLL_RING_MORE, ep->ring->flags);
}

#endif /* EVPOLL_RING_H */
