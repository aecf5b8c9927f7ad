/* SPDX-License-Identifier: MIT */
/**
 * DOC: the ready ring of an instance
 *
 * A ring delivers events without a system call: evpoll's wake callback puts them into memory that
 * the program shares, and the program takes them out. All functions are in this header, so a
 * program can use it without libevpoll.
 *
 * Several threads may use one ring at the same time, and so may processes that inherited the
 * mapping by fork(2).
 *
 * Documentation/libevpoll.rst shows how to use a ring. Documentation/ring.rst has the protocol: H1,
 * H2, H3 and P4 below are its steps.
 */
#ifndef EVPOLL_RING_H
#define EVPOLL_RING_H

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
 * @head: position of the next harvest; in the mapping
 * @index: the entries; in the mapping
 * @map: the mapping. A slot is at an offset from here
 * @flags: EVPOLL_RING_MORE; in the mapping, written by the kernel
 * @mask: @slots - 1
 * @slots: number of slots, and of entries
 * @turns: harvests that found events and EVPOLL_RING_MORE since the last call. An estimate, if
 *	several threads harvest
 * @ep: the instance
 * @size: length of the mapping, in bytes
 * @spin_ns: how long evpoll_ring_wait() watches an empty ring before it sleeps, in ns.
 *	evpoll_ring_create() sets it to 0. The program may change it while no thread waits
 */
struct evpoll_ring {
	uint32_t *head;
	uint32_t *index;
	char *map;
	const uint32_t *flags;
	uint32_t mask;
	uint32_t slots;
	uint32_t turns;
	int ep;
	size_t size;
	uint64_t spin_ns;
};

/* Not inlined, so that the functions that call it save no registers for it */
#define EVPOLL_RING_NOINLINE __attribute__((noinline, unused))
/* The same, for what makes a system call anyway */
#define EVPOLL_RING_COLD __attribute__((noinline, unused, cold))

/**
 * evpoll_ring_create() - give an instance a ring, and map it
 * @ring: receives what the other functions need
 * @ep: the instance, which has no registration yet
 * @slots: number of registrations that can use the ring: a power of two
 *
 * If mmap(2) fails, the instance has a ring that is not mapped. It works, but all events come by
 * calls.
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
	ring->slots = slots;
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

static inline uint32_t evpoll_ring_load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/*
 * The position of the next harvest. Acquire order pairs with the release in evpoll_ring_claim(): an
 * entry that is read afterwards is not older than what earlier harvesters saw there.
 */
static inline uint32_t evpoll_ring_head(const struct evpoll_ring *ring)
{
	return __atomic_load_n(ring->head, __ATOMIC_ACQUIRE);
}

static inline uint32_t *evpoll_ring_at(const struct evpoll_ring *ring, uint32_t pos)
{
	return &ring->index[pos & ring->mask];
}

/*
 * H1: does the entry that was found at a position belong there? If not, it is 0, or a harvester has
 * claimed it one round ago and not cleared it yet. EVPOLL_RING_LAP() is bit 0 in even rounds, and
 * bit 1 in odd ones.
 */
static inline int evpoll_ring_is_new(const struct evpoll_ring *ring, uint32_t pos, uint32_t entry)
{
	return entry >> ((pos & ring->slots) != 0) & 1;
}

/* Does the kernel say that a call brings more? */
static inline int evpoll_ring_more(const struct evpoll_ring *ring)
{
	return (evpoll_ring_load(ring->flags) & EVPOLL_RING_MORE) != 0;
}

