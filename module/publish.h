/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * publish.c: a wake callback puts an event into the ring.
 */
#ifndef EVPOLL_PUBLISH_H
#define EVPOLL_PUBLISH_H

#include "evpoll.h"

/* What became of an event. */
enum evpoll_published {
	/* It is not in the ring: queue the item. */
	EVPOLL_UNPUBLISHED,
	/* The item is one-shot, and disarmed until EPOLL_CTL_MOD. */
	EVPOLL_DROPPED,
	/* It has joined events that were not harvested yet. */
	EVPOLL_JOINED,
	/* It has a new entry. */
	EVPOLL_LISTED,
};

/*
 * Runs in any context but NMI, under the lock of the watched file's wait queue. @events: the item's
 * mask; this may replace it with the mask of a MOD that has just ended. @what: what the waker told.
 * If the item is level-triggered, the caller queues it in any case.
 */
enum evpoll_published evpoll_publish(struct evpoll_item *item, __poll_t *events, __poll_t what);

#endif /* EVPOLL_PUBLISH_H */
