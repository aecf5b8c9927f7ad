/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * napi.c: the flush in softirq.
 */
#ifndef EVPOLL_NAPI_H
#define EVPOLL_NAPI_H

#include "evpoll.h"
#include "ready.h"

/* Called by evpoll_napi_schedule() only. */
void evpoll_napi_add(struct evpoll *ep);

/*
 * A wake callback in process context: flushes one batch and wakes, if anybody sleeps, and leaves
 * the rest to NAPI. @count: as an inline flush.
 */
void evpoll_waker_flush(struct evpoll *ep, enum evpoll_wakeup wakeup, bool count);

int evpoll_napi_init(void);
void evpoll_napi_exit(void);

/*
 * Has NAPI flush the instance and wake its pollers. Any context but NMI. Caller has made an item
 * pending or has set EVPOLL_POLLERS, followed by a full barrier, and keeps the instance.
 */
static inline void evpoll_napi_schedule(struct evpoll *ep)
{
	/*
	 * If the bit is set already, the turn that clears it looks for the new item afterwards.
	 * Pairs with atomic_long_dec_and_test() in evpoll_napi_turn().
	 */
	if (!(atomic_long_read(&ep->refs) & EVPOLL_SCHEDULED))
		evpoll_napi_add(ep);
}

/* The window is over: NAPI flushes what it has collected. */
static inline void evpoll_napi_end_window(struct evpoll *ep)
{
	/* A full barrier, for evpoll_napi_schedule(). */
	test_and_set_bit(EVPOLL_DUE, &ep->state);
	evpoll_napi_schedule(ep);
}

/* A wake callback has made an item ready, or has woken for one: NAPI wakes the pollers. */
static inline void evpoll_napi_wake_pollers(struct evpoll *ep)
{
	if (!test_bit(EVPOLL_POLLERS, &ep->state))
		return;
	/* Orders the bit before the check of EVPOLL_SCHEDULED. */
	smp_mb();
	evpoll_napi_schedule(ep);
}

#endif /* EVPOLL_NAPI_H */
