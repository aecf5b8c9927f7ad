/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * harvest.c: a call takes events out of the ring of its instance.
 */
#ifndef EVPOLL_HARVEST_H
#define EVPOLL_HARVEST_H

#include "evpoll.h"

struct iov_iter;

/*
 * Takes events of items that are on no list, up to @max, as evpoll_deliver() does. Returns how
 * many, and sets @fault if one could not be written; it stays in the ring. Caller holds the mutex.
 */
int evpoll_harvest(struct evpoll *ep, struct epoll_event __user *to, struct iov_iter *iter, int max,
		   bool *fault);

/* Has the ring an event of an item that is on no list? Caller holds the mutex. */
bool evpoll_ring_has_event(const struct evpoll_ring *ring);

/* A scan ends: the program need not call if nothing is left. Caller holds waiters.lock. */
void evpoll_ring_clear_more(struct evpoll *ep);

/*
 * Counts the entries that were harvested since the last count, and returns how many. Caller holds
 * the mutex.
 */
u32 evpoll_ring_count(struct evpoll *ep);

#endif /* EVPOLL_HARVEST_H */
