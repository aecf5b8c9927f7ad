/* SPDX-License-Identifier: MIT */
/**
 * DOC: the ready ring of an instance
 *
 * A ring delivers events without a system call: evpoll's wake callback puts them into memory that
 * the program shares, and the program takes them out. All functions are in this header, so a program
 * can use it without libevpoll.
 *
 * Documentation/ring.rst has the protocol. H1, H2 and H3 below are its steps.
 *
 * Several threads may wait on one ring and harvest it at the same time.
 */
#ifndef EVPOLL_RING_H
#define EVPOLL_RING_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/evpoll.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * So many harvests that found events may follow each other without a call, while the kernel says
 * that a call brings more.
 */
#define EVPOLL_RING_TURNS 16

/**
 * struct evpoll_ring - a ring that the program has mapped
 * @map: the mapping
 * @head: position of the next harvest; shared
 * @flags: EVPOLL_RING_MORE; shared, written by the kernel
 * @index: the entries; shared
 * @mask: number of entries - 1
 * @turns: harvests that found events and EVPOLL_RING_MORE since the last call. Several threads may
 *	write it, and its value is an estimate then
 * @ep: the instance
 * @size: length of the mapping, in bytes
 * @spin_ns: how long evpoll_ring_wait() looks at an empty ring before it sleeps, in ns. 0 after
 *	evpoll_ring_create(); the program may set it at any time before a wait
 */
struct evpoll_ring {
	char *map;
	uint32_t *head;
	uint32_t *flags;
	uint32_t *index;
	uint32_t mask;
	uint32_t turns;
	int ep;
	size_t size;
	uint64_t spin_ns;
};

/**
 * evpoll_ring_create() - give an instance a ring, and map it
 * @ring: receives what the other functions need
 * @ep: the instance, which has no registration yet
 * @slots: number of registrations that can use the ring: a power of two
 *
 * Source: EVPOLL_IOC_RING.
 * Return: 0, or -1 with errno. Errors: see &struct evpoll_ring_setup, and those of mmap(2).
 */
static inline int evpoll_ring_create(struct evpoll_ring *ring, int ep, unsigned int slots)
{
	struct evpoll_ring_setup setup;
	void *map;

	memset(&setup, 0, sizeof(setup));
	setup.slots = slots;
	if (ioctl(ep, EVPOLL_IOC_RING, &setup))
		return -1;
	map = mmap(NULL, setup.size, PROT_READ | PROT_WRITE, MAP_SHARED, ep, 0);
	if (map == MAP_FAILED)
		return -1;
	memset(ring, 0, sizeof(*ring));
	ring->map = (char *)map;
	ring->head = (uint32_t *)(ring->map + setup.head_offset);
	ring->flags = (uint32_t *)(ring->map + setup.flags_offset);
	ring->index = (uint32_t *)(ring->map + setup.index_offset);
	ring->mask = slots - 1;
	ring->ep = ep;
	ring->size = setup.size;
	return 0;
}

/**
 * evpoll_ring_close() - unmap a ring
 * @ring: the ring
 *
 * The instance stays open, and read() and evpoll_wait() return the events that the ring still has.
 */
static inline void evpoll_ring_close(struct evpoll_ring *ring)
{
	munmap(ring->map, ring->size);
}

/*
 * H1: how many of the @max entries from @entry on have this lap? The first has. They are different
 * slots. Acquire order pairs with the release in P4 of the kernel.
 */
static inline unsigned int evpoll_ring_run(const uint32_t *entry, unsigned int max, uint32_t lap)
{
	unsigned int n = 1;

	while (n + 4 <= max && (__atomic_load_n(&entry[n], __ATOMIC_ACQUIRE) & lap) &&
	       (__atomic_load_n(&entry[n + 1], __ATOMIC_ACQUIRE) & lap) &&
	       (__atomic_load_n(&entry[n + 2], __ATOMIC_ACQUIRE) & lap) &&
	       (__atomic_load_n(&entry[n + 3], __ATOMIC_ACQUIRE) & lap))
		n += 4;
	while (n < max && (__atomic_load_n(&entry[n], __ATOMIC_ACQUIRE) & lap))
		n++;
	return n;
}

/*
 * H3: takes the events of @n entries that this thread has claimed. @base: the mapping, minus the lap
 * of the entries. Returns how many had events.
 */
static inline int evpoll_ring_take(char *base, uint32_t *entry, unsigned int n,
				   struct epoll_event *events)
{
	struct epoll_event *to = events;
	const uint32_t *end = entry + n;
	struct evpoll_ring_slot *slot;

	do {
		slot = (struct evpoll_ring_slot *)(base + __atomic_load_n(entry, __ATOMIC_RELAXED));
		/* Release order: whoever sees 0 sees the new head. The kernel checks for sleepers so. */
		__atomic_store_n(entry, 0, __ATOMIC_RELEASE);
		/*
		 * Before the exchange, because the kernel may change the data as soon as
		 * EVPOLL_RING_LISTED is clear. Pairs with the kernel's read of that bit.
		 */
		to->data.u64 = __atomic_load_n(&slot->data, __ATOMIC_RELAXED);
		to->events = __atomic_exchange_n(&slot->state, 0, __ATOMIC_SEQ_CST) &
			     EVPOLL_RING_EVENTS;
		/* Without events the registration was removed or changed meanwhile. */
		if (to->events)
			to++;
	} while (++entry != end);
	return to - events;
}