/* H2: claims @n entries from @head on, unless another harvester was first. */
static inline int evpoll_ring_claim(struct evpoll_ring *ring, uint32_t head, uint32_t n)
{
	return __atomic_compare_exchange_n(ring->head, &head, head + n, 0, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/*
 * H3: takes the event of the slot at @map + @offset, whose entry @at this thread has claimed.
 * Returns where the next event goes: to the same place if this one was empty, because its
 * registration was removed or changed.
 */
static inline struct epoll_event *evpoll_ring_take(char *map, uint32_t offset, uint32_t *at,
						   struct epoll_event *to)
{
	struct evpoll_ring_slot *slot = (struct evpoll_ring_slot *)(map + offset);
	uint32_t events;

	/*
	 * Release order, because a call that is about to sleep reads the entry, and then the head.
	 * If it finds 0 here, it must see that the head has moved.
	 */
	__atomic_store_n(at, 0, __ATOMIC_RELEASE);
	/*
	 * The data first: the kernel may change it as soon as the exchange clears
	 * EVPOLL_RING_LISTED. The exchange pairs with the kernel's read of that bit.
	 */
	to->data.u64 = slot->data;
	events = __atomic_exchange_n(&slot->state, 0, __ATOMIC_SEQ_CST) & EVPOLL_RING_EVENTS;
	to->events = events;
	return events ? to + 1 : to;
}

/*
 * H3 for the entries from @at up to @end. @map: the mapping, minus the lap of the entries. A
 * function of its own, because gcc then makes a loop of 14 instructions. Inlined it has 15.
 */
static EVPOLL_RING_NOINLINE struct epoll_event *evpoll_ring_take_run(char *map, uint32_t *at,
								     const uint32_t *end,
								     struct epoll_event *to)
{
	do {
		/* Acquire order pairs with the release in P4. */
		to = evpoll_ring_take(map, __atomic_load_n(at, __ATOMIC_ACQUIRE), at, to);
	} while (++at != end);
	return to;
}

/* Do the four entries from @at on have this lap? */
static inline int evpoll_ring_four(const uint32_t *at, uint32_t lap)
{
	return (evpoll_ring_load(at) & lap) && (evpoll_ring_load(at + 1) & lap) &&
	       (evpoll_ring_load(at + 2) & lap) && (evpoll_ring_load(at + 3) & lap);
}

/*
 * H1: how many entries have this lap, from @begin up to the first that has not, or up to @end? No
 * slot is there twice, because it comes into the index again only after H3 took its state.
 */
static inline uint32_t evpoll_ring_run(const uint32_t *begin, const uint32_t *end, uint32_t lap)
{
	const uint32_t *at = begin;

	while (at + 8 <= end && evpoll_ring_four(at, lap) && evpoll_ring_four(at + 4, lap))
		at += 8;
	while (at != end && (evpoll_ring_load(at) & lap))
		at++;
	return at - begin;
}

/* Harvests any number of events. */
static EVPOLL_RING_NOINLINE int evpoll_ring_harvest_run(struct evpoll_ring *ring,
							struct epoll_event *events, int maxevents)
{
	uint32_t head, lap, room, n;
	uint32_t *at;
	int got = 0;

	do {
		head = evpoll_ring_head(ring);
		lap = EVPOLL_RING_LAP(head, ring->slots);
		/* Up to the end of the index. The next harvest begins at its first entry. */
		room = ring->slots - (head & ring->mask);
		if (room > (uint32_t)maxevents)
			room = maxevents;
		at = evpoll_ring_at(ring, head);
		n = evpoll_ring_run(at, at + room, lap);
		/*
		 * Acquire order, for the second look at the head: a harvester moves it before it
		 * clears the entry.
		 */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!n && evpoll_ring_head(ring) == head)
			return 0;
		if (n && evpoll_ring_claim(ring, head, n))
			got = evpoll_ring_take_run(ring->map - lap, at, at + n, events) - events;
	} while (!got);
	return got;
}

/*
 * Harvests the event of @entry, which is new at position @head and was read from @at. Returns 0 if
 * it is not the only one, or has no event. Without a branch for the end of the index, this may look
 * at the word behind it, which is in the mapping too. That word only decides who harvests @entry:
 * this function or evpoll_ring_harvest_run().
 */
static inline int evpoll_ring_harvest_one(struct evpoll_ring *ring, uint32_t head, uint32_t *at,
					  uint32_t entry, struct epoll_event *events)
{
	/* Without the lap, @entry is the offset of the slot. */
	return !evpoll_ring_load(at + 1) && evpoll_ring_claim(ring, head, 1) &&
	       evpoll_ring_take(ring->map, entry & ~3U, at, events) != events;
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
	uint32_t head = evpoll_ring_head(ring);
	uint32_t *at = evpoll_ring_at(ring, head);
	/* Acquire order pairs with the release in P4. */
	uint32_t entry = __atomic_load_n(at, __ATOMIC_ACQUIRE);

	if (evpoll_ring_is_new(ring, head, entry)) {
		if (evpoll_ring_harvest_one(ring, head, at, entry, events))
			return 1;
	} else if (evpoll_ring_head(ring) == head) {
		return 0;
	}
	/* There are several, or another harvester claimed this one, and there may be more. */
	return evpoll_ring_harvest_run(ring, events, maxevents);
}

/* The call: polls the files that the ring cannot tell of, or sleeps. @ns: < 0 sets no limit */
static EVPOLL_RING_COLD int evpoll_ring_call(struct evpoll_ring *ring, struct epoll_event *events,
					     int maxevents, int64_t ns)
{
	struct __kernel_timespec ts;
	struct evpoll_wait wait;

	ts.tv_sec = ns / 1000000000;
	ts.tv_nsec = ns % 1000000000;
	memset(&wait, 0, sizeof(wait));
	wait.events = (uintptr_t)events;
	wait.maxevents = maxevents;
	wait.timeout = ns < 0 ? 0 : (uintptr_t)&ts;
	__atomic_store_n(&ring->turns, 0, __ATOMIC_RELAXED);
	return ioctl(ring->ep, EVPOLL_IOC_WAIT, &wait);
}

/* A hint for the processor: the thread waits for another one. */
static inline void evpoll_ring_relax(void)
{
#if defined(__aarch64__)
	__asm__ __volatile__("yield");
#elif defined(__has_builtin)
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#endif
#endif
}

/* Is there something to harvest, or for a call to bring? */
static inline int evpoll_ring_has_news(const struct evpoll_ring *ring)
{
	uint32_t head = evpoll_ring_head(ring);

	return evpoll_ring_is_new(ring, head, evpoll_ring_load(evpoll_ring_at(ring, head))) ||
	       evpoll_ring_more(ring);
}

/* Watches the ring until something is there, for up to @ns. Returns how long it took, in ns. */
static inline int64_t evpoll_ring_spin(const struct evpoll_ring *ring, int64_t ns)
{
	struct timespec begin, now;
	int64_t spent;
	int left;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		/* Reading the clock takes longer than looking at the ring. */
		for (left = 16; left && !evpoll_ring_has_news(ring); left--)
			evpoll_ring_relax();
		clock_gettime(CLOCK_MONOTONIC, &now);
		spent = (now.tv_sec - begin.tv_sec) * INT64_C(1000000000) +
			(now.tv_nsec - begin.tv_nsec);
	} while (!left && spent < ns);
	return spent;
}

