/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pending.c: a queued item becomes pending, and somebody is chosen to flush it.
 */
#ifndef EVPOLL_PENDING_H
#define EVPOLL_PENDING_H

#include "evpoll.h"
#include "ready.h"
#include "ring.h"

/* The wake callback: hands over an item for which it has just set EVPOLL_QUEUED. */
void evpoll_queue_pending(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup);

/*
 * The same, for an event in the ring that queues no item. evpoll_has_sleepers() has said that
 * somebody may sleep.
 */
void evpoll_queue_news(struct evpoll *ep, __poll_t uring, enum evpoll_wakeup wakeup);

/*
 * The wake callback has put an event into the ring, and queued nothing. May somebody sleep? If not,
 * the program sees the entry when it looks.
 *
 * P5. Orders the entry in the ring before the checks. Pairs with smp_mb() in evpoll_sleep() and in
 * evpoll_poll_nested(): either these see the entry, or this sees who is there.
 */
static inline bool evpoll_has_sleepers(struct evpoll *ep)
{
	atomic64_inc(&ep->ring->news);
	/* See above. */
	smp_mb__after_atomic();
	/* The full barrier above. */
	return waitqueue_active(&ep->waiters) || waitqueue_active(&ep->pollers);
}

#endif /* EVPOLL_PENDING_H */
