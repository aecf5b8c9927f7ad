// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPOLLWAKEUP: the system does not suspend between an event and the next wait.
 *
 * An item with the flag has a wakeup source, which is active while the item is pending or
 * ready. The instance has one that is active while a scan has items in its hands, so that there
 * is no gap.
 */
#include <linux/capability.h>
#include <linux/dcache.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "evpoll.h"

/* Ignored without the right to it, epoll_ctl(2). */
__poll_t evpoll_awake_allowed(__poll_t events)
{
	if (!IS_ENABLED(CONFIG_PM_SLEEP) || !capable(CAP_BLOCK_SUSPEND))
		events &= ~EPOLLWAKEUP;
	return events;
}

static struct wakeup_source *evpoll_awake_source(struct evpoll_item *item)
{
	if (!item->extra)
		return NULL;
	return rcu_dereference_protected(item->extra->ws, lockdep_is_held(&evpoll_of(item)->mtx));
}

static int evpoll_awake_on(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);
	struct name_snapshot name;
	struct evpoll_extra *extra;
	struct wakeup_source *ws;

	if (!ep->ws)
		ep->ws = wakeup_source_register(NULL, "evpoll");
	extra = evpoll_item_extra(item);
	if (!ep->ws || !extra)
		return -ENOMEM;
	take_dentry_name_snapshot(&name, item->file->f_path.dentry);
	ws = wakeup_source_register(NULL, name.name.name);
	release_dentry_name_snapshot(&name);
	if (!ws)
		return -ENOMEM;
	rcu_assign_pointer(extra->ws, ws);
	return 0;
}

static void evpoll_awake_off(struct evpoll_item *item, struct wakeup_source *ws)
{
	RCU_INIT_POINTER(item->extra->ws, NULL);
	/* For evpoll_awake_stay(). */
	synchronize_rcu();
	wakeup_source_unregister(ws);
}

/* Gives the item a wakeup source or takes it away. Caller holds the mutex. */
int evpoll_awake_set(struct evpoll_item *item, bool on)
{
	struct wakeup_source *ws = evpoll_awake_source(item);

	if (on && !ws)
		return evpoll_awake_on(item);
	if (!on && ws)
		evpoll_awake_off(item, ws);
	return 0;
}

/* See evpoll_stay_awake(). */
void evpoll_awake_stay(struct evpoll_extra *extra)
{
	struct wakeup_source *ws;

	rcu_read_lock();
	ws = rcu_dereference(extra->ws);
	if (ws)
		__pm_stay_awake(ws);
	rcu_read_unlock();
}

/*
 * A scan takes the item: the instance's source keeps awake from here to the end of the scan.
 * Before the item can become pending again, which makes its own active again.
 */
void evpoll_awake_hand_over(struct evpoll_item *item)
{
	struct wakeup_source *ws = evpoll_awake_source(item);

	if (!ws)
		return;
	/* Others may change it: what counts is that the item was made to stay awake when queued. */
	if (data_race((bool)ws->active))
		__pm_stay_awake(evpoll_of(item)->ws);
	__pm_relax(ws);
}

void evpoll_awake_scan_end(struct evpoll *ep)
{
	lockdep_assert_held(&ep->mtx);
	__pm_relax(ep->ws);
}

static void evpoll_awake_free_work(struct work_struct *work)
{
	struct evpoll_extra *extra = container_of(work, struct evpoll_extra, free_work);

	wakeup_source_unregister(rcu_access_pointer(extra->ws));
	kfree(extra);
}

/* The item is off everything, so nobody reads this any more. */
void evpoll_awake_free(struct evpoll_extra *extra)
{
	if (!rcu_access_pointer(extra->ws)) {
		kfree(extra);
		return;
	}
	INIT_WORK(&extra->free_work, evpoll_awake_free_work);
	queue_work(evpoll_wq, &extra->free_work);
}
