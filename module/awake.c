// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPOLLWAKEUP: the system does not suspend between an event and the next wait.
 *
 * An item with EPOLLWAKEUP has a wakeup source, which is active while the item is pending or ready.
 * The instance has another one, which is active while a scan has taken such items, so that there is
 * no gap.
 */
#include <linux/capability.h>
#include <linux/dcache.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "awake.h"
#include "extra.h"

/* Runs work that may sleep: it frees wakeup sources, and runs NAPI for a CPU that goes offline. */
static struct workqueue_struct *evpoll_awake_wq;

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

static int evpoll_awake_add_source(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);
	struct name_snapshot name;
	struct evpoll_extra *extra;
	struct wakeup_source *ws;

	if (!ep->ws)
		ep->ws = wakeup_source_register(NULL, "evpoll");
	extra = evpoll_extra_get(item);
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

static void evpoll_awake_remove_source(struct evpoll_item *item, struct wakeup_source *ws)
{
	RCU_INIT_POINTER(item->extra->ws, NULL);
	/* Waits for evpoll_awake_stay(), which may still use the source. */
	synchronize_rcu();
	wakeup_source_unregister(ws);
}

/* Caller holds the mutex. */
int evpoll_awake_set(struct evpoll_item *item, bool on)
{
	struct wakeup_source *ws = evpoll_awake_source(item);

	if (on && !ws)
		return evpoll_awake_add_source(item);
	if (!on && ws)
		evpoll_awake_remove_source(item, ws);
	return 0;
}

/* See evpoll_stay_awake(). Any context. */
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
 * The source of the instance keeps the system awake from here to the end of the scan. Call it
 * before EVPOLL_QUEUED is cleared. After that a wake callback may activate the item's own source
 * again.
 */
void evpoll_awake_hand_over(struct evpoll_item *item)
{
	struct wakeup_source *ws = evpoll_awake_source(item);

	if (!ws)
		return;
	/*
	 * Other tasks may change @active at the same time. That does not matter, because the source
	 * was activated when the item was queued, and a lock has ordered that before this read.
	 */
	if (data_race((bool)ws->active))
		__pm_stay_awake(evpoll_of(item)->ws);
	__pm_relax(ws);
}

void evpoll_awake_scan_end(struct evpoll *ep)
{
	lockdep_assert_held(&ep->mtx);
	__pm_relax(ep->ws);
}

void evpoll_awake_queue_work(struct work_struct *work)
{
	queue_work(evpoll_awake_wq, work);
}

static void evpoll_awake_free_work(struct work_struct *work)
{
	struct evpoll_extra *extra = container_of(work, struct evpoll_extra, free_work);

	wakeup_source_unregister(rcu_access_pointer(extra->ws));
	kfree(extra);
}

/* The item is on no list and no wait queue, so nobody reads @extra any more. */
void evpoll_awake_free(struct evpoll_extra *extra)
{
	if (!rcu_access_pointer(extra->ws)) {
		kfree(extra);
		return;
	}
	INIT_WORK(&extra->free_work, evpoll_awake_free_work);
	evpoll_awake_queue_work(&extra->free_work);
}

int evpoll_awake_init(void)
{
	evpoll_awake_wq = alloc_workqueue("evpoll", WQ_UNBOUND, 0);
	return evpoll_awake_wq ? 0 : -ENOMEM;
}

/* Waits for all work. */
void evpoll_awake_exit(void)
{
	destroy_workqueue(evpoll_awake_wq);
}
