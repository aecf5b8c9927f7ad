// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flush in softirq, by the kernel's own NAPI. There is one napi_struct per CPU, on a dummy net
 * device, for all instances. So a NIC's NAPI and this one take turns in net_rx_action(), the
 * tracepoint napi:napi_poll shows both, and net.core.netdev_budget and netdev_budget_usecs bound
 * both. One NAPI poll moves at most 64 items, NAPI's weight.
 *
 * NAPI also wakes the pollers of an instance, because a wake callback may not (evpoll.h). Their
 * wait functions may run wake callbacks of evpoll, which schedule NAPI again. So a chain of
 * wakeups, even one that never ends, is a number of NAPI polls, and NAPI's budgets bound it.
 */
#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "awake.h"
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
 * @kick: schedules @napi for a wake callback in process context
 * @work: does it in place of @kick while the CPU goes offline
 * @tail: the last instance that is scheduled on this CPU, see fifo.h; atomic
 * @first: the head of this queue. Only the NAPI poll takes instances, and NAPI runs one poll of a
 *	context at a time
 */
struct evpoll_napi {
	struct napi_struct napi;
	struct irq_work kick;
	struct work_struct work;
	struct llist_node *tail;
	struct llist_node first;
};

static struct net_device *evpoll_netdev;
static struct evpoll_napi __percpu *evpoll_napis;

/* The end of the section runs the softirq. */
static void evpoll_napi_run(struct evpoll_napi *en)
{
	local_bh_disable();
	napi_schedule(&en->napi);
	local_bh_enable();
}

/* A NAPI context may run on another CPU than its own. */
static void evpoll_napi_work(struct work_struct *work)
{
	evpoll_napi_run(container_of(work, struct evpoll_napi, work));
}

/*
 * A softirq that is raised in process context waits for the next interrupt, so make one. It comes
 * as soon as the caller enables interrupts, or with the next tick on a machine that cannot
 * interrupt itself.
 */
static void evpoll_napi_kick(struct irq_work *kick)
{
	struct evpoll_napi *en = container_of(kick, struct evpoll_napi, kick);

	if (in_hardirq())
		napi_schedule(&en->napi);
	else if (irqs_disabled())
		/* A CPU that goes offline. No interrupt ends here and would run the softirq. */
		evpoll_awake_queue_work(&en->work);
	else	/* PREEMPT_RT runs this in a thread. */
		evpoll_napi_run(en);
}

/*
 * Has NAPI run for a wake callback in process context. Caller has disabled preemption, and @en is
 * that of @cpu, on which it runs.
 *
 * When a CPU goes offline, PREEMPT_RT parks the CPU's thread that runs irq_works, and an irq_work
 * that is queued later waits until the CPU is back. A waker may still run on the CPU by then,
 * because it cannot migrate while it holds the queue lock. So a worker of any CPU takes the place
 * of the irq_work. The kernel marks the CPU as inactive and waits for a grace period of RCU before
 * it parks the thread. So the thread runs an irq_work that was queued on an active CPU.
 */
static void evpoll_napi_raise(struct evpoll_napi *en, int cpu)
{
	if (cpu_active(cpu))
		irq_work_queue(&en->kick);
	else
		evpoll_awake_queue_work(&en->work);
}

/* Returns whether the caller has set EVPOLL_SCHEDULED. Not for an instance that is being freed. */
static bool evpoll_napi_claim(struct evpoll *ep)
{
	long refs = atomic_long_read(&ep->refs);

	do {
		if (!refs || (refs & EVPOLL_SCHEDULED))
			return false;
	} while (!atomic_long_try_cmpxchg(&ep->refs, &refs, refs | EVPOLL_SCHEDULED));
	return true;
}

/* See evpoll_napi_schedule(). */
void evpoll_napi_add(struct evpoll *ep)
{
	struct evpoll_napi *en;
	int cpu;

	/*
	 * get_cpu() matters on PREEMPT_RT, where the caller may be preempted: while the bit is set
	 * and the instance in no queue, nobody else could have it flushed.
	 */
	cpu = get_cpu();
	en = per_cpu_ptr(evpoll_napis, cpu);
	if (evpoll_napi_claim(ep)) {
		evpoll_fifo_add(&en->tail, &ep->scheduled);
		/* If a poll is running, NAPI runs it once more. */
		if (in_interrupt())
			napi_schedule(&en->napi);
		else
			evpoll_napi_raise(en, cpu);
	}
	put_cpu();
}

/*
 * Runs in process context, under the lock of the wait queue of the watched file, perhaps for a
 * waker that has nothing to do with the instance. So it leaves all that is pending to the reader
 * that it wakes, or to the next one if none sleeps. Only while more sleep, the rest goes to NAPI.
 */
