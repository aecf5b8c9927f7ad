/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * napi.c: the flush in softirq.
 */
#ifndef EVPOLL_NAPI_H
#define EVPOLL_NAPI_H

#include "evpoll.h"

/* Called by evpoll_napi_schedule() only: the list is not scheduled yet. */
void evpoll_napi_add(struct evpoll_pending *pending);

int evpoll_napi_init(void);
void evpoll_napi_exit(void);

/*
 * Has NAPI flush the list. Caller holds the instance, and runs in an interrupt, with bottom halves
 * off, or in the NAPI poll.
 */
static inline void evpoll_napi_schedule(struct evpoll_pending *pending)
{
	/*
	 * If the bit is set already, the poll that will clear it finds the new item. Pairs with
	 * smp_mb__after_atomic() in evpoll_napi_turn().
	 */
	if (!test_and_set_bit(EVPOLL_SCHEDULED, &pending->state))
		evpoll_napi_add(pending);
}

#endif /* EVPOLL_NAPI_H */
