/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instance.c: the memory of an instance, and its references.
 */
#ifndef EVPOLL_INSTANCE_H
#define EVPOLL_INSTANCE_H

#include "evpoll.h"

/* A new instance with one reference, without parameters and timer; or an ERR_PTR. */
struct evpoll *evpoll_alloc(void);

/* No reference is left: frees the instance. In any context but a hard interrupt. */
void evpoll_free(struct evpoll *ep);

/* Drops a reference. If NAPI has the instance in a queue, evpoll_napi_turn() frees it. */
static inline void evpoll_put(struct evpoll *ep)
{
	if (atomic_long_sub_and_test(EVPOLL_REF, &ep->refs))
		evpoll_free(ep);
}

#endif /* EVPOLL_INSTANCE_H */
