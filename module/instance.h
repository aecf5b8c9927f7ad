/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instance.c: the memory of an instance, and its references.
 */
#ifndef EVPOLL_INSTANCE_H
#define EVPOLL_INSTANCE_H

#include "evpoll.h"

/* A new instance with one reference, without parameters and timer; or an ERR_PTR. */
struct evpoll *evpoll_alloc(void);

/* Drops a reference. In any context but a hard interrupt. */
void evpoll_put(struct evpoll *ep);

/* Unloading: waits until no instance is left. */
void evpoll_wait_for_instances(void);

#endif /* EVPOLL_INSTANCE_H */
