/* SPDX-License-Identifier: GPL-2.0-only */
/* Instances with a ring, for the tests of rings. */
#ifndef EVPOLL_RING_TEST_H
#define EVPOLL_RING_TEST_H

#include "evpoll_util.h"

#include "lib/evpoll_ring.h"

/* An instance with a ring of @slots; -1 on error. */
static inline int ring_open(struct evpoll_ring *ring, unsigned int slots)
{
	int ep = open(EVPOLL_DEV, O_RDWR | O_CLOEXEC);

	if (ep < 0 || evpoll_ring_create(ring, ep, slots))
		return -1;
	return ep;
}

/* Unmaps the ring, and closes the instance. */
static inline void ring_shut(struct evpoll_ring *ring)
{
	evpoll_ring_close(ring);
	close(ring->ep);
}

/* Does the kernel say that a call brings more? */
static inline bool ring_more(const struct evpoll_ring *ring)
{
	return __atomic_load_n(ring->flags, __ATOMIC_RELAXED) & EVPOLL_RING_MORE;
}

static inline struct evpoll_stats stats_of(const struct evpoll_ring *ring)
{
	struct evpoll_stats stats = {};

	ioctl(ring->ep, EVPOLL_IOC_GET_STATS, &stats);
	return stats;
}

/* Does a single event come with this mask and data? */
#define EXPECT_HARVEST(ring, mask, value) do {					\
	struct epoll_event got[4] = {};						\
										\
	EXPECT_EQ(1, evpoll_ring_harvest(ring, got, 4));			\
	EXPECT_EVENT(mask, value, got[0]);					\
} while (0)

#define EXPECT_NO_HARVEST(ring) do {						\
	struct epoll_event got;							\
										\
	EXPECT_EQ(0, evpoll_ring_harvest(ring, &got, 1));			\
} while (0)

#endif /* EVPOLL_RING_TEST_H */
