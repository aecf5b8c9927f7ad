// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance: how its memory is allocated, and freed with the last reference.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "awake.h"
#include "instance.h"
#include "limits.h"

/* Number of instances in memory. */
static atomic_t evpoll_instances = ATOMIC_INIT(0);

void evpoll_wait_for_instances(void)
{
	wait_var_event(&evpoll_instances, !atomic_read(&evpoll_instances));
}

static void evpoll_free(struct evpoll *ep)
{
	evpoll_user_put(ep->user);
	free_percpu(ep->pending);
	mutex_destroy(&ep->mtx);
	kfree_rcu(ep, rcu);
	if (atomic_dec_and_test(&evpoll_instances))
		wake_up_var(&evpoll_instances);
}

static void evpoll_free_work(struct work_struct *work)
{
	struct evpoll *ep = container_of(work, struct evpoll, free_work);

	wakeup_source_unregister(ep->ws);
	evpoll_free(ep);
}

/* NAPI or a timer may drop the last reference, so this may run in softirq. */
void evpoll_put(struct evpoll *ep)
{
	if (!refcount_dec_and_test(&ep->refs))
		return;
	if (ep->ws) {
		INIT_WORK(&ep->free_work, evpoll_free_work);
		evpoll_awake_queue_work(&ep->free_work);
	} else {
		evpoll_free(ep);
	}
}

static struct evpoll_pending __percpu *evpoll_pending_alloc(struct evpoll *ep)
{
	struct evpoll_pending __percpu *all;
	int cpu;

	all = alloc_percpu_gfp(struct evpoll_pending, GFP_KERNEL_ACCOUNT);
	if (!all)
		return NULL;
	for_each_possible_cpu(cpu) {
		struct evpoll_pending *pending = per_cpu_ptr(all, cpu);

		init_llist_head(&pending->items);
		pending->ep = ep;
		pending->cpu = cpu;
	}
	return all;
}

struct evpoll *evpoll_alloc(void)
{
	struct evpoll *ep;
	int error = -ENOMEM;

	ep = kzalloc(struct_size(ep, pending_cpus, BITS_TO_LONGS(nr_cpu_ids)),
		     GFP_KERNEL_ACCOUNT);
	if (!ep)
		return ERR_PTR(-ENOMEM);
	ep->pending = evpoll_pending_alloc(ep);
	if (!ep->pending)
		goto err_free;
	ep->user = evpoll_user_get();
	if (IS_ERR(ep->user)) {
		error = PTR_ERR(ep->user);
		goto err_pending;
	}
	mutex_init(&ep->mtx);
	init_waitqueue_head(&ep->waiters);
	INIT_LIST_HEAD(&ep->ready);
	INIT_LIST_HEAD(&ep->scan);
	init_waitqueue_head(&ep->pollers);
	spin_lock_init(&ep->tree_lock);
	ep->items = RB_ROOT;
	spin_lock_init(&ep->watchers_lock);
	INIT_LIST_HEAD(&ep->watchers);
	refcount_set(&ep->refs, 1);
	atomic_inc(&evpoll_instances);
	return ep;

err_pending:
	free_percpu(ep->pending);
err_free:
	kfree(ep);
	return ERR_PTR(error);
}
