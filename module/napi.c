// SPDX-License-Identifier: GPL-2.0-only
/*
 * The softirq flush, by the kernel's own NAPI: one napi_struct per CPU, on a dummy net device,
 * for all instances. A NIC's NAPI and ours take turns in net_rx_action(), napi:napi_poll
 * traces ours too, and net.core.netdev_budget and netdev_budget_usecs bound it. A poll moves up
 * to NAPI's weight of 64 items.
 */
#include <linux/netdevice.h>
#include <linux/percpu.h>

#include "compat.h"
#include "evpoll.h"
#include "trace.h"

/**
 * struct evpoll_napi - one CPU's NAPI context
 * @napi: the kernel's
 * @scheduled: instances with something pending on this CPU; lock-free, callbacks add
 * @batch: taken from @scheduled, oldest first; only for the poll, of which NAPI runs one
 */
struct evpoll_napi {
	struct napi_struct napi;
	struct llist_head scheduled;
	struct llist_node *batch;
};

static struct net_device *evpoll_netdev;
static struct evpoll_napi __percpu *evpoll_napis;

/* See evpoll_napi_schedule(), which has set EVPOLL_SCHEDULED. */
void evpoll_napi_add(struct evpoll_pending *pending)
{
	struct evpoll_napi *en = per_cpu_ptr(evpoll_napis, pending->cpu);

	refcount_inc(&pending->ep->refs);
	llist_add(&pending->scheduled, &en->scheduled);
	/* If a poll is going on it runs once more. */
	napi_schedule(&en->napi);
}

static struct evpoll_pending *evpoll_napi_next(struct evpoll_napi *en)
{
	struct evpoll_pending *pending;

	pending = llist_entry(en->batch, struct evpoll_pending, scheduled);
	en->batch = en->batch->next;
	return pending;
}

/* One turn of an instance: one flush, so at most one wakeup. */
static int evpoll_napi_turn(struct evpoll_pending *pending, int budget)
{
	struct evpoll *ep = pending->ep;
	int moved;

	clear_bit(EVPOLL_SCHEDULED, &pending->state);
	/* Pairs with test_and_set_bit() in evpoll_napi_schedule(). */
	smp_mb__after_atomic();
	budget = min_t(int, budget, READ_ONCE(ep->params.budget));
	moved = evpoll_flush(pending, budget);
	evpoll_count(ep, polls, 1);
	if (moved == budget) {
		evpoll_count(ep, exhausted, 1);
		evpoll_napi_schedule(pending);
	}
	evpoll_put(ep);
	/* A turn is work, even if a waiter was faster. */
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
	 * As in any driver: the whole budget means that there is more to do. An instance has
	 * one turn a poll, so that others, and NICs, have theirs.
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
		/* _tx: not for busy polling, which would run our flush for a stranger. */
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
		/* Waits for a poll that is scheduled or going on. */
		napi_disable(&en->napi);
		__netif_napi_del(&en->napi);
	}
	synchronize_net();
	compat_free_netdev_dummy(evpoll_netdev);
	free_percpu(evpoll_napis);
}
