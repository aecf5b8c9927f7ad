/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nest.c: instances that watch instances.
 */
#ifndef EVPOLL_NEST_H
#define EVPOLL_NEST_H

#include "evpoll.h"
#include "poll.h"

/* Called by evpoll_ctl_lock() only: an ADD that changes the graph of instances. */
int evpoll_nest_lock(struct evpoll *ep, struct file *target);

/* Called by evpoll_ctl_unlock() only: the end of such an ADD. */
void evpoll_nest_unlock(struct file *target);

/* ADD: do too many paths lead up from the file that was just added? */
bool evpoll_too_many_paths(struct file *file);

/*
 * CTL: takes the mutex, and nest_mutex before it for an ADD that changes the graph of instances.
 * Returns whether it is such an ADD, for evpoll_ctl_unlock(), or -ELOOP.
 */
static inline int evpoll_ctl_lock(struct evpoll *ep, int op, struct file *target)
{
	mutex_lock(&ep->mtx);
		/* @nwatchers: see evpoll_expect_watcher(), which counts under the mutex. */
	if (op != EPOLL_CTL_ADD || (!is_evpoll_file(target) && !atomic_read(&ep->nwatchers)))
		return false;
	mutex_unlock(&ep->mtx);
	return evpoll_nest_lock(ep, target);
}

static inline void evpoll_ctl_unlock(struct evpoll *ep, struct file *target, bool nested)
{
	mutex_unlock(&ep->mtx);
	if (nested)
		evpoll_nest_unlock(target);
}

#endif /* EVPOLL_NEST_H */
