/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nest.c: instances that watch instances.
 */
#ifndef EVPOLL_NEST_H
#define EVPOLL_NEST_H

#include "evpoll.h"
#include "poll.h"

/*
 * ADD where evpoll_nest_is_needed(): checks the graph of instances, and adds the item to it.
 * Returns the item, which is on no wait queue yet, or an error. Caller holds the mutex of @ep.
 */
struct evpoll_item *evpoll_nest_add(struct evpoll *ep, struct file *file,
				    const struct evpoll_ctl *ctl);

/*
 * Does an ADD of @file to @ep change the graph of instances? A no may be too old when the item is
 * inserted; evpoll_item_add() notices that.
 */
static inline bool evpoll_nest_is_needed(const struct evpoll *ep, const struct file *file)
{
	return is_evpoll_file(file) || atomic_read(&ep->nwatchers);
}

#endif /* EVPOLL_NEST_H */