/**
 * evpoll_ring_harvest() - take events out of the ring, without a system call
 * @ring: the ring
 * @events: array that receives the events
 * @maxevents: number of elements of @events, greater than zero
 *
 * The mask of an event has the bits that the file told of since the last harvest. It can lack bits
 * that hold. A registration is in the array once at most.
 *
 * A program that calls this instead of evpoll_ring_wait() must call evpoll_ring_wait(),
 * evpoll_wait() or read() once in a while, as long as the ring's flags have EVPOLL_RING_MORE.
 *
 * Return: the number of events, 0 if the ring is empty.
 */
static inline int evpoll_ring_harvest(struct evpoll_ring *ring, struct epoll_event *events,
				      int maxevents)
{
	uint32_t head = __atomic_load_n(ring->head, __ATOMIC_RELAXED);
	unsigned int n, room;
	uint32_t *entry, lap;
	int got;

	for (;;) {
		entry = &ring->index[head & ring->mask];
		lap = EVPOLL_RING_LAP(head, ring->mask + 1);
		if (!(__atomic_load_n(entry, __ATOMIC_ACQUIRE) & lap))
			return 0;
		/* Up to the end of the index. The next run begins at its first entry. */
		room = ring->mask + 1 - (head & ring->mask);
		n = evpoll_ring_run(entry, room < (unsigned int)maxevents ?
					   room : (unsigned int)maxevents, lap);
		/* H2. On failure, @head is the new value. */
		if (!__atomic_compare_exchange_n(ring->head, &head, head + n, 0, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			continue;
		got = evpoll_ring_take(ring->map - lap, entry, n, events);
		if (got)
			return got;
		/* All of them were removed or changed: look for others. */
		head += n;
	}
}

/* The call: polls the files that the ring cannot tell of, or sleeps. @timeout: in ms */
static inline int evpoll_ring_call(struct evpoll_ring *ring, struct epoll_event *events,
				   int maxevents, int timeout)
{
	struct __kernel_timespec ts = { timeout / 1000, timeout % 1000 * 1000000LL };
	struct evpoll_wait wait;

	memset(&wait, 0, sizeof(wait));
	wait.events = (uintptr_t)events;
	wait.maxevents = maxevents;
	wait.timeout = timeout < 0 ? 0 : (uintptr_t)&ts;
	ring->turns = 0;
	return ioctl(ring->ep, EVPOLL_IOC_WAIT, &wait);
}

/* Is there something to harvest, or for a call to bring? */
static inline int evpoll_ring_has_event(const struct evpoll_ring *ring)
{
	uint32_t head = __atomic_load_n(ring->head, __ATOMIC_RELAXED);
	uint32_t entry = __atomic_load_n(&ring->index[head & ring->mask], __ATOMIC_RELAXED);

	return (entry & EVPOLL_RING_LAP(head, ring->mask + 1)) ||
	       (__atomic_load_n(ring->flags, __ATOMIC_RELAXED) & EVPOLL_RING_MORE);
}

/* Looks at the ring for up to @ring->spin_ns. Returns whether something came. */
static inline int evpoll_ring_spin(const struct evpoll_ring *ring)
{
	struct timespec begin, now;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (i = 0; i < 64; i++) {
			if (evpoll_ring_has_event(ring))
				return 1;
#if defined(__i386__) || defined(__x86_64__)
			__builtin_ia32_pause();
#endif
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((uint64_t)(now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec <
		 ring->spin_ns);
	return 0;
}

/**
 * evpoll_ring_wait() - wait for events, with a system call only where it is needed
 * @ring: the ring
 * @events: array that receives the events
 * @maxevents: number of elements of @events, greater than zero
 * @timeout: in ms; 0 returns at once, a negative number waits without a limit
 *
 * Harvests. Calls the kernel if the ring is empty, unless @timeout is 0 and a call would bring
 * nothing; and after 16 harvests, if the kernel says that a call brings more. So a level-triggered
 * file that stays ready is reported again, at the latest by the call before this thread sleeps.
 *
 * Events of a harvest have the mask that evpoll_ring_harvest() describes. Those of a call have every
 * bit that holds. The function is no cancellation point.
 *
 * Source: epoll_wait(2).
 * Return: the number of events, 0 after the timeout, or -1. Errors: EINTR, EINVAL, EFAULT.
 */
static inline int evpoll_ring_wait(struct evpoll_ring *ring, struct epoll_event *events,
				   int maxevents, int timeout)
{
	int n;

	if (maxevents <= 0)
		return evpoll_ring_call(ring, events, maxevents, timeout);
	if (ring->turns >= EVPOLL_RING_TURNS) {
		n = evpoll_ring_call(ring, events, maxevents, 0);
		if (n)
			return n;
	}
	n = evpoll_ring_harvest(ring, events, maxevents);
	if (n) {
		if (__atomic_load_n(ring->flags, __ATOMIC_RELAXED) & EVPOLL_RING_MORE)
			ring->turns++;
		return n;
	}
	if (!timeout && !(__atomic_load_n(ring->flags, __ATOMIC_RELAXED) & EVPOLL_RING_MORE))
		return 0;
	if (timeout && ring->spin_ns && evpoll_ring_spin(ring)) {
		n = evpoll_ring_harvest(ring, events, maxevents);
		if (n)
			return n;
	}
	return evpoll_ring_call(ring, events, maxevents, timeout);
}

#ifdef __cplusplus
}
#endif

#endif /* EVPOLL_RING_H */