/* A harvest found events. Counts it if a call brings more. */
static inline void evpoll_ring_turn(struct evpoll_ring *ring)
{
	if (evpoll_ring_more(ring))
		__atomic_store_n(&ring->turns, evpoll_ring_load(&ring->turns) + 1,
				 __ATOMIC_RELAXED);
}

/* The ring is empty: watches it for @spin_ns, then calls. */
static EVPOLL_RING_COLD int evpoll_ring_sleep(struct evpoll_ring *ring, struct epoll_event *events,
					      int maxevents, int timeout)
{
	int64_t ns = timeout * INT64_C(1000000);
	int64_t spin = timeout > 0 ? ns : INT64_MAX;
	int n;

	if (timeout && ring->spin_ns) {
		if (ring->spin_ns < (uint64_t)spin)
			spin = ring->spin_ns;
		spin = evpoll_ring_spin(ring, spin);
		n = evpoll_ring_harvest(ring, events, maxevents);
		if (n) {
			evpoll_ring_turn(ring);
			return n;
		}
		if (timeout > 0)
			ns = ns > spin ? ns - spin : 0;
	}
	return evpoll_ring_call(ring, events, maxevents, ns);
}

/* The part of evpoll_ring_wait() that is not inlined */
static EVPOLL_RING_NOINLINE int evpoll_ring_wait_slow(struct evpoll_ring *ring,
						      struct epoll_event *events, int maxevents,
						      int timeout)
{
	int n;

	/* The call says what is wrong with @maxevents. */
	if (maxevents <= 0 || evpoll_ring_load(&ring->turns) >= EVPOLL_RING_TURNS) {
		n = evpoll_ring_call(ring, events, maxevents, 0);
		if (n)
			return n;
	}
	n = evpoll_ring_harvest_run(ring, events, maxevents);
	if (n)
		evpoll_ring_turn(ring);
	else if (timeout || evpoll_ring_more(ring))
		n = evpoll_ring_sleep(ring, events, maxevents, timeout);
	return n;
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
 * Events of a harvest have the mask that evpoll_ring_harvest() describes. Those of a call have
 * every bit that holds. A registration is in the array once at most. The function is no
 * cancellation point, and only a signal that comes during the call ends it.
 *
 * Source: epoll_wait(2).
 * Return: the number of events, 0 after the timeout, or -1. Errors: EINTR, EINVAL, EFAULT.
 */
static inline int evpoll_ring_wait(struct evpoll_ring *ring, struct epoll_event *events,
				   int maxevents, int timeout)
{
	const uint32_t *where = ring->head;
	uint32_t head, entry;

	if (maxevents > 0) {
		head = __atomic_load_n(where, __ATOMIC_ACQUIRE);
		/* Acquire order pairs with the release in P4. */
		entry = __atomic_load_n(evpoll_ring_at(ring, head), __ATOMIC_ACQUIRE);
		if (!entry) {
			/* The head again, see evpoll_ring_harvest(). */
			if (evpoll_ring_load(where) == head && !(timeout | evpoll_ring_more(ring)))
				return 0;
		} else if (evpoll_ring_is_new(ring, head, entry) &&
			   evpoll_ring_load(&ring->turns) < EVPOLL_RING_TURNS &&
			   evpoll_ring_harvest_one(ring, head, evpoll_ring_at(ring, head), entry,
						   events)) {
			evpoll_ring_turn(ring);
			return 1;
		}
	}
	return evpoll_ring_wait_slow(ring, events, maxevents, timeout);
}

#ifdef __cplusplus
}
#endif

#endif /* EVPOLL_RING_H */