void evpoll_waker_flush(struct evpoll *ep, enum evpoll_wakeup wakeup, bool count)
{
	unsigned long flags;
	bool rest = false;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	evpoll_count(&ep->waker_flushes, count);
	/* Pollers: pairs with smp_mb() in evpoll_poll_nested(). Waiters: the lock is held. */
	if (waitqueue_active(&ep->pollers) || waitqueue_active(&ep->waiters)) {
		evpoll_flush_locked(ep, EVPOLL_FLUSH_BATCH, wakeup);
		/* The lock of the waiters is held. */
		rest = evpoll_is_pending(ep) && waitqueue_active(&ep->waiters);
	}
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	if (rest)
		evpoll_napi_end_window(ep);
	else
		evpoll_napi_wake_pollers(ep);
}

/*
 * May an open window hold back items? EVPOLL_ADAPTIVE decides for each event whether it has a
 * window, so there no item may wait.
 */
static bool evpoll_napi_in_window(const struct evpoll *ep)
{
	return READ_ONCE(ep->params.coalesce_usecs) && test_bit(EVPOLL_ARMED, &ep->state) &&
	       !(READ_ONCE(ep->params.flags) & EVPOLL_ADAPTIVE);
}

/* Moves up to @budget items and wakes one waiter at most. Returns how many moved. */
static int evpoll_napi_flush(struct evpoll *ep, int budget)
{
	unsigned long flags;
	int moved = 0;

	spin_lock_irqsave(&ep->waiters.lock, flags);
	/* Clear the bit before the flush, because an event may set it again from then on. */
	if (test_and_clear_bit(EVPOLL_DUE, &ep->state) || !evpoll_napi_in_window(ep)) {
		if (atomic_read(&ep->window_events))
			atomic_set(&ep->window_events, 0);
		moved = evpoll_flush_locked(ep, budget, EVPOLL_WAKEUP);
	}
	if (moved == budget && evpoll_is_pending(ep))
		set_bit(EVPOLL_DUE, &ep->state);
	evpoll_count(&ep->counts.polls, 1);
	evpoll_count(&ep->counts.exhausted, moved == budget);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	return moved;
}

/* Is there something to do for a turn? */
static bool evpoll_napi_is_due(const struct evpoll *ep)
{
	if (test_bit(EVPOLL_POLLERS, &ep->state) || test_bit(EVPOLL_DUE, &ep->state))
		return true;
	return evpoll_is_pending(ep) && !evpoll_napi_in_window(ep);
}

/*
 * The turn of one instance in a NAPI poll: one flush, so at most one wakeup of a waiter. The
 * instance has EVPOLL_SCHEDULED meanwhile, which keeps it.
 */
static int evpoll_napi_turn(struct evpoll_napi *en, struct evpoll *ep, int budget)
{
	int moved;

	budget = min_t(int, budget, READ_ONCE(ep->params.budget));
	moved = evpoll_napi_flush(ep, budget);
	evpoll_wake_pollers(ep);

	if (moved == budget) {
		evpoll_fifo_add(&en->tail, &ep->scheduled);
	} else if (atomic_long_dec_and_test(&ep->refs)) {
		evpoll_free(ep);
	} else if (evpoll_napi_is_due(ep)) {
		/*
		 * This came while the bit was set, so its context left it to this turn. The
		 * full barrier of the decrement pairs with those before the check of the bit, see
		 * evpoll_napi_schedule(). RCU keeps the memory if all references are gone by now.
		 */
		evpoll_napi_schedule(ep);
	}
	/* A turn counts as work even if a reader has taken all items before. */
	return max(moved, 1);
}

/* An instance has one turn in a poll, so that other instances and NICs have theirs. */
static int evpoll_napi_poll(struct napi_struct *napi, int budget)
{
	struct evpoll_napi *en = container_of(napi, struct evpoll_napi, napi);
	struct llist_node *node, *last = READ_ONCE(en->tail);
	int done = 0;

	while (done < budget) {
		node = evpoll_fifo_take(&en->tail, &en->first);
		if (!node)
			break;
		done += evpoll_napi_turn(en, llist_entry(node, struct evpoll, scheduled),
					 budget - done);
		if (node == last)
			break;
	}
	trace_evpoll_napi_poll(done, budget);
	/* As in any driver, returning the whole budget means that there is more to do. */
	if (done >= budget || !evpoll_fifo_empty(&en->tail, &en->first))
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
		init_irq_work(&en->kick, evpoll_napi_kick);
		INIT_WORK(&en->work, evpoll_napi_work);
		evpoll_fifo_init(&en->tail, &en->first);
		/* _tx: no busy polling, because the reader of a socket would run this flush. */
		netif_napi_add_tx(evpoll_netdev, &en->napi, evpoll_napi_poll);
		napi_enable(&en->napi);
	}
	return 0;
}

/* All instances are gone, so nothing is scheduled any more. */
void evpoll_napi_exit(void)
{
	struct evpoll_napi *en;
	int cpu;

	for_each_possible_cpu(cpu) {
		en = per_cpu_ptr(evpoll_napis, cpu);
		irq_work_sync(&en->kick);
		cancel_work_sync(&en->work);
		/* Waits until no poll is scheduled or running. */
		napi_disable(&en->napi);
		__netif_napi_del(&en->napi);
	}
	synchronize_net();
	compat_free_netdev_dummy(evpoll_netdev);
	free_percpu(evpoll_napis);
}
