/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pending.c: a queued item becomes pending, and somebody is chosen to flush it.
 */
#ifndef EVPOLL_PENDING_H
#define EVPOLL_PENDING_H

#include "evpoll.h"
#include "ready.h"

/* The wake callback: hands over an item for which it has just set EVPOLL_QUEUED. */
void evpoll_queue_pending(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup);

/*
 * The wake callback has put an event into the ring, and its item is on no list: wakes who sleeps.
 */
void evpoll_queue_news(struct evpoll *ep, __poll_t uring, enum evpoll_wakeup wakeup);

#endif /* EVPOLL_PENDING_H */
