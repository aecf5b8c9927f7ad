// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance: how its memory is allocated, and freed with the last reference.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "awake.h"
#include "fifo.h"
#include "instance.h"
#include "limits.h"
#include "ring.h"

/*
 * The references are gone, and so are the file, all items and the timer. Runs in softirq too. The
 * caller may still run in the module, and each step of evpoll_exit() waits for such callers.
 */
static void evpoll_free_memory(struct evpoll *ep)
{
	evpoll_user_put(ep->user);
	kfree(ep->latency);
	mutex_destroy(&ep->mtx);
	/* For a NAPI poll, and for the timer that has dropped the last reference. */
	kfree_rcu(ep, rcu);
	module_put(THIS_MODULE);
}

/* What may sleep */
static void evpoll_free_work(struct work_struct *work)
{
	struct evpoll *ep = container_of(work, struct evpoll, free_work);

	wakeup_source_unregister(ep->ws);
	if (ep->ring)
		evpoll_ring_end(ep);
	evpoll_free_memory(ep);
}

void evpoll_free(struct evpoll *ep)
{
	if (ep->ws || ep->ring) {
		INIT_WORK(&ep->free_work, evpoll_free_work);
		evpoll_awake_queue_work(&ep->free_work);
	} else {
		evpoll_free_memory(ep);
	}
}

struct evpoll *evpoll_alloc(void)
{
	struct evpoll *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);

	if (!ep)
		return ERR_PTR(-ENOMEM);
	ep->user = evpoll_user_get();
	if (IS_ERR(ep->user)) {
		int error = PTR_ERR(ep->user);

		kfree(ep);
		return ERR_PTR(error);
	}
	/* The file that is being opened has a reference on the module already. */
	__module_get(THIS_MODULE);
	init_waitqueue_head(&ep->pollers);
	evpoll_fifo_init(&ep->tail, &ep->pending);
	atomic_long_set(&ep->refs, EVPOLL_REF);
	init_waitqueue_head(&ep->waiters);
	INIT_LIST_HEAD(&ep->ready);
	INIT_LIST_HEAD(&ep->scan);
	ep->cursor = &ep->scan;
	mutex_init(&ep->mtx);
	spin_lock_init(&ep->tree_lock);
	ep->items = RB_ROOT;
	spin_lock_init(&ep->watchers_lock);
	INIT_LIST_HEAD(&ep->watchers);
	return ep;
}
