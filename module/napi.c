// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flush in softirq, by the kernel's own NAPI. There is one napi_struct per CPU, on a dummy net
 * device, for all instances. So a NIC's NAPI and this one take turns in net_rx_action(), the
 * tracepoint napi:napi_poll shows both, and net.core.netdev_budget and netdev_budget_usecs bound
 * both. One NAPI poll moves at most 64 items, NAPI's weight.
 */
#include <linux/netdevice.h>
#include <linux/percpu.h>

#include "compat.h"
#include "flush.h"
#include "instance.h"
#include "napi.h"
#include "ready.h"
#include "stats.h"
#include "trace.h"

/**
 * struct evpoll_napi - the NAPI context of one CPU
 * @napi: the kernel's part
 * @scheduled: lists that have pending items on this CPU, the newest first; wake callbacks add
 *	without a lock
 * @batch: lists taken from @scheduled, the oldest first. Only the NAPI poll uses it, and NAPI runs
 *	one poll of a context at a time
 */
struct evpoll_napi {
	struct napi_struct napi;
	struct llist_head scheduled;
	struct llist_node *batch;
};

static struct net_device *evpoll_netdev;
static struct evpoll_napi __percpu *evpoll_napis;

/* The caller has set EVPOLL_SCHEDULED. */
void evpoll_napi_add(struct evpoll_pending *pending)
{
	struct evpoll_napi *en = per_cpu_ptr(evpoll_napis, pending->cpu);

	refcount_inc(&pending->ep->refs);
	llist_add(&pending->scheduled, &en->scheduled);
	/* If a poll is running, NAPI runs it once more. */
	napi_schedule(&en->napi);
}

static struct evpoll_pending *evpoll_napi_next(struct evpoll_napi *en)
{
	struct evpoll_pending *pending;

	pending = llist_entry(en->batch, struct evpoll_pending, scheduled);
	en->batch = en->batch->next;
	return pending;
}

/* The turn of one instance in a NAPI poll: one flush, so at most one wakeup. */
static int evpoll_napi_turn(struct evpoll_pending *pending, int budget)
{
	struct evpoll *ep = pending->ep;
	int moved;

	clear_bit(EVPOLL_SCHEDULED, &pending->state);
	/*
	 * Orders the flush after the clear. Pairs with test_and_set_bit() in
	 * evpoll_napi_schedule().
	 */
	smp_mb__after_atomic();
	budget = min_t(int, budget, READ_ONCE(ep->params.budget));
	moved = evpoll_flush(NULL, pending, budget, EVPOLL_WAKEUP);
	evpoll_count(ep, polls, 1);
	if (moved == budget) {
		evpoll_count(ep, exhausted, 1);
		evpoll_napi_schedule(pending);
	}
	evpoll_put(ep);
	/* A turn counts as work even if a reader has taken all items before. */
	return max(moved, 1);
}

static int evpoll_napi_poll(struct napi_struct *napi, int budget)
{
	struct evpoll_napi *en = container_of(napi, struct evpoll_napi, napi);
	int done = 0;

	if (!en->batch)
		en->batch = llist_reverse_order(llist_del_all(&en->scheduled));
	while (done < budget && en->batch)
		done += evpoll_napi_turn(evpoll_napi_next(en), budget - done);
	trace_evpoll_napi_poll(done, budget);
	/*
	 * As in any driver, returning the whole budget means that there is more to do. An instance
	 * has one turn in a poll, so that other instances and NICs have theirs.
	 */
	if (done >= budget || en->batch || !llist_empty(&en->scheduled))
		return budget;
	napi_complete_done(napi, done);
	return done;
}

int evpoll_napi_init(void)
{
	struct evpoll_napi *en;
	int cpu;

	evpoll_napis = alloc_percpu(struct evpoll_napi);
	if (!evpoll_napis)
		return -ENOMEM;
	evpoll_netdev = compat_alloc_netdev_dummy();
	if (!evpoll_netdev) {
		free_percpu(evpoll_napis);
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		en = per_cpu_ptr(evpoll_napis, cpu);
		init_llist_head(&en->scheduled);
		/* _tx: no busy polling, because the reader of a socket would run this flush. */
		netif_napi_add_tx(evpoll_netdev, &en->napi, evpoll_napi_poll);
		napi_enable(&en->napi);
	}
	return 0;
}

void evpoll_napi_exit(void)
{
	struct evpoll_napi *en;
	int cpu;

	for_each_possible_cpu(cpu) {
		en = per_cpu_ptr(evpoll_napis, cpu);
		/* Waits until no poll is scheduled or running. */
		napi_disable(&en->napi);
		__netif_napi_del(&en->napi);
	}
	synchronize_net();
	compat_free_netdev_dummy(evpoll_netdev);
	free_percpu(evpoll_napis);
}
