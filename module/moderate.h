/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * moderate.c: windows, which collect events before a wakeup; and the parameters of an instance.
 */
#ifndef EVPOLL_MODERATE_H
#define EVPOLL_MODERATE_H

#include <linux/time64.h>

#include "evpoll.h"

/* pending.c: opens the window with the new item, or counts the item in the open window. */
void evpoll_moderate(struct evpoll *ep, u64 window_ns);

/* Called by evpoll_window_ns() only: the instance has a window. */
u64 evpoll_window_up_to(struct evpoll *ep, u64 max_ns);

/* The parameters that the module gives a new instance. Returns 0 or -ENOMEM. */
int evpoll_params_default(struct evpoll *ep);

/* EVPOLL_IOC_SET_PARAMS. Returns 0, -EINVAL or -ENOMEM. */
long evpoll_params_set(struct evpoll *ep, struct evpoll_params *params);

/* Sets up the timer of a new instance. */
void evpoll_moderate_init(struct evpoll *ep);

/* Ends the window of an instance that is being released. */
void evpoll_moderate_end(struct evpoll *ep);

/* The window for an event that comes now, in ns. 0: no window. */
static inline u64 evpoll_window_ns(struct evpoll *ep)
{
	unsigned int usecs = READ_ONCE(ep->params.coalesce_usecs);

	return usecs ? evpoll_window_up_to(ep, (u64)usecs * NSEC_PER_USEC) : 0;
}

#endif /* EVPOLL_MODERATE_H */
