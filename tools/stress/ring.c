// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations on ready rings. Any process may map the ring of any instance that it has, harvest
 * it, write anything into it, and unmap it, while the others do the same and events come.
 *
 * A process maps rings in places that it has reserved, so that no other memory ever comes there. An
 * access to a place that another thread has just unmapped ends the operation with a signal.
 */
#include "stress.h"

#include <setjmp.h>
#include <sys/mman.h>

#define PLACES 4
#define ROOM 65536	/* bytes of a place; the largest ring needs less */
#define PAGE 4096

static struct place {
	char *base;
	_Atomic unsigned int order;	/* of the ring that was mapped last */
} places[PLACES];

static _Thread_local sigjmp_buf after_fault;
static _Thread_local volatile bool may_fault;

static void on_fault(int sig)
{
	if (may_fault)
		siglongjmp(after_fault, 1);
	signal(sig, SIG_DFL);
}

bool ring_reserve(void)
{
	char *room = mmap(NULL, PLACES * ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < PLACES; i++)
		places[i].base = room + i * ROOM;
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	return room != MAP_FAILED;
}

/* Gives the instance a ring, maybe a small one, and tells all processes what it looks like. */
bool make_ring(int ep, uint64_t *rnd)
{
	unsigned int order = random_below(rnd, RING_ORDERS);
	struct evpoll_ring_setup setup = { .slots = 1U << order };

	if (ioctl(ep, EVPOLL_IOC_RING, &setup))
		return false;
	/* The same for all rings of this size */
	shared->rings[order] = setup;
	return true;
}

/* For many instances it is too late: they have registrations. */
bool op_ring(uint64_t *rnd)
{
	return make_ring(random_instance(rnd), rnd);
}

static struct place *random_place(uint64_t *rnd)
{
	return &places[random_below(rnd, PLACES)];
}

/*
 * The mapping moves to its place afterwards. If mmap() failed there, it would leave a hole, where
 * other memory might come.
 */
static bool map_at(struct place *place, int ep, unsigned int order)
{
	size_t size = shared->rings[order].size;
	void *map;

	if (!size || size > ROOM)
		return false;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ep, 0);
	if (map == MAP_FAILED ||
	    mremap(map, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place->base) == MAP_FAILED)
		return false;
	place->order = order;
	return true;
}

/* Nobody knows how large the ring is, so this tries all sizes. Several have the same one. */
static bool map_instance(struct place *place, int ep, uint64_t *rnd)
{
	unsigned int order = random_below(rnd, RING_ORDERS);

	for (int i = 0; i < RING_ORDERS; i++)
		if (map_at(place, ep, (order + i) % RING_ORDERS))
			return true;
	return false;
}

/* Few instances have a ring, so this tries all, from a random one on. */
bool op_map(uint64_t *rnd)
{
	struct place *place = random_place(rnd);
	int first = random_below(rnd, INSTANCES);

	for (int i = 0; i < INSTANCES; i++)
		if (map_instance(place, FIRST_FD + (first + i) % INSTANCES, rnd))
			return true;
	return false;
}

/* All of it, or a page */
bool op_unmap(uint64_t *rnd)
{
	struct place *place = random_place(rnd);
	bool all = one_in(rnd, 4);
	char *from = place->base + (all ? 0 : random_below(rnd, ROOM / PAGE) * PAGE);

	return mmap(from, all ? ROOM : PAGE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/*
 * H1 to H3 of Documentation/ring.rst for one entry. Unlike evpoll_ring_harvest(), this checks the
 * entry, because others write anything there.
 */
static void harvest_one(const struct place *place)
{
	unsigned int order = place->order;
	const struct evpoll_ring_setup *setup = &shared->rings[order];
	uint32_t *head = (uint32_t *)(place->base + setup->head_offset);
	uint32_t pos = __atomic_load_n(head, __ATOMIC_RELAXED), offset;
	uint32_t *index = (uint32_t *)(place->base + setup->index_offset);
	uint32_t lap = EVPOLL_RING_LAP(pos, 1U << order);
	struct evpoll_ring_slot *slot;

	index += pos & ((1U << order) - 1);
	offset = __atomic_load_n(index, __ATOMIC_ACQUIRE);
	if (!(offset & lap) || !__atomic_compare_exchange_n(head, &pos, pos + 1, false,
							    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(index, 0, __ATOMIC_RELEASE);
	offset -= lap;
	if (offset % sizeof(*slot) || offset > ROOM - sizeof(*slot))
		return;
	slot = (struct evpoll_ring_slot *)(place->base + offset);
	__atomic_exchange_n(&slot->state, 0, __ATOMIC_SEQ_CST);
}

/* Whether there were events does not matter: the checker harvests too, and misses none. */
static bool harvest(struct place *place, uint64_t *rnd)
{
	for (int i = random_below(rnd, 64); i >= 0; i--)
		harvest_one(place);
	return true;
}

/* A few words, rarely where the head is: a ring with a wrong head has no more events to harvest. */
static bool scribble(struct place *place, uint64_t *rnd)
{
	for (int n = 1 + random_below(rnd, 8); n; n--) {
		size_t range = one_in(rnd, 16) ? 256 : ROOM / 4;
		uint32_t *word = (uint32_t *)(place->base + random_below(rnd, range / 4) * 4);
		uint32_t value = one_in(rnd, 2) ? 0 : random_next(rnd) >> 16;

		__atomic_store_n(word, value, __ATOMIC_RELAXED);
	}
	return true;
}

static bool at_place(struct place *place, uint64_t *rnd,
		     bool (*fn)(struct place *place, uint64_t *rnd))
{
	volatile bool done = false;

	may_fault = true;
	if (!sigsetjmp(after_fault, 1))
		done = fn(place, rnd);
	may_fault = false;
	return done;
}

/* At the first place that has a ring, from a random one on */
static bool on_place(uint64_t *rnd, bool (*fn)(struct place *place, uint64_t *rnd))
{
	int first = random_below(rnd, PLACES);

	for (int i = 0; i < PLACES; i++)
		if (at_place(&places[(first + i) % PLACES], rnd, fn))
			return true;
	return false;
}

bool op_harvest(uint64_t *rnd)
{
	return on_place(rnd, harvest);
}

bool op_scribble(uint64_t *rnd)
{
	return on_place(rnd, scribble);
}
